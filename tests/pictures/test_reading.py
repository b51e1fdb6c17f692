"""Pictures in and out of files: what comes back is what went in, or one line says why not."""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from picture_files import Pixels, one_line, png_bytes, random_pixels
from PIL import Image

from dip_jax.pictures import reading, samples, writing
from dip_jax.pictures.marks import Mask, check_mask
from dip_jax.pictures.masks import read_mask
from dip_jax.pictures.picture import Picture, Resolution
from dip_jax.pictures.reading import read_pages
from dip_jax.pictures.samples import SAMPLES
from dip_jax.pictures.values import from_float

ORIENTATION, DESCRIPTION, EXIF_IFD, EXPOSURE = 0x0112, 0x010E, 0x8769, 0x829A


# Reading


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "bmp"])
def test_reads_rgb_exactly(tmp_path: Path, suffix: str) -> None:
    pixels = random_pixels(9, 13, 3)
    path = tmp_path / f"a.{suffix}"
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(pixels).save(path, **options)
    picture = reading.read(path)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.pixels.dtype == np.uint8 and picture.alpha is None
    assert picture.file_format == {"tif": "TIFF"}.get(suffix, suffix.upper())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_reads_grey_exactly(tmp_path: Path, suffix: str, dtype: Any) -> None:
    pixels = random_pixels(9, 13, dtype=dtype)
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    picture = reading.read(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.pixels.dtype == dtype


@pytest.mark.parametrize(
    ("byteorder", "photometric"), [("<", "minisblack"), (">", "minisblack"), ("<", "miniswhite")]
)
def test_reads_16_bit_grey_tiff(tmp_path: Path, byteorder: Any, photometric: str) -> None:
    pixels = random_pixels(9, 13, dtype=np.uint16)
    stored = pixels if photometric == "minisblack" else 65535 - pixels
    tifffile.imwrite(tmp_path / "a.tif", stored, byteorder=byteorder, photometric=photometric)
    picture = reading.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.pixels.dtype == np.dtype(np.uint16)


def test_reads_jpeg_closely(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (32, 1))
    Image.fromarray(ramp).save(tmp_path / "a.jpg", quality=95)
    picture = reading.read(tmp_path / "a.jpg")
    assert picture.pixels.shape == (32, 64) and picture.file_format == "JPEG"
    assert np.abs(picture.pixels.astype(int) - ramp).max() <= 4


def test_reads_float_tiff_as_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((9, 13), dtype=np.float32)
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    picture = reading.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.pixels.dtype == np.float32


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_one_bit_becomes_black_and_white(tmp_path: Path, suffix: str) -> None:
    bits = random_pixels(9, 13) > 127
    Image.fromarray(bits).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(reading.read(tmp_path / f"a.{suffix}").pixels, bits * 255)


def test_palette_becomes_rgb_and_its_transparent_colour_alpha(tmp_path: Path) -> None:
    palette = Image.fromarray(np.array([[0, 1], [1, 2]], np.uint8)).convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(tmp_path / "plain.png")
    palette.save(tmp_path / "clear.png", transparency=1)
    plain, clear = reading.read(tmp_path / "plain.png"), reading.read(tmp_path / "clear.png")
    red, green, blue = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    np.testing.assert_array_equal(plain.pixels, [[red, green], [green, blue]])
    assert plain.alpha is None
    assert clear.alpha is not None
    np.testing.assert_array_equal(clear.alpha, [[255, 0], [0, 255]])
    assert clear.pixels.shape == (2, 2, 3)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_becomes_rgb_without_its_profile(tmp_path: Path, suffix: str) -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    cyan.save(tmp_path / f"a.{suffix}", icc_profile=b"a profile of inks")
    picture = reading.read(tmp_path / f"a.{suffix}")
    assert picture.pixels.shape == (16, 16, 3)
    np.testing.assert_allclose(picture.pixels[8, 8], [0, 255, 255], atol=3)
    assert picture.icc_profile is None


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_split_off(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = random_pixels(9, 13, channels)
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    picture = reading.read(tmp_path / f"a.{suffix}")
    expected = pixels[..., 0] if channels == 2 else pixels[..., :3]
    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, pixels[..., -1])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_grey_reach_from_black_to_white(tmp_path: Path, bits: int) -> None:
    row = np.array([[0b11110000]], np.uint8)
    header_width = np.broadcast_to(row, (1, 8 // bits))
    stream = png_bytes(header_width, 0, bits)
    packed = zlib.compress(b"\0" + row.tobytes())
    start = stream.index(b"IDAT") - 4
    idat = struct.pack(">I", len(packed)) + b"IDAT" + packed
    idat += struct.pack(">I", zlib.crc32(b"IDAT" + packed))
    (tmp_path / "a.png").write_bytes(stream[:start] + idat + stream[-12:])
    pixels = reading.read(tmp_path / "a.png").pixels
    half = 4 // bits
    np.testing.assert_array_equal(pixels, [[255] * half + [0] * half])


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_picture_is_turned_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :16], upright[:8, 16:], upright[8:, :16] = 240, 160, 80
    # What a camera stores, by the meaning that the EXIF standard gives to row 0 and column 0.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, dpi=(100, 200))
    picture = reading.read(path)
    pixels = picture.pixels[..., 0] if picture.pixels.ndim == 3 else picture.pixels
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).max() <= 8
    if picture.dpi is not None:  # a WebP has none
        turned = (200, 100) if orientation >= 5 else (100, 200)
        np.testing.assert_allclose(picture.dpi, turned, rtol=1e-3)
    # Written and read again, it is not turned a second time.
    writing.write(path, picture.pixels, like=picture)
    again = reading.read(path).pixels
    assert np.abs(again.astype(int) - picture.pixels).max() <= 8


def test_16_bit_grey_is_turned_too(tmp_path: Path) -> None:
    pixels = random_pixels(4, 6, dtype=np.uint16)
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(reading.read(tmp_path / "a.png").pixels, pixels[::-1, ::-1])


def test_the_main_picture_of_a_phones_jpeg_is_read(tmp_path: Path) -> None:
    main, extra = Image.new("RGB", (16, 8), "white"), Image.new("RGB", (4, 4))
    main.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[extra])
    picture = reading.read(tmp_path / "a.jpg")
    assert picture.file_format == "JPEG" and picture.pixels.shape == (8, 16, 3)
    assert picture.pixels.min() >= 250


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_float_tiff_keeps_values_that_are_not_finite(tmp_path: Path, value: float) -> None:
    pixels = np.full((5, 7), 0.5, np.float32)
    pixels[2, 3] = value
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(reading.read(tmp_path / "a.tif").pixels, pixels)
    Image.fromarray(np.full_like(pixels, np.nan)).save(tmp_path / "b.tif")
    assert "no finite value" in one_line(reading.read, tmp_path / "b.tif")


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_float_tiff_out_of_range_is_refused(tmp_path: Path, value: float) -> None:
    pixels = np.full((5, 7), 0.5, np.float32)
    pixels[2, 3] = value
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    assert "[0, 1]" in one_line(reading.read, tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", ["tif", "gif", "png", "webp"])
def test_several_pages_are_refused(tmp_path: Path, suffix: str) -> None:
    pages = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=pages[1:])
    assert "2 pages or frames" in one_line(reading.read, tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "gif"])
