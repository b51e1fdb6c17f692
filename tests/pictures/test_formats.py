"""PNG, JPEG and WebP of other encoders keep their depth, alpha, profile and resolution."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import png
import pytest
from picture_files import Pixels, one_line, png_bytes, png_stream, random_pixels
from PIL import Image, ImageCms

from dip_jax.pictures import reading, writing
from dip_jax.pictures.picture import Picture, Resolution

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ARTIST, EXIF_IFD, EXPOSURE, ORIENTATION = 315, 0x8769, 0x829A, 0x0112


def assert_same(picture: Picture, pixels: Pixels, alpha: Pixels | None) -> None:
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.pixels.dtype == pixels.dtype
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None and picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, alpha)
        assert picture.alpha.dtype == alpha.dtype


def described(file: Path) -> Picture:
    """A picture of a 16-bit colour PNG with alpha and everything that a PNG can say of it."""
    exif = Image.Exif()
    exif[ARTIST], exif[ORIENTATION] = "Zoë Müller".encode(), 6
    exif[EXIF_IFD] = {EXPOSURE: 0.25}
    chunks = (
        (b"iCCP", b"sRGB\0\0" + zlib.compress(PROFILE)),
        (b"pHYs", struct.pack(">IIB", 11811, 5906, 1)),
        (b"eXIf", exif.tobytes()[6:]),
    )
    file.write_bytes(png_bytes(random_pixels(8, 16, 4, dtype=np.uint16), 6, 16, chunks))
    return reading.read(file)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("interlaced", [False, True])
def test_png_of_pypng(tmp_path: Path, bits: int, channels: int, interlaced: bool) -> None:
    dtype = np.uint8 if bits == 8 else np.uint16
    samples = random_pixels(9, 13, channels, dtype=dtype)
    writer = png.Writer(
        13,
        9,
        greyscale=channels < 3,
        alpha=channels in (2, 4),
        bitdepth=bits,
        interlace=interlaced,
    )
    with open(tmp_path / "a.png", "wb") as file:
        writer.write(file, samples.reshape(9, -1).tolist())
    pixels = samples[..., 0] if channels < 3 else samples[..., :3]
    alpha = samples[..., -1] if channels in (2, 4) else None
    picture = reading.read(tmp_path / "a.png")
    assert_same(picture, pixels, alpha)
    writing.write(tmp_path / "b.png", picture.pixels, picture)
    assert_same(reading.read(tmp_path / "b.png"), pixels, alpha)
    w, h, rows, info = png.Reader(bytes=(tmp_path / "b.png").read_bytes()).read()
    assert (w, h, info["bitdepth"], info["planes"]) == (13, 9, bits, channels)
    np.testing.assert_array_equal(np.vstack(list(rows)).reshape(samples.shape), samples)


@pytest.mark.parametrize(
    ("suffix", "dtype", "channels"),
    [
        *((suffix, "uint8", channels) for suffix in ("png", "webp") for channels in (1, 3, 4)),
        *(("png", "uint16", channels) for channels in (1, 3, 4)),
        *(("jpg", "uint8", channels) for channels in (1, 3)),
    ],
)
def test_files_of_opencv(tmp_path: Path, suffix: str, dtype: str, channels: int) -> None:
    smooth = cv2.resize(random_pixels(3, 4, 4), (48, 36), interpolation=cv2.INTER_LINEAR)
    scale = 257 if dtype == "uint16" else 1
    samples = (smooth[..., :channels].astype(dtype) * scale).astype(dtype)
    lossless = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == "webp" else []
    assert cv2.imwrite(str(tmp_path / f"a.{suffix}"), samples, lossless)
    picture = reading.read(tmp_path / f"a.{suffix}")
    pixels = samples[..., 0] if channels == 1 else samples[..., 2::-1]
    if suffix == "webp" and channels == 1:  # it holds nothing but colour
        pixels = np.dstack([pixels] * 3)
    alpha = samples[..., 3] if channels == 4 else None
    if suffix == "jpg":
        assert picture.pixels.shape == pixels.shape
        assert np.abs(picture.pixels.astype(int) - pixels).max() < 16
        return
    assert_same(picture, pixels, alpha)
    writing.write(tmp_path / f"b.{suffix}", picture.pixels, picture)
    back = cv2.imread(str(tmp_path / f"b.{suffix}"), cv2.IMREAD_UNCHANGED)
    expected = samples if picture.pixels.ndim == 3 and channels > 1 else pixels
    np.testing.assert_array_equal(back, np.squeeze(expected))


@pytest.mark.parametrize("colours", [1, 3])
def test_a_transparent_16_bit_value_is_alpha(tmp_path: Path, colours: int) -> None:
    pixels = random_pixels(5, 7, colours, dtype=np.uint16)
    pixels[2, 3] = key = np.array([300, 5, 65535][:colours], np.uint16)
    pixels[0, 0] = key ^ 1  # the nearest value is not transparent
    kind = 0 if colours == 1 else 2
    chunk = (b"tRNS", key.astype(">u2").tobytes())
    (tmp_path / "a.png").write_bytes(png_bytes(pixels, kind, 16, (chunk,)))
    alpha = np.full((5, 7), 65535, np.uint16)
    alpha[2, 3] = 0
    assert_same(reading.read(tmp_path / "a.png"), np.squeeze(pixels), alpha)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_everything_of_a_deep_picture_is_kept(tmp_path: Path, suffix: str) -> None:
    picture = described(tmp_path / "in.png")
    assert picture.pixels.shape == (16, 8, 3) and picture.dpi is not None
    np.testing.assert_allclose(picture.dpi, (150, 300), rtol=1e-3)  # it was turned
    path = tmp_path / f"out.{suffix}"
    writing.write(path, picture.pixels, picture)
    again = reading.read(path)
    assert picture.alpha is not None and picture.alpha.dtype == np.uint16
    assert_same(again, picture.pixels, picture.alpha)
    assert again.icc_profile == picture.icc_profile == PROFILE
    np.testing.assert_allclose(again.dpi or 0, picture.dpi, rtol=1e-6)
    for exif in (picture.exif, again.exif):
        read = Image.Exif()
        assert exif is not None
        read.load(exif)
        assert read[ARTIST].encode("latin-1") == "Zoë Müller".encode()
        assert read.get_ifd(EXIF_IFD)[EXPOSURE] == 0.25
        assert ORIENTATION not in read


def test_the_resolution_of_a_png_is_kept_to_the_pixel(tmp_path: Path) -> None:
    picture = described(tmp_path / "in.png")
    writing.write(tmp_path / "out.png", picture.pixels, picture)
    info = png.Reader(bytes=(tmp_path / "out.png").read_bytes()).read()[3]
    assert tuple(info["physical"]) == (5906, 11811, True)


def test_the_resolution_of_a_webp_is_in_its_exif(tmp_path: Path) -> None:
    for resolution in (Resolution(300, 150), Resolution(118.5, 60, "cm")):
        like = Picture(random_pixels(5, 7, 3), resolution=resolution)
        writing.write(tmp_path / "a.webp", like.pixels, like)
        assert reading.read(tmp_path / "a.webp").resolution == resolution


def test_alpha_follows_the_depth_of_the_pixels(tmp_path: Path) -> None:
    alpha = random_pixels(5, 7)
    like = Picture(random_pixels(5, 7, 3), alpha=alpha)
    deep = random_pixels(5, 7, 3, dtype=np.uint16)
    writing.write(tmp_path / "a.png", deep, like)
    assert_same(reading.read(tmp_path / "a.png"), deep, alpha * np.uint16(257))


def test_8_bit_values_within_a_range(tmp_path: Path) -> None:
    pixels = random_pixels(5, 7) // 2
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = reading.read(tmp_path / "a.png", (0, 127))
    assert picture.data_range == (0, 127)
    assert_same(picture, pixels, None)
    assert "expected values in [0, 99]" in one_line(reading.read, tmp_path / "a.png", (0, 99))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_png_bomb_is_refused_before_it_is_decoded(tmp_path: Path, bits: int) -> None:
    header = struct.pack(">IIBBBBB", 40_000, 25_000, bits, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    stream = png_stream((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    (tmp_path / "a.png").write_bytes(stream)
    assert "too many pixels" in one_line(reading.read, tmp_path / "a.png")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.97])
def test_a_deep_png_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    whole = png_bytes(random_pixels(32, 32, 4, dtype=np.uint16), 6, 16)
    (tmp_path / "a.png").write_bytes(whole[: int(len(whole) * share)])
    one_line(reading.read, tmp_path / "a.png")
    broken = bytearray(whole)
    broken[int(len(whole) * share)] ^= 0xFF
    (tmp_path / "a.png").write_bytes(broken)
    one_line(reading.read, tmp_path / "a.png")
