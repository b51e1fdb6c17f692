"""What a mask marks, however it is drawn; and what is no mask is refused, not guessed at."""

from io import BytesIO

import numpy as np
import pytest
from picture_files import one_line, random_pixels
from PIL import Image, ImageDraw, ImageFont

from dip_jax.pictures import samples
from dip_jax.pictures.marks import of_alpha, of_picture, of_values

DRAWN = np.zeros((48, 40), bool)
DRAWN[8:20, 5:30] = True


def jpeg(pixels, quality=75):
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def painted(colour, background=(0, 0, 0)):
    return np.where(DRAWN[..., None], colour, background).astype(np.uint8)


def text(size):
    """A page full of it, with soft edges."""
    image = Image.new("L", (256, 256))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=size)
    for y in range(0, 256, int(1.2 * size)):
        draw.text((2, y), "The quick brown fox jumps over the lazy dog " * 2, 255, font)
    return np.asarray(image)


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        *((0, 1, kind) for kind in (bool, np.uint8, np.int32, np.float64)),
        *((0, 255, kind) for kind in (np.uint8, np.int32, np.float32)),
        *((0, 128, np.uint8), (3, 7, np.uint8), (-1, 0, np.int16), (0, 65535, np.uint16)),
    ],
)
def test_of_two_values_the_greater_is_white(low, high, dtype):
    mask = of_values(np.where(DRAWN, high, low).astype(dtype))
    np.testing.assert_array_equal(mask.fill, DRAWN)
    usual = low == 0 and high in (1, 255, 65535)
    assert bool(mask.remarks) != usual
    assert usual or (f"{low}" in mask.remarks[0] and f"{high} is white" in mask.remarks[0])


@pytest.mark.parametrize("background", [(0, 0, 0), (255, 255, 255)])
@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 0, 255), (90, 0, 120)])
def test_whatever_colour_it_is_painted_in_it_is_one_mask(colour, background):
    pixels = painted(colour, background)
    mask = of_picture(pixels, None)
    np.testing.assert_array_equal(mask.fill, DRAWN)
    assert str(background) in mask.remarks[0] and str(colour) in mask.remarks[0]
    blurred = of_picture(jpeg(pixels), None).fill
    assert (blurred == DRAWN).mean() > 0.97 and (blurred == DRAWN)[DRAWN].mean() > 0.9


def test_several_colours_are_one_mask():
    pixels = painted((255, 0, 0))
    pixels[30:35, 10:20], pixels[40:42] = (0, 0, 60), (255, 255, 255)
    np.testing.assert_array_equal(of_picture(pixels, None).fill, pixels.any(axis=2))


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 30, 30), 255, 0])
def test_strokes_on_transparency_are_the_mask(colour):
    channels = np.size(colour)
    pixels = np.full((*DRAWN.shape, channels), colour, np.uint8).squeeze()
    alpha = (255 * DRAWN).astype(np.uint8)
    mask = of_picture(pixels, alpha)
    np.testing.assert_array_equal(mask.fill, DRAWN)
    assert "transparency" in mask.remarks[0]
    hidden = np.where(DRAWN if channels == 1 else DRAWN[..., None], pixels, random_pixels())
    np.testing.assert_array_equal(of_picture(hidden.astype(np.uint8), alpha).fill, DRAWN)
    soft = np.asarray(Image.fromarray(alpha).resize((20, 24), Image.Resampling.BILINEAR))
    half = np.asarray(Image.fromarray(alpha).resize((20, 24), Image.Resampling.NEAREST)) > 0
    assert (of_picture(pixels[::2, ::2], soft).fill == half).mean() > 0.9


def test_a_sheet_with_a_hole_is_not_taken_for_strokes():
    white, sheet = np.full(DRAWN.shape, 255, np.uint8), np.where(DRAWN, 0, 255).astype(np.uint8)
    message = one_line(of_picture, white, sheet)
    assert f"{100 * (~DRAWN).mean():.1f}%" in message
    assert "config.mask_polarity=keep" in message and "on black" in message
    np.testing.assert_array_equal(of_picture(white, sheet, "keep").fill, DRAWN)