@pytest.mark.parametrize("share", [0.002, 0.1, 0.6, 0.97])
def test_a_file_cut_short_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(random_pixels(64, 64, 3)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert repr(str(path)) in one_line(reading.read, path)


def test_a_flipped_byte_in_a_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(random_pixels(64, 64, 3)).save(path)
    broken = bytearray(path.read_bytes())
    broken[len(broken) // 2] ^= 0xFF
    path.write_bytes(broken)
    one_line(reading.read, path)


def test_what_is_not_a_readable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("this is not a picture\n" * 9)
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "empty.tif").write_bytes(b"")
    for name in ("text.png", "empty.png", "empty.tif", "page.eps"):
        assert "not a picture" in one_line(reading.read, tmp_path / name)
    for number, rest in enumerate((b"", b"no directory", bytes(40), b"\xff" * 99)):
        (tmp_path / f"{number}.tif").write_bytes(b"II*\0" + rest)
        assert "broken" in one_line(reading.read, tmp_path / f"{number}.tif")
    assert "No such file" in one_line(reading.read, tmp_path / "missing.png")
    assert "No such file" in one_line(reading.read, tmp_path / "two\nlines.png")
    assert "null" in one_line(reading.read, "a\0b.png")
    one_line(reading.read, tmp_path)


@contextlib.contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Gives up the rights of root, who may read and write all."""
    if not hasattr(os, "geteuid"):
        pytest.skip("permissions of POSIX")
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield
    finally:
        if root:
            os.seteuid(0)


def test_no_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (4, 4)).save(path)
    path.chmod(0)
    tmp_path.chmod(0o500)
    with an_ordinary_user():
        for read in (reading.read, read_pages):
            assert "ermission" in one_line(read, path)
        assert "ermission" in one_line(writing.write, tmp_path / "b.png", random_pixels(4, 4))
    tmp_path.chmod(0o700)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_the_resolution_of_a_jpeg_is_not_made_up(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[DESCRIPTION] = "a boat"
    Image.fromarray(random_pixels(8, 16)).save(tmp_path / "a.jpg", exif=exif)
    picture = reading.read(tmp_path / "a.jpg")
    assert picture.exif is not None and picture.resolution is None
    exif[0x011A], exif[0x011B], exif[0x0128] = 118, 59, 3  # of which the unit is the centimetre
    Image.fromarray(random_pixels(8, 16)).save(tmp_path / "b.jpg", exif=exif)
    assert reading.read(tmp_path / "b.jpg").resolution == Resolution(118, 59, "cm")


@pytest.mark.parametrize("limit", [49, 20])  # Pillow warns at the limit and raises at twice it
def test_a_picture_bomb_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    Image.new("L", (10, 10)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert "too many pixels" in one_line(reading.read, tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    assert reading.read(tmp_path / "a.png").pixels.shape == (10, 10)


# Masks


def save_mask(path: Path, fill: NDArray[np.bool_], mode: str) -> None:
    Image.fromarray(fill).convert("L").convert(mode).save(path)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P", "I;16"])
def test_white_fills_and_the_other_polarity_keeps(tmp_path: Path, mode: str) -> None:
    fill = random_pixels(9, 13) > 200
    path = tmp_path / "mask.png"
    if mode == "I;16":
        Image.fromarray(fill * np.uint16(65535)).save(path)
    else:
        save_mask(path, fill, mode)
    read = read_mask(path, (9, 13)).fill
    assert read.dtype == np.bool_
    np.testing.assert_array_equal(read, fill)
    np.testing.assert_array_equal(read_mask(path, (9, 13), "keep").fill, ~fill)


def test_bad_masks_are_refused(tmp_path: Path) -> None:
    fill = np.zeros((6, 10), np.bool_)
    fill[2:4] = True
    save_mask(tmp_path / "mask.png", fill, "L")
    save_mask(tmp_path / "none.png", fill & False, "L")
    save_mask(tmp_path / "all.png", fill | True, "L")
    message = one_line(read_mask, tmp_path / "mask.png", (10, 6))
    assert "10 x 6" in message and "6 x 10" in message
    assert "'maybe'" in one_line(read_mask, tmp_path / "mask.png", (6, 10), "maybe")
    for polarity, word in (("fill", "nothing"), ("keep", "everything")):
        assert word in one_line(read_mask, tmp_path / "none.png", (6, 10), polarity)
    for polarity, word in (("fill", "everything"), ("keep", "nothing")):
        assert word in one_line(read_mask, tmp_path / "all.png", (6, 10), polarity)
    assert "the painted mask" in one_line(check_mask, Mask(fill & False), "the painted mask")
    check_mask(Mask(fill))


# Writing


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".webp"])
@pytest.mark.parametrize("alpha", [False, True])
def test_written_without_loss(tmp_path: Path, suffix: str, alpha: bool) -> None:
    pixels = random_pixels(9, 13, 3)
    like = Picture(pixels=pixels, alpha=random_pixels(9, 13) if alpha else None)
    path = tmp_path / f"a{suffix}"
    writing.write(path, pixels, like)
    picture = reading.read(path)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert (picture.alpha is not None) == alpha
    if alpha:
        np.testing.assert_array_equal(picture.alpha, like.alpha)


@pytest.mark.parametrize(
    ("suffix", "dtype"), [("png", "u1"), ("png", "u2"), ("tif", "u1"), ("tif", "u2"), ("tif", "f4")]
)
def test_grey_written_without_loss(tmp_path: Path, suffix: str, dtype: str) -> None:
    x = np.random.default_rng(0).random((9, 13, 1), dtype=np.float32)
    pixels = from_float(x, dtype, 2)
    writing.write(tmp_path / f"a.{suffix}", pixels)
    picture = reading.read(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.pixels.dtype == np.dtype(dtype)


def test_grey_alpha_written_without_loss(tmp_path: Path) -> None:
    like = Picture(pixels=random_pixels(9, 13), alpha=random_pixels(9, 13))
    writing.write(tmp_path / "a.png", like.pixels, like)
    picture = reading.read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, like.pixels)
    np.testing.assert_array_equal(picture.alpha, like.alpha)


def test_jpeg_is_close_and_refuses_transparency(tmp_path: Path) -> None:
    photograph = samples.sample("astronaut", 128)
    like = Picture(pixels=photograph.pixels, alpha=random_pixels(128, 128))
    message = one_line(writing.write, tmp_path / "a.JPG", photograph.pixels, like)
    assert "no transparency" in message and ".png" in message
    assert not (tmp_path / "a.JPG").exists()
    like = Picture(pixels=photograph.pixels, alpha=np.full((128, 128), 255, np.uint8))
    writing.write(tmp_path / "a.JPG", photograph.pixels, like)
    picture = reading.read(tmp_path / "a.JPG")
    error = picture.pixels.astype(float) - photograph.pixels
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 37
    assert picture.alpha is None and picture.file_format == "JPEG"


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("source", ["png", "jpg", "tif", "webp"])
def test_description_travels_between_formats(tmp_path: Path, source: str, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[DESCRIPTION] = 6, "a boat"
    exif[EXIF_IFD] = {EXPOSURE: 0.25}
    profile = b"a profile of colours"
    Image.fromarray(random_pixels(8, 16, 3)).save(
        tmp_path / f"in.{source}", exif=exif.tobytes(), icc_profile=profile, dpi=(300, 300)
    )
    picture = reading.read(tmp_path / f"in.{source}")
    writing.write(tmp_path / f"out.{suffix}", picture.pixels, picture)
    with Image.open(tmp_path / f"out.{suffix}") as image:
        assert image.size == (8, 16)
        assert image.info["icc_profile"] == profile
        written = image.getexif()
        assert written[DESCRIPTION] == "a boat"
        assert written.get_ifd(EXIF_IFD)[EXPOSURE] == 0.25
        assert written.get(ORIENTATION, 1) == 1
        if "webp" not in (source, suffix):  # which holds no resolution of its own
            np.testing.assert_allclose([float(v) for v in image.info["dpi"]], 300, rtol=1e-3)


def test_layout_in_the_exif_of_a_camera_does_not_reach_the_new_file(tmp_path: Path) -> None:
    pixels, exif = random_pixels(8, 16, 3), Image.Exif()
    exif[0x0100], exif[0x0101], exif[DESCRIPTION] = 4000, 3000, "a boat"  # width and length
    Image.fromarray(pixels).save(tmp_path / "in.jpg", exif=exif)
    writing.write(tmp_path / "out.tif", pixels, reading.read(tmp_path / "in.jpg"))
    np.testing.assert_array_equal(reading.read(tmp_path / "out.tif").pixels, pixels)


def test_a_description_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[DESCRIPTION] = "a very long story " * 5000  # a JPEG holds less than 64 KiB of EXIF
    like = Picture(pixels=random_pixels(8, 16, 3), exif=exif.tobytes())
    writing.write(tmp_path / "a.jpg", like.pixels, like)
    assert reading.read(tmp_path / "a.jpg").exif is None


def test_the_profile_of_a_colour_picture_stays_off_a_grey_one(tmp_path: Path) -> None:
    like = Picture(pixels=random_pixels(4, 4, 3), icc_profile=b"a profile of colours")
    writing.write(tmp_path / "a.png", random_pixels(4, 4), like)
    assert reading.read(tmp_path / "a.png").icc_profile is None


def test_what_cannot_be_written_leaves_the_old_file_alone(tmp_path: Path) -> None:
    colour, grey = random_pixels(4, 6, 3), random_pixels(4, 6)
    bad: list[tuple[str, Pixels, Picture | None]] = [
        ("a.gif", colour, None),
        ("a", colour, None),
        ("a.webp", colour.astype(np.uint16), None),
        ("a.png", colour.astype(np.int16), None),
        ("a.tif", colour > 9, None),
        ("a.tif", colour.astype(np.complex64), None),
        ("a.png", grey / np.float32(255), None),
        ("a.jpg", grey.astype(np.uint16), None),
        ("a.webp", np.zeros((1, 20000), np.uint8), None),
        ("a.tif", grey.astype(np.float32), None),
        ("a.png", random_pixels(4, 6, 2), None),
        ("a.png", random_pixels(2, 4, 6, 3), None),
        ("a.png", grey, Picture(pixels=random_pixels(6, 4))),
    ]
    for name, pixels, like in bad:
        (tmp_path / name).write_bytes(b"precious")
        assert name in one_line(writing.write, tmp_path / name, pixels, like)
        assert (tmp_path / name).read_bytes() == b"precious"
    assert {path.name for path in tmp_path.iterdir()} == {name for name, *_ in bad}


def test_a_bad_place_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "nowhere" / "a.png", tmp_path / "folder.png"):
        one_line(writing.write, path, random_pixels(4, 4))
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.png"
    writing.write(path, random_pixels(4, 4))
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    assert "No space left" in one_line(writing.write, path, random_pixels(8, 8))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_a_written_file_is_an_ordinary_one(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    (tmp_path / "real").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "a.png")
    writing.write(tmp_path / "link.png", random_pixels(4, 4))
    assert (tmp_path / "link.png").is_symlink()
    written = tmp_path / "real" / "a.png"
    assert written.stat().st_mode == (tmp_path / "plain").stat().st_mode


# Samples


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("astronaut", (512, 512, 3)),
        ("coffee", (400, 600, 3)),
        ("chelsea", (300, 451, 3)),
        ("rocket", (427, 640, 3)),
        ("camera", (512, 512)),
    ],
)
def test_samples(name: str, shape: tuple[int, ...]) -> None:
    picture = samples.sample(name)
    assert picture.pixels.shape == shape and picture.pixels.dtype == np.uint8
    small = samples.sample(name, 100)
    assert max(small.pixels.shape[:2]) == 100
    assert small.pixels.shape[0] == pytest.approx(100 * shape[0] / max(shape[:2]), abs=0.5)
    # Reducing is a weighted mean, so the mean brightness stays.
    assert small.pixels.mean() == pytest.approx(picture.pixels.mean(), abs=1)


def test_samples_are_antialiased() -> None:
    # Taking every fourth pixel would keep the variance; a proper reduction removes detail.
    whole = samples.sample("camera").pixels
    small = samples.sample("camera", 128).pixels
    assert small.astype(float).var() < 0.97 * whole[::4, ::4].astype(float).var()


def test_samples_are_never_enlarged() -> None:
    assert samples.sample("chelsea", 5000).pixels.shape == (300, 451, 3)


def test_bad_samples_are_refused() -> None:
    message = one_line(samples.sample, "lena")
    assert all(name in message for name in SAMPLES)
    assert "0" in one_line(samples.sample, "coffee", 0)
