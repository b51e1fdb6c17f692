"""What a file keeps of the one that it is like: compression, axes; and what it cannot is told."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from picture_files import png_bytes, random_pixels
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dip_jax.pictures import reading, writing
from dip_jax.pictures.picture import Picture


def written_again(path: Path) -> Path:
    pages = reading.read_pages(path)
    again = path.with_name("again.tif")
    writing.write_pages(again, [page.pixels for page in pages], pages)
    return again


def layout(path):
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        axes = [(series.axes, series.shape) for series in file.series]
        return axes, int(page.compression), int(page.predictor), int(page.planarconfig)


@pytest.mark.parametrize(
    "options",
    [
        *({"compression": c} for c in ("lzw", "adobe_deflate", "deflate", "zstd", "packbits")),
        *({"compression": c, "predictor": True} for c in ("lzw", "zstd")),
        {},
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_tiff_keeps_its_compression(tmp_path, options, dtype):
    pixels = random_pixels(20, 18, 3, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", **options)
    again = written_again(tmp_path / "a.tif")
    assert layout(again) == layout(tmp_path / "a.tif")
    np.testing.assert_array_equal(tifffile.imread(again), pixels)
    assert writing.changes(again, reading.read_pages(again)) == []


@pytest.mark.parametrize(
    ("axes", "shape", "options"),
    [
        ("CYX", (3, 20, 18), {}),
        ("TZCYX", (2, 3, 2, 20, 18), {"compression": "lzw"}),
        ("ZYXS", (4, 20, 18, 3), {"photometric": "rgb"}),
        ("CYX", (3, 20, 18), {"photometric": "rgb", "planarconfig": "separate"}),
        ("SYX", (3, 20, 18), {"photometric": "rgb", "planarconfig": "separate"}),
        ("CYX", (3, 20, 18), {"imagej": True}),
        ("TZCYX", (2, 3, 2, 20, 18), {"imagej": True}),
        ("CYX", (3, 20, 18), {"ome": True}),
    ],
)
def test_a_tiff_keeps_its_axes(tmp_path, axes, shape, options):
    pixels = random_pixels(*shape)
    options = {"photometric": "minisblack"} | options
    tifffile.imwrite(tmp_path / "a.tif", pixels, metadata={"axes": axes}, **options)
    again = written_again(tmp_path / "a.tif")
    assert layout(again) == layout(tmp_path / "a.tif")
    assert layout(again)[0] == [(axes, shape)]
    np.testing.assert_array_equal(tifffile.imread(again), pixels)
    notes = reading.read_pages(tmp_path / "a.tif")[0].notes
    assert notes == (
        ("has a description in OME-XML, which is not kept",) if "ome" in options else ()
    )


def test_a_part_of_a_stack_is_no_stack_and_keeps_its_words(tmp_path):
    pixels = random_pixels(3, 20, 18)
    words = {"axes": "CYX", "unit": "um", "spacing": 2.0}
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata=words)
    with tifffile.TiffFile(written_again(tmp_path / "a.tif")) as file:
        assert file.imagej_metadata["unit"] == "um" and file.imagej_metadata["channels"] == 3
    pages = reading.read_pages(tmp_path / "a.tif")[:2]
    writing.write_pages(tmp_path / "b.tif", [page.pixels for page in pages], pages)
    assert reading.count_pages(tmp_path / "b.tif") == 2
    assert layout(tmp_path / "b.tif")[0] != layout(tmp_path / "a.tif")[0]


def test_a_fax_and_a_jpeg_in_a_tiff_are_told(tmp_path):
    Image.fromarray(random_pixels(20, 18) > 99).save(tmp_path / "a.tif", compression="group4")
    Image.fromarray(random_pixels(20, 18, 3)).save(tmp_path / "b.tif", compression="jpeg")
    for name, kind in (("a.tif", "CCITTFAX4"), ("b.tif", "JPEG")):
        pages = reading.read_pages(tmp_path / name)
        (line,) = writing.changes("out.tif", pages)
        assert kind in line and "deflate" in line and writing.changes("out.png", pages) == []
        again = written_again(tmp_path / name)
        assert layout(again)[1] == tifffile.COMPRESSION.ADOBE_DEFLATE
        np.testing.assert_array_equal(reading.read(again).pixels, pages[0].pixels)
    assert "1 of 8 bits" in reading.read(tmp_path / "a.tif").notes[0]


def test_what_is_read_otherwise_is_noted(tmp_path):
    inks = Image.fromarray(random_pixels(20, 18, 3)).convert("CMYK")
    for name in ("inks.jpg", "inks.tif"):
        inks.save(tmp_path / name, icc_profile=b"a profile of inks")
        (note,) = reading.read(tmp_path / name).notes
        assert "CMYK" in note and "without its colour profile" in note
    inks.save(tmp_path / "plain.jpg")
    assert reading.read(tmp_path / "plain.jpg").notes == ("is CMYK: taken as RGB",)
    Image.fromarray(random_pixels(20, 18) > 99).save(tmp_path / "bits.png")
    assert "1 of 8 bits" in reading.read(tmp_path / "bits.png").notes[0]
    for gamma, chunks in ((1.0, 1), (0.45455, 0)):
        chunk = (b"gAMA", int(100000 * gamma).to_bytes(4, "big"))
        (tmp_path / "a.png").write_bytes(png_bytes(random_pixels(9, 9), 0, 8, (chunk,)))
        assert len(reading.read(tmp_path / "a.png").notes) == chunks


def test_descriptions_of_other_kinds_are_told_to_be_lost(tmp_path):
    image, words = Image.fromarray(random_pixels(20, 18)), PngInfo()
    words.add_text("Title", "a boat")
    image.save(tmp_path / "a.png", pnginfo=words)
    assert reading.read(tmp_path / "a.png").notes == ("has texts (Title), which are not kept",)
    for name in ("a.jpg", "a.webp"):
        image.save(tmp_path / name, xmp=b"<x/>")
    tifffile.imwrite(tmp_path / "a.tif", np.asarray(image), extratags=[(700, 1, 4, b"<x/>", True)])
    for name in ("a.jpg", "a.webp", "a.tif"):
        assert reading.read(tmp_path / name).notes == ("has XMP data, which are not kept",)


def test_grey_in_webp_loses_its_profile_and_says_so(tmp_path):
    like = Picture(random_pixels(9, 9), icc_profile=b"a profile of greys")
    writing.write(tmp_path / "a.webp", like.pixels, like)
    assert reading.read(tmp_path / "a.webp").icc_profile is None
    (line,) = writing.changes("a.webp", [like])
    assert "RGB" in line and "profile" in line
    assert writing.changes("a.png", [like]) == []


def test_exif_that_is_too_large_for_jpeg_is_told(tmp_path):
    exif = Image.Exif()
    exif[270] = 70000 * "a"
    like = Picture(random_pixels(9, 9), exif=exif.tobytes())
    writing.write(tmp_path / "a.jpg", like.pixels, like)
    assert reading.read(tmp_path / "a.jpg").exif is None
    assert "EXIF" in writing.changes("a.jpg", [like])[0]
    assert writing.changes("a.png", [like]) == []


def test_what_is_made_opaque_has_the_colours_that_it_had():
    pixels, alpha = np.full((2, 2, 3), 200.0), np.array([[255, 128], [64, 0]], np.uint8)
    multiplied = np.rint(pixels * alpha[..., None] / 255).astype(np.uint8)
    opaque = Picture(multiplied, alpha, premultiplied=True).opaque()
    assert opaque.alpha is None and not opaque.premultiplied
    np.testing.assert_allclose(opaque.pixels[alpha > 0], 200, atol=2)
    plain = Picture(pixels.astype(np.uint8), alpha).opaque()
    np.testing.assert_array_equal(plain.pixels, 200)
