"""Images of Pillow where an array is expected: the colours that they show, upright."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from picture_files import one_line, png_bytes, random_pixels
from PIL import Image, ImageOps

from dip_jax.pictures.pil_images import opened

RGB = random_pixels(12, 9, 3)


def shown(image):
    """By Pillow's own conversion."""
    return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("mode", ["RGB", "P", "CMYK", "YCbCr", "HSV", "RGBX", "L", "1"])
def test_what_is_shown_is_what_is_read(mode):
    image = Image.fromarray(RGB).convert(mode)
    given = opened(image, "the image")
    grey = mode in ("L", "1")
    assert given.array.shape == ((12, 9) if grey else (12, 9, 3)) and given.array.dtype == np.uint8
    assert given.alpha is None and given.image and not given.turned
    np.testing.assert_array_equal(given.array, shown(image)[..., 0] if grey else shown(image))
    assert bool(given.remarks) == (mode not in ("RGB", "L", "1"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
def test_alpha_is_told_apart(mode):
    alpha = random_pixels(12, 9) | 128
    image = Image.fromarray(np.dstack([RGB, alpha]))
    if mode in ("LA", "La"):
        image = image.convert("LA").convert(mode)
    elif mode == "PA":  # Pillow's conversion would lose the alpha
        image = Image.new("PA", image.size)
        image.putalpha(Image.fromarray(alpha))
    else:
        image = image.convert(mode)
    assert image.mode == mode
    given = opened(image, "the image")
    np.testing.assert_array_equal(given.alpha, alpha)
    assert given.array.shape == ((12, 9) if mode in ("LA", "La") else (12, 9, 3))


def test_a_colour_that_is_transparent_is_alpha():
    image = Image.fromarray(RGB).quantize(16)
    buffer = BytesIO()
    image.save(buffer, "GIF", transparency=3)
    image = Image.open(buffer)
    given = opened(image, "the image")
    np.testing.assert_array_equal(given.alpha == 0, np.asarray(image) == 3)
    assert given.array.shape == (12, 9, 3)


@pytest.mark.parametrize(
    ("dtype", "mode"), [(np.uint16, "I;16"), (np.int32, "I"), (np.float32, "F")]
)
def test_depth_stays(dtype, mode):
    pixels = (random_pixels(12, 9).astype(np.float64) * 200).astype(dtype)
    image = Image.fromarray(pixels)
    assert image.mode == mode
    given = opened(image, "the image")
    assert given.array.dtype == dtype and not given.remarks
    np.testing.assert_array_equal(given.array, pixels)


def test_depth_that_pillow_does_not_keep_is_told():
    deep = random_pixels(9, 9, 3, dtype=np.uint16)
    image = Image.open(BytesIO(png_bytes(deep, 2, 16)))
    assert "16 bits" in opened(image, "the image").remarks[0]
    grey = Image.open(BytesIO(png_bytes(deep[..., 0], 0, 16)))
    given = opened(grey, "the image")
    assert given.array.dtype == np.uint16 and not given.remarks


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_photograph_on_its_side_is_turned(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    buffer = BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG", exif=exif)
    image = Image.open(buffer)
    given = opened(image, "the image")
    np.testing.assert_array_equal(given.array, np.asarray(ImageOps.exif_transpose(image)))
    assert given.turned and "upright" in given.remarks[-1]


def test_arrays_pass_and_the_rest_is_refused():
    assert opened(RGB, "the image").array is RGB
    for path in ("photo.png", b"photo.png", Path("photo.png")):
        assert "PIL.Image.open" in one_line(opened, path, "the image")
    assert "ImageCms" in one_line(opened, Image.new("LAB", (9, 9)), "the image")
    buffer = BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG")
    cut = Image.open(BytesIO(buffer.getvalue()[:100]))
    assert "cannot be decoded" in one_line(opened, cut, "the image")
