"""TIFF: its many layouts are read right or refused, and pages come back as they went."""

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from picture_files import Pixels, one_line, random_pixels
from PIL import Image

from dip_jax.errors import InputError
from dip_jax.pictures import reading, writing
from dip_jax.pictures.formats import tiff_writing
from dip_jax.pictures.picture import Picture, Resolution
from dip_jax.pictures.reading import count_pages, page_shapes, read_pages
from dip_jax.pictures.writing import write_pages

DESCRIPTION, ORIENTATION, ARTIST, EXIF_IFD, EXPOSURE, GPS_IFD, LATITUDE = (
    270,
    274,
    315,
    0x8769,
    0x829A,
    0x8825,
    2,
)
DTYPES = ["uint8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"]


def range_of(dtype: str) -> tuple[float, float] | None:
    if dtype in ("uint8", "uint16") or dtype.startswith("float"):
        return None
    return np.iinfo(dtype).min, np.iinfo(dtype).max


def assert_same(picture: Picture, pixels: Pixels, alpha: Pixels | None = None) -> None:
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.pixels.dtype == pixels.dtype
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None and picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, alpha)
        assert picture.alpha.dtype == alpha.dtype


@st.composite
def samples(draw: st.DrawFn) -> Pixels:
    dtype = draw(st.sampled_from(["uint8", "uint16", "int32", "float16", "float32", "float64"]))
    h, w = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    low, high = (0, 1) if dtype.startswith("float") else (0, 200)
    width = {"width": 8 * np.dtype(dtype).itemsize} if dtype.startswith("float") else {}
    numbers = st.floats if width else st.integers
    channels = draw(st.integers(1, 4))
    return draw(hnp.arrays(dtype, (h, w, channels), elements=numbers(low, high, **width)))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(samples(), min_size=1, max_size=3), st.booleans())
def test_any_pages_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, pages: list[Pixels], big: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tif"
    exif = Image.Exif()
    exif[EXIF_IFD] = {EXPOSURE: 0.25}
    likes = []
    for page in pages:
        colours = 1 if page.shape[2] < 3 else 3
        alpha = page[..., -1] if page.shape[2] in (2, 4) else None
        pixels = page[..., 0] if colours == 1 else page[..., :3]
        likes.append(Picture(pixels, alpha=alpha, exif=exif.tobytes(), data_range=(0, 200)))
    with pytest.MonkeyPatch.context() as patch:
        if big:  # as for four gigabytes
            patch.setattr(tiff_writing, "_CLASSIC_LIMIT", 0)
        write_pages(path, [like.pixels for like in likes], likes)
    assert path.read_bytes()[2] == (43 if big else 42)
    for picture, like in zip(read_pages(path, (0, 200)), likes, strict=True):
        assert_same(picture, like.pixels, like.alpha)
        read = Image.Exif()
        assert picture.exif is not None
        read.load(picture.exif)
        assert read.get_ifd(EXIF_IFD) == {EXPOSURE: 0.25}


