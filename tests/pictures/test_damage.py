"""Damage: its measured size, its repeatability, and how it lies on the picture."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.measure import label, regionprops

from dip_jax.errors import InputError
from dip_jax.pictures.damage import erase, gaussian_noise, holes_mask, missing_mask, text_mask

Mask = NDArray[np.bool_]
SHAPES = [(64, 64), (256, 256), (300, 451), (200, 48)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def one_line(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The message of the InputError that the call must raise."""
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message and "expected" in message
    return message


@pytest.mark.parametrize("mask", [text_mask, holes_mask, missing_mask])
@pytest.mark.parametrize("shape", SHAPES)
def test_masks_repeat_with_the_generator_and_only_then(
    mask: Callable[..., Mask], shape: tuple[int, int]
) -> None:
    first, same, other = mask(shape, rng(1)), mask(shape, rng(1)), mask(shape, rng(2))
    assert first.dtype == np.bool_ and first.shape == shape
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


# Noise


@pytest.mark.parametrize("sigma", [5, 25, 36.5])
def test_noise_has_the_asked_mean_and_deviation(sigma: float) -> None:
    grey = np.full((256, 256, 3), 0.5, np.float32)
    noise = 255 * (gaussian_noise(grey, sigma, rng()).astype(np.float64) - 0.5)
    n = noise.size
    assert abs(noise.mean()) < 4 * sigma / np.sqrt(n)
    assert abs(noise.std() - sigma) < 4 * sigma / np.sqrt(2 * n)
    # White: neighbours, along each axis, tell nothing of each other.
    for axis in range(3):
        a, b = np.take(noise, range(1), axis), np.take(noise, range(1, 2), axis)
        assert abs(np.mean(a * b)) / sigma**2 < 4 / np.sqrt(a.size)


def test_noise_is_clipped_typed_and_repeatable() -> None:
    x = rng(3).random((16, 20, 3), dtype=np.float32)
    before = x.copy()
    y = gaussian_noise(x, 80, rng())
    assert y.dtype == np.float32 and y.min() == 0.0 and y.max() == 1.0
    np.testing.assert_array_equal(y, gaussian_noise(x, 80, rng()))
    np.testing.assert_array_equal(x, before)
    # The same draw, scaled: where neither is clipped, twice the sigma is twice the noise.
    grey = np.full_like(x, 0.5)
    once, twice = (gaussian_noise(grey, s, rng()) - grey for s in (4, 8))
    np.testing.assert_allclose(twice, 2 * once, atol=1e-6)


@pytest.mark.parametrize("sigma", [0, -1, float("nan"), float("inf")])
def test_bad_sigma_is_refused(sigma: float) -> None:
    assert str(sigma) in one_line(gaussian_noise, np.zeros((4, 4, 1)), sigma, rng())


# Text


