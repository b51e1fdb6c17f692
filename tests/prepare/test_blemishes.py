"""Scratches and dust are found in photographs, and clean ones are left in peace."""

import numpy as np
import pytest
import skimage.data
from scipy import ndimage

from dip_jax.errors import InputError
from dip_jax.prepare.blemishes import suggest

CROPS = {  # each of 240 × 240 pixels
    "coffee": (slice(0, 240), slice(330, 570)),
    "chelsea": (slice(0, 240), slice(60, 300)),
    "astronaut": (slice(0, 240), slice(60, 300)),
}
SIZE = (240, 240)


def photograph(name):
    return (getattr(skimage.data, name)()[CROPS[name]] / 255).astype(np.float32)


def line(start, stop, width, bend=0.0):
    """The coverage of each pixel by a line with a soft edge, bent by some pixels."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    start, stop = np.array(start, float), np.array(stop, float)
    length = np.hypot(*(stop - start))
    along = (stop - start) / length
    t = (y - start[0]) * along[0] + (x - start[1]) * along[1]
    across = (x - start[1]) * along[0] - (y - start[0]) * along[1]
    across -= bend * (1 - (2 * t / length - 1) ** 2)
    far = np.hypot(across, np.maximum(0, np.maximum(-t, t - length)))
    return np.clip(width / 2 + 0.5 - far, 0, 1)


def speck(y, x, radius):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.clip(radius + 0.5 - np.hypot(rows - y, columns - x), 0, 1)


def put(image, coverage, colour):
    return (image + coverage[..., None] * (np.asarray(colour) - image)).astype(np.float32)


def recall(found, coverage):
    return found[coverage > 0.5].mean()


def precision(found, coverage, rim=2):
    return ndimage.binary_dilation(coverage > 0, iterations=rim)[found].mean()


def plain(level=0.45, channels=3):
    noise = np.random.default_rng(0).normal(0, 0.02, (*SIZE, channels))
    return (level + noise).astype(np.float32)


@pytest.mark.parametrize("value", [0.9, 0.05], ids=["bright", "dark"])
@pytest.mark.parametrize(("width", "channels"), [(1, 3), (2, 1), (3.5, 4)])
def test_a_scratch_is_found_in_its_width_and_nothing_else_is(channels, value, width):
    scratch = line((30, 20), (200, 190), width, bend=8)
    found = suggest(put(plain(channels=channels), scratch, value))
    assert recall(found, scratch) > 0.95
    assert precision(found, scratch) > 0.95
    assert found.sum() < 2.5 * (scratch > 0).sum()


@pytest.mark.parametrize("value", [0.95, 0.05], ids=["bright", "dark"])
def test_dust_is_found(value):
    places = [(40, 50), (60, 180), (120, 100), (170, 40), (200, 200)]
    dust = np.max([speck(y, x, 1 + k / 2) for k, (y, x) in enumerate(places)], axis=0)
    found = suggest(put(plain(), dust, value))
    assert ndimage.label(found)[1] == len(places)
    assert recall(found, dust) > 0.95
    assert precision(found, dust) == 1


def test_a_scratch_in_one_layer_of_a_film_is_found():
    scratch = line((30, 20), (200, 190), 2)
    image = plain(level=0.5)
    image[..., 2] += 0.3 * scratch
    image[..., 0] -= 0.3 * scratch  # the grey stays as it is
    assert recall(suggest(image), scratch) > 0.95


@pytest.fixture(scope="module", params=CROPS)
def damaged(request):
    """A photograph with scratches and dust, their coverage, and how visible they are."""
    rng = np.random.default_rng(7)
    clean = image = photograph(request.param)
    all_of_it = np.zeros(SIZE)
    for k in range(5):
        start = rng.uniform(10, 230, 2)
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(80, 160)
        stop = np.clip(start + length * np.array([np.sin(angle), np.cos(angle)]), 5, 235)
        one = line(start, stop, rng.uniform(1, 3.5), bend=rng.uniform(-5, 5))
        image = put(image, 0.9 * one, (0.97, 0.03)[k % 2])
        all_of_it = np.maximum(all_of_it, one)
    for k in range(8):
        one = speck(*rng.uniform(8, 232, 2), rng.uniform(1, 2.5))
        image = put(image, 0.9 * one, (0.97, 0.03)[k % 2])
        all_of_it = np.maximum(all_of_it, one)
    return image, all_of_it, np.abs(image - clean).max(axis=2)


def test_most_of_the_damage_of_a_photograph_is_found_and_little_else(damaged):
    image, coverage, visible = damaged
    found = suggest(image)
    assert found[visible > 0.15].mean() > 0.6
    assert precision(found, coverage) > 0.9


def test_more_is_found_with_more_sensitivity(damaged):
    image, _, visible = damaged
    less, middle, more = (suggest(image, s) for s in (0, 0.5, 1))
    assert less.sum() < middle.sum() < more.sum()
    assert more[less].mean() > 0.95
    assert more[middle].mean() > 0.95
    assert more[visible > 0.15].mean() > less[visible > 0.15].mean() + 0.1
    assert more[visible > 0.15].mean() > 0.7


@pytest.mark.parametrize("name", CROPS)
def test_a_clean_photograph_is_marked_little(name):
    image = photograph(name)
    assert suggest(image, 0).mean() < 0.002
    assert suggest(image).mean() < 0.005
    assert suggest(image, 1).mean() < 0.05


@pytest.mark.parametrize("sigma", [0, 0.02, 0.1])
def test_a_flat_picture_is_not_marked_nor_is_noise_or_an_edge(sigma):
    image = np.full((*SIZE, 3), 0.3)
    image[:, 100:] = 0.7
    image += np.random.default_rng(0).normal(0, 1, image.shape) * sigma
    assert not suggest(image.astype(np.float32)).any()


def test_the_frame_of_a_scan_is_no_scratch():
    image = plain(level=0.6)
    image[:2], image[-2:], image[:, :2], image[:, -2:] = 0, 0, 0, 0
    assert not suggest(image).any()


def test_the_same_is_found_of_a_picture_on_its_side_and_of_its_negative():
    scratch, dust = line((30, 20), (200, 150), 2), speck(60, 180, 2)
    image = put(put(plain(), scratch, 0.9), dust, 0.95)
    found = suggest(image)
    assert found.any()
    assert (suggest(1 - image) == found).mean() > 0.999
    assert (suggest(np.rot90(image)) == np.rot90(found)).mean() > 0.998
    np.testing.assert_array_equal(suggest(image), found)


def test_what_is_unknown_is_not_marked_and_the_rest_is_as_before():
    scratch = line((30, 20), (200, 190), 2)
    image = put(plain(), scratch, 0.9)
    unknown = speck(120, 110, 15) > 0
    unknown |= np.random.default_rng(1).random(SIZE) < 0.02
    image[unknown, 1] = np.nan
    before = image.copy()
    found = suggest(image)
    assert not found[unknown].any()
    assert found[(scratch > 0.5) & ~unknown].mean() > 0.9
    assert precision(found, scratch) > 0.95
    np.testing.assert_array_equal(image, before)
    assert not suggest(np.full_like(image, np.nan)).any()


def test_a_small_picture():
    image = plain()[:32, :32]
    assert not suggest(image).any()
    scratch = line((14, 0), (18, 31), 1.5)[:32, :32]
    found = suggest(put(image, scratch, 0.95), 1)
    assert found.shape == (32, 32)
    assert recall(found, scratch) > 0.8


def test_a_large_picture_is_looked_at_on_a_coarser_grid(monkeypatch):
    monkeypatch.setattr("dip_jax.prepare.blemishes._PIXELS", 15_000)
    scratch = line((30, 20), (200, 190), 7)  # too wide for the picture's own grid
    image = put(plain(), scratch, 0.9)[:, :-1]  # of odd width
    image[::5, ::5] = np.nan
    found = suggest(image)
    assert found.shape == image.shape[:2]
    assert not found[::5, ::5].any()
    assert found[(scratch[:, :-1] > 0.5) & np.isfinite(image[..., 0])].mean() > 0.95
    assert precision(found, scratch[:, :-1], rim=4) > 0.95


@pytest.mark.parametrize("sensitivity", [-0.1, 1.5, float("nan")])
def test_another_sensitivity_is_refused_in_one_line(sensitivity):
    with pytest.raises(InputError, match=r"sensitivity is .*; expected a number from 0 to 1") as e:
        suggest(plain(), sensitivity)
    assert "\n" not in str(e.value)