def test_a_picture_with_a_hole_given_as_its_mask_is_told_to_be_enough():
    alpha = np.full((64, 64), 255, np.uint8)
    alpha[5:20, 5:20] = 0
    message = one_line(of_picture, samples.sample("astronaut", 64).pixels, alpha)
    assert "leave the mask out" in message


def test_alpha_that_says_nothing_is_ignored_and_what_is_transparent_is_not_white():
    white = (255 * DRAWN).astype(np.uint8)
    for alpha in (0, 255):
        mask = of_picture(white, np.full(DRAWN.shape, alpha, np.uint8))
        np.testing.assert_array_equal(mask.fill, DRAWN)
        assert not mask.remarks
    alpha = np.full(DRAWN.shape, 255, np.uint8)
    alpha[:14] = 0
    mask = of_picture(white, alpha)
    np.testing.assert_array_equal(mask.fill, DRAWN & (alpha > 0))
    assert "both vary" in mask.remarks[0]


@pytest.mark.parametrize("size", [8, 12, 24])
@pytest.mark.parametrize("quality", [None, 75])
def test_soft_edges_and_jpeg_are_no_greys(size, quality):
    drawn = text(size)
    pixels = drawn if quality is None else jpeg(drawn, quality)
    for mask in (pixels, np.repeat(pixels[..., None], 3, axis=2), pixels / 255):
        fill = of_picture(mask, None).fill
        assert (fill == (drawn > 127)).mean() > 0.98


def test_soft_text_in_colours_is_read_and_what_jpeg_has_made_of_it_is_refused():
    drawn = text(12)
    pixels = (drawn[..., None] / 255 * np.array([255, 0, 90])).astype(np.uint8)
    assert (of_picture(pixels, None).fill == (drawn > 127)).mean() > 0.98
    lost = np.abs(jpeg(pixels, 30).astype(int) - pixels).max(axis=2) > 127
    assert lost.sum() > 0.1 * (drawn > 127).sum()
    assert "between black and white" in one_line(of_picture, jpeg(pixels, 30), None)


def test_thin_lines_and_single_pixels():
    image = Image.new("L", (1024, 1024))
    draw, rng = ImageDraw.Draw(image), np.random.default_rng(0)
    for ends in rng.integers(0, 1024, (12, 4)):
        draw.line(ends.tolist(), 255, 8)
    lines = np.asarray(image.resize((128, 128), Image.Resampling.BOX))
    np.testing.assert_array_equal(of_picture(lines, None).fill, lines > 127)
    dots = (255 * (rng.random((64, 64)) < 0.5)).astype(np.uint8)
    np.testing.assert_array_equal(of_picture(jpeg(dots), None).fill, dots > 0)


@pytest.mark.parametrize("name", ["astronaut", "camera", "chelsea"])
@pytest.mark.parametrize("gamma", [1, 4])
def test_a_photograph_is_no_mask(name, gamma):
    x = (samples.sample(name, 128).pixels / 255.0) ** gamma
    for pixels in (x, np.rint(255 * x).astype(np.uint8)):
        message = one_line(of_picture, pixels, None)
        assert "between black and white" in message and "the picture given in its place" in message


def test_labels_and_areas_of_grey_are_refused_with_their_values():
    labels = DRAWN.astype(np.uint8)
    labels[30:] = 2
    message = one_line(of_values, labels)
    assert "0, 1, 2" in message and "mask == 2" in message
    message = one_line(of_values, np.uint8([0, 128, 255])[labels])
    assert "areas of 128" in message
    assert "NaN" in one_line(of_values, np.where(DRAWN, np.nan, 0.0))


def test_the_alpha_of_a_picture_marks_what_is_wholly_transparent():
    alpha = np.where(DRAWN, 0, 255).astype(np.uint8)
    alpha[30:40] = 100
    mask = of_alpha(alpha)
    np.testing.assert_array_equal(mask.fill, DRAWN)
    assert "opaque" in mask.remarks[0]
    assert "nowhere" in one_line(of_alpha, alpha | 1) and "everywhere" in one_line(
        of_alpha, alpha * 0
    )
    assert "leave it out" in one_line(of_alpha, alpha, "keep")