@pytest.mark.parametrize("shape", [*SHAPES, (1080, 640)])
@pytest.mark.parametrize("seed", range(3))
def test_text_fills_its_share_all_over_the_picture(shape: tuple[int, int], seed: int) -> None:
    fill = text_mask(shape, rng(seed))
    assert 0.08 < fill.mean() < 0.2
    h, w = shape
    quarters = [fill[i : i + h // 2, j : j + w // 2] for i in (0, h // 2) for j in (0, w // 2)]
    assert all(quarter.any() for quarter in quarters)
    if min(shape) >= 128:
        assert all(0.05 < quarter.mean() < 0.25 for quarter in quarters)


def test_text_is_lines_of_separate_letters() -> None:
    fill = text_mask((256, 256), rng())
    inked = np.logical_or.reduce(fill, axis=1)
    lines = int(inked[0]) + np.count_nonzero(inked[1:] & ~inked[:-1])
    assert lines >= 4 and not inked.all()
    assert label(fill, connectivity=2).max() >= 10 * lines / 2
    # Strokes are thin: an 8 x 8 square never fits into a letter of this size.
    windows = np.lib.stride_tricks.sliding_window_view(fill, (8, 8))
    assert not windows.all(axis=(-2, -1)).any()


def test_text_size_is_that_of_the_letters() -> None:
    heights = []
    for size in (12, 24, 48):
        fill = text_mask((512, 512), rng(), size)
        heights.append(np.median([region.bbox[2] - region.bbox[0] for region in _letters(fill)]))
    # Half to three quarters of the nominal size is the height of a small letter.
    assert [h / size for h, size in zip(heights, (12, 24, 48), strict=True)] == pytest.approx(
        [0.6] * 3, abs=0.2
    )


def _letters(fill: Mask) -> list[Any]:
    return [region for region in regionprops(label(fill, connectivity=2)) if region.area > 12]


def test_bad_text_is_refused() -> None:
    for size in (0, 3, 65):
        assert str(size) in one_line(text_mask, (64, 64), rng(), size)
    assert "8 x 64" in one_line(text_mask, (64, 8), rng())


# Holes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.05, 0.1, 0.25])
def test_holes_are_few_large_apart_and_inside(shape: tuple[int, int], share: float) -> None:
    for seed in range(4):
        fill = holes_mask(shape, rng(seed), share)
        assert fill.sum() == pytest.approx(share * fill.size, abs=1)
        assert not (fill[0].any() or fill[-1].any() or fill[:, 0].any() or fill[:, -1].any())
        holes = regionprops(label(fill, connectivity=2))
        assert 4 <= len(holes) <= 8
        areas = [hole.area for hole in holes]
        assert min(areas) > 0.2 * max(areas)
        # Solid: no islands inside, and hardly a dent beyond the convex hull.
        assert all(hole.euler_number == 1 and hole.solidity > 0.75 for hole in holes)


def test_holes_lie_anywhere() -> None:
    total = np.stack([holes_mask((48, 48), rng(seed)) for seed in range(400)]).sum(0)
    inner = total[12:36, 12:36]
    # By symmetry of chance every place of the interior is hit about as often as its mirror image.
    np.testing.assert_allclose(inner.mean(), inner[:, :12].mean(), rtol=0.15)
    np.testing.assert_allclose(inner.mean(), inner[:12].mean(), rtol=0.15)


def test_holes_that_cannot_fit_are_refused() -> None:
    assert "0.9" in one_line(holes_mask, (64, 64), rng(), 0.9)
    one_line(holes_mask, (8, 64), rng())


# Missing pixels


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_missing_pixels_are_counted_exactly(shape: tuple[int, int], share: float) -> None:
    fill = missing_mask(shape, rng(), share)
    assert int(fill.sum()) == round(share * shape[0] * shape[1])


def test_missing_pixels_are_even_and_independent() -> None:
    fill = missing_mask((256, 256), rng(), 0.5)
    blocks = fill.reshape(16, 16, 16, 16).sum(axis=(1, 3))
    # A block of 256 pixels at one half has mean 128 and standard deviation 8.
    assert np.abs(blocks - 128).max() < 5 * 8
    assert blocks.std() == pytest.approx(8, rel=0.25)
    for pair in ((fill[1:], fill[:-1]), (fill[:, 1:], fill[:, :-1])):
        assert (pair[0] & pair[1]).mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("mask", [holes_mask, missing_mask])
@pytest.mark.parametrize("share", [0, 1, -0.5, 1.5, float("nan"), 1e-9, 1 - 1e-9])
def test_bad_shares_are_refused(mask: Callable[..., Mask], share: float) -> None:
    assert str(share) in one_line(mask, (64, 64), rng(), share)


# Erasing


@pytest.mark.parametrize("value", [0.0, 1, (0.1, 0.2, 0.3)])
def test_erase_changes_what_is_filled_and_nothing_else(value: Any) -> None:
    x = rng().random((12, 17, 3), dtype=np.float32)
    before = x.copy()
    fill = missing_mask((12, 17), rng(), 0.3)
    y = erase(x, fill, value)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(y[~fill], x[~fill])
    wanted = np.broadcast_to(np.float32(value), (int(fill.sum()), 3))
    np.testing.assert_array_equal(y[fill], wanted)


def test_bad_erasing_is_refused() -> None:
    x = np.zeros((4, 6, 3), np.float32)
    fill = np.eye(4, 6, dtype=np.bool_)
    one_line(erase, x, fill.T, 0)
    one_line(erase, x, fill.astype(np.uint8), 0)
    one_line(erase, x, fill, (0, 1))
    one_line(erase, x, fill, 255)
    one_line(erase, x, fill, float("nan"))