# Reading


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_depth_is_read_and_written_exactly(tmp_path: Path, dtype: str, channels: int) -> None:
    samples = random_pixels(9, 13, channels, dtype=dtype)
    colours = 1 if channels < 3 else 3
    pixels = samples[..., 0] if colours == 1 else samples[..., :3]
    alpha = samples[..., -1] if channels in (2, 4) else None
    tifffile.imwrite(
        tmp_path / "in.tif",
        samples[..., 0] if channels == 1 else samples,
        photometric="minisblack" if colours == 1 else "rgb",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if alpha is not None else None,
    )
    picture = reading.read(tmp_path / "in.tif", range_of(dtype))
    assert picture.data_range == range_of(dtype)
    assert_same(picture, pixels, alpha)
    writing.write(tmp_path / "out.tif", picture.pixels, picture)
    assert_same(reading.read(tmp_path / "out.tif", range_of(dtype)), pixels, alpha)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), np.squeeze(samples))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_files_of_another_encoder(tmp_path: Path, dtype: str, channels: int) -> None:
    """OpenCV's libtiff: LZW with a predictor, and no word on what the fourth channel is."""
    samples = random_pixels(9, 13, channels, dtype=dtype)
    assert cv2.imwrite(str(tmp_path / "a.tif"), samples)
    pixels = samples[..., 0] if channels == 1 else samples[..., 2::-1]
    picture = reading.read(tmp_path / "a.tif")
    assert_same(picture, pixels, samples[..., 3] if channels == 4 else None)
    writing.write(tmp_path / "b.tif", picture.pixels, picture)
    if dtype == "uint8" and channels == 4:  # which OpenCV multiplies by alpha as it reads
        with Image.open(tmp_path / "b.tif") as image:
            np.testing.assert_array_equal(image, samples[..., [2, 1, 0, 3]])
    else:
        back = cv2.imread(str(tmp_path / "b.tif"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(back, np.squeeze(samples))


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd", "packbits", "lzma"])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"tile": (16, 16)},
        {"rowsperstrip": 7},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "tile": (16, 16)},
        {"bigtiff": True},
        {"byteorder": ">"},
    ],
)
def test_layouts_and_compressions(tmp_path: Path, compression: Any, layout: dict[str, Any]) -> None:
    pixels = random_pixels(21, 35, 3, dtype=np.uint16)
    stored = np.moveaxis(pixels, 2, 0) if "planarconfig" in layout else pixels
    predictor = compression in ("lzw", "zlib", "zstd")
    tifffile.imwrite(
        tmp_path / "a.tif",
        stored,
        photometric="rgb",
        compression=compression,
        predictor=predictor,
        **layout,
    )
    assert_same(reading.read(tmp_path / "a.tif"), pixels)


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_reach_from_black_to_white(tmp_path: Path, bits: int) -> None:
    values = random_pixels(9, 13) % 2**bits
    tifffile.imwrite(tmp_path / "a.tif", values, bitspersample=bits, photometric="minisblack")
    expected = np.rint(values * (255 / (2**bits - 1))).astype(np.uint8)
    assert_same(reading.read(tmp_path / "a.tif"), expected)


def test_packed_12_bits_need_their_range(tmp_path: Path) -> None:
    values = random_pixels(9, 13, dtype=np.uint16) % 4096
    tifffile.imwrite(tmp_path / "a.tif", values, bitspersample=12, photometric="minisblack")
    assert "(0.0, 4095.0)" in one_line(reading.read, tmp_path / "a.tif")
    picture = reading.read(tmp_path / "a.tif", (0, 4095))
    assert_same(picture, values)
    assert picture.data_range == (0, 4095)


@pytest.mark.parametrize("step", [257, 256])
def test_palettes(tmp_path: Path, step: int) -> None:
    indices = random_pixels(9, 13)
    colours = random_pixels(3, 256)
    tifffile.imwrite(
        tmp_path / "a.tif",
        indices,
        photometric="palette",
        colormap=colours.astype(np.uint16) * step,
    )
    assert_same(reading.read(tmp_path / "a.tif"), np.moveaxis(colours[:, indices], 0, 2))


def test_a_palette_of_16_bits_stays_so(tmp_path: Path) -> None:
    indices, colours = random_pixels(9, 13), random_pixels(3, 256, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=colours)
    assert_same(reading.read(tmp_path / "a.tif"), np.moveaxis(colours[:, indices], 0, 2))


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "group4", "tiff_ccitt"])
def test_jpeg_and_fax_within_a_tiff(tmp_path: Path, compression: str) -> None:
    fax = compression in ("group4", "tiff_ccitt")
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (32, 1))
    image = Image.fromarray(ramp > 99 if fax else np.dstack([ramp, ramp, 255 - ramp]))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.tif", compression=compression, exif=exif)
    pixels = reading.read(tmp_path / "a.tif").pixels
    expected = np.rot90(np.array(image.convert("L" if fax else "RGB")), -1)
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= (0 if fax else 8)


def test_colours_multiplied_by_alpha_stay_so_and_are_divided_for_png(tmp_path: Path) -> None:
    colour, alpha = np.full((4, 4, 3), 200.0), np.array([[0, 85, 170, 255]] * 4, np.uint8)
    stored = np.rint(colour * alpha[..., None] / 255).astype(np.uint8)
    samples = np.dstack([stored, alpha])
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extrasamples=["assocalpha"])
    picture = reading.read(tmp_path / "a.tif")
    assert picture.premultiplied
    assert_same(picture, stored, alpha)
    writing.write(tmp_path / "b.tif", picture.pixels, picture)
    again = reading.read(tmp_path / "b.tif")
    assert again.premultiplied
    assert_same(again, stored, alpha)
    writing.write(tmp_path / "b.png", picture.pixels, picture)
    png = reading.read(tmp_path / "b.png")
    np.testing.assert_array_equal(png.alpha, alpha)
    np.testing.assert_allclose(png.pixels[:, 1:], colour[:, 1:], atol=2)


REFUSED: dict[str, tuple[str, Pixels, dict[str, Any]]] = {
    "five channels": ("channels", random_pixels(9, 13, 5), {"photometric": "rgb"}),
    "an unnamed fourth channel": (
        "channels",
        random_pixels(9, 13, 4),
        {"photometric": "rgb", "extrasamples": ["unspecified"]},
    ),
    "two grey channels": (
        "channels",
        random_pixels(9, 13, 2),
        {"photometric": "minisblack", "planarconfig": "contig"},
    ),
    "a volume": (
        "depth",
        random_pixels(16, 16, 16),
        {"photometric": "minisblack", "volumetric": True, "tile": (16, 16, 16)},
    ),
    "complex numbers": ("complex", np.ones((9, 13), np.complex64), {"photometric": "minisblack"}),
    "a signed picture": ("data_range", np.ones((9, 13), np.int16), {"photometric": "minisblack"}),
    "CIE Lab": (
        "not supported",
        random_pixels(9, 13, 3, dtype=np.uint16),
        {"photometric": "cielab"},
    ),
    "JPEG 2000": (
        "not supported",
        random_pixels(9, 13, 3, dtype=np.uint16),
        {"photometric": "rgb", "compression": "jpeg2000"},
    ),
    "16-bit CMYK": (
        "CMYK",
        random_pixels(9, 13, 4, dtype=np.uint16),
        {"photometric": "separated"},
    ),
    "inverted floats": (
        "ambiguous",
        random_pixels(9, 13, dtype=np.float32),
        {"photometric": "miniswhite"},
    ),
    "a preview alone": (
        "previews",
        random_pixels(9, 13),
        {"photometric": "minisblack", "subfiletype": 1},
    ),
    "pages that are not listed": (
        "does not list",
        random_pixels(3, 9, 13),
        {"photometric": "minisblack", "truncate": True},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_be_misread_is_refused(tmp_path: Path, case: str) -> None:
    word, stored, options = REFUSED[case]
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    for read in (reading.read, read_pages):
        assert word in one_line(read, tmp_path / "a.tif")


# Pages


def test_pages_of_any_size_and_kind(tmp_path: Path) -> None:
    pages = [
        Picture(random_pixels(9, 13), alpha=random_pixels(9, 13)),
        Picture(random_pixels(5, 7, 3, dtype=np.uint16), icc_profile=b"a profile"),
        Picture(random_pixels(8, 4, dtype=np.float32)),
    ]
    write_pages(tmp_path / "a.tif", [page.pixels for page in pages], pages)
    back = read_pages(tmp_path / "a.tif")
    assert len(back) == 3
    for picture, page in zip(back, pages, strict=True):
        assert_same(picture, page.pixels, page.alpha)
        assert picture.icc_profile == page.icc_profile
    with Image.open(tmp_path / "a.tif") as image:
        assert getattr(image, "n_frames", 1) == 3
    assert "3 pages" in one_line(reading.read, tmp_path / "a.tif")


def test_a_single_picture_is_one_page(tmp_path: Path) -> None:
    pixels = random_pixels(9, 13, 3)
    for suffix in ("tif", "png"):
        write_pages(tmp_path / f"a.{suffix}", [pixels])
        (picture,) = read_pages(tmp_path / f"a.{suffix}")
        assert_same(picture, pixels)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_pages_of_another_encoder(tmp_path: Path, compression: str) -> None:
    pages = [random_pixels(9, 13), random_pixels(6, 5, 3), random_pixels(9, 4, 4)]
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(tmp_path / "a.tif", save_all=True, append_images=rest, compression=compression)
    grey, colour, clear = read_pages(tmp_path / "a.tif")
    assert_same(grey, pages[0])
    assert_same(colour, pages[1])
    assert_same(clear, pages[2][..., :3], pages[2][..., 3])


def test_one_page_is_read_alone_and_headers_tell_of_all(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = Image.fromarray(random_pixels(6, 5, 3))
    others = [Image.fromarray(random_pixels(9, 13)), Image.fromarray(random_pixels(9, 4, 4))]
    turned.save(tmp_path / "a.tif", save_all=True, append_images=others, exif=exif)
    pages = read_pages(tmp_path / "a.tif")
    assert count_pages(tmp_path / "a.tif") == 3
    colours = [1 if page.pixels.ndim == 2 else 3 for page in pages]
    assert page_shapes(tmp_path / "a.tif") == [
        (*page.pixels.shape[:2], c) for page, c in zip(pages, colours, strict=True)
    ]
    assert pages[0].pixels.shape == (5, 6, 3)
    for number, page in enumerate(pages, 1):
        assert_same(reading.read(tmp_path / "a.tif", page=number), page.pixels, page.alpha)
    assert "1 to 3" in one_line(reading.read, tmp_path / "a.tif", page=4)
    assert "no page -1" in one_line(reading.read, tmp_path / "a.tif", page=-1)
    assert "which page, 1 to 3" in one_line(reading.read, tmp_path / "a.tif")


def test_other_files_have_one_page(tmp_path: Path) -> None:
    pixels = random_pixels(9, 13, 3)
    for suffix in ("png", "jpg", "tif"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(pixels).save(path)
        assert page_shapes(path) == [(9, 13, 3)]
        assert reading.read(path, page=1).pixels.shape == (9, 13, 3)
        assert "no page 2" in one_line(reading.read, path, page=2)
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:6])
    for name in ("b.tif", "missing.tif", "."):
        assert count_pages(tmp_path / name) == 1
        assert page_shapes(tmp_path / name) is None


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_stacks_of_microscopes_are_pages(tmp_path: Path, kind: str) -> None:
    stack = random_pixels(3, 9, 13, dtype=np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        stack,
        photometric="minisblack",
        resolution=(6.25, 6.25),
        metadata={"axes": "ZYX", "unit": "um"} if kind == "imagej" else {"axes": "ZYX"},
        **{kind: True},
    )
    pages = read_pages(tmp_path / "a.tif")
    assert len(pages) == 3
    assert page_shapes(tmp_path / "a.tif") == [(9, 13, 1)] * 3
    for picture, plane in zip(pages, stack, strict=True):
        assert_same(picture, plane)
    # What counts the planes must not reach a file with another number of them.
    write_pages(tmp_path / "b.tif", [page.pixels for page in pages[:2]], pages[:2])
    assert len(read_pages(tmp_path / "b.tif")) == 2
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert not file.is_ome
        if kind == "imagej":
            assert (file.imagej_metadata or {})["unit"] == "um"
            assert file.pages[0].aspage().resolution == (6.25, 6.25)


def test_previews_are_not_pages(tmp_path: Path) -> None:
    pixels = random_pixels(16, 24, 3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(pixels, photometric="rgb", metadata=None)
        writer.write(pixels[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    assert_same(reading.read(tmp_path / "a.tif"), pixels)


def test_one_bad_page_is_named(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for dtype in (np.uint8, np.int16, np.uint8):
            pixels = np.ones((5, 7), dtype)
            writer.write(pixels, photometric="minisblack", metadata=None)
    assert "page 2 of" in one_line(read_pages, tmp_path / "a.tif")


def test_pages_that_cannot_be_written_leave_the_old_file_alone(tmp_path: Path) -> None:
    page = random_pixels(4, 6)
    bad: list[tuple[str, list[Pixels], Any]] = [
        ("a.png", [page, page], None),
        ("a.tif", [], None),
        ("a.tif", [page, page], [None]),
        ("a.tif", [page, page[0]], None),
        ("a.tif", [page, page], [None, Picture(page.T)]),
    ]
    for name, pages, likes in bad:
        (tmp_path / name).write_bytes(b"precious")
        one_line(write_pages, tmp_path / name, pages, likes)
        assert (tmp_path / name).read_bytes() == b"precious"


# Description


def test_exif_and_resolution_of_each_page(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ARTIST] = "Zoë Müller".encode()
    exif[EXIF_IFD] = {EXPOSURE: 0.25}
    exif[GPS_IFD] = {LATITUDE: (52.0, 30.0, 0.5)}
    pixels = random_pixels(5, 7, 3, dtype=np.uint16)
    likes = [
        Picture(pixels, exif=exif.tobytes(), resolution=Resolution(300, 150)),
        Picture(pixels, resolution=Resolution(10000, 7.25, "cm")),
        Picture(pixels, exif=exif.tobytes()),
    ]
    write_pages(tmp_path / "a.tif", [pixels] * 3, likes)
    pages = read_pages(tmp_path / "a.tif")
    assert [page.resolution for page in pages] == [like.resolution for like in likes]
    assert pages[1].exif is None
    for page in (pages[0], pages[2]):
        read = Image.Exif()
        assert page.exif is not None
        read.load(page.exif)
        assert read[ARTIST].encode("latin-1") == "Zoë Müller".encode()
        assert read.get_ifd(EXIF_IFD)[EXPOSURE] == 0.25
        assert read.get_ifd(GPS_IFD)[LATITUDE] == (52.0, 30.0, 0.5)
    with Image.open(tmp_path / "a.tif") as image:  # another reader finds them too
        image.seek(0)
        assert image.getexif().get_ifd(EXIF_IFD)[EXPOSURE] == 0.25


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pictures_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    upright = random_pixels(4, 6, 3, dtype=np.uint16)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.ascontiguousarray(stored),
        photometric="rgb",
        resolution=(100, 200),
        resolutionunit="centimeter",
        extratags=[(274, "H", 1, orientation, True)],
    )
    picture = reading.read(tmp_path / "a.tif")
    assert_same(picture, upright)
    turned = (200, 100) if orientation >= 5 else (100, 200)
    assert picture.resolution == (*turned, "cm")
    writing.write(tmp_path / "b.tif", picture.pixels, picture)
    again = reading.read(tmp_path / "b.tif")
    assert_same(again, upright)
    assert again.resolution == picture.resolution


# Broken files


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd"])
@pytest.mark.parametrize("pages", [1, 3])
def test_a_cut_file_is_refused_whole(
    tmp_path: Path, pages: int, compression: Any, share: float
) -> None:
    stack = random_pixels(pages, 32, 32, 3, dtype=np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, photometric="rgb", compression=compression, metadata=None)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    one_line(read_pages, path)


def bomb(w: int, h: int, tile: int = 0, compression: int = 8) -> bytes:
    """A TIFF that declares a size and has a hundred bytes of it."""
    place = 8 + 2 + 12 * 9 + 4
    tags = [(256, 4, w), (257, 4, h), (258, 3, 8), (259, 3, compression), (262, 3, 1)]
    if tile:
        tags += [(322, 4, tile), (323, 4, tile), (324, 4, place), (325, 4, 100)]
    else:
        tags += [(273, 4, place), (277, 3, 1), (278, 4, h), (279, 4, 100)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + bytes(100)


@pytest.mark.parametrize("compression", [1, 5, 7, 8, 34712])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "a.tif"
    tracemalloc.start()
    try:
        for data in (bomb(40_000, 25_000, 0, compression), bomb(9, 9, 100_000, compression)):
            path.write_bytes(data)
            assert "too many pixels" in one_line(reading.read, path)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_many_pages_are_a_bomb_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pages(tmp_path / "a.tif", [np.zeros((10, 10), np.uint8)] * 11)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    assert "together" in one_line(read_pages, tmp_path / "a.tif")


def test_a_strip_that_holds_more_or_less_than_it_says_is_refused(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="zlib", photometric="minisblack")
    for rows in (63, 65, 4000):
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
            for tag in (257, 278):
                file.pages[0].aspage().tags[tag].overwrite(rows)
        try:
            assert reading.read(tmp_path / "a.tif").pixels.shape == (rows, 64)
            assert rows < 64  # the rest of a strip may be ignored, a lack of it may not
        except InputError:
            assert rows != 64
