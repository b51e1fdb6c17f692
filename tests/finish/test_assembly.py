"""Parts put together: exact where they agree, without a seam where they do not."""

import numpy as np
import pytest

from dip_jax.finish.assembly import Assembly, enlarged, figures_of_parts, put_together
from dip_jax.finish.ensemble import Ending
from dip_jax.pictures.arrays import Layout
from dip_jax.prepare.division import Division
from dip_jax.prepare.parts import Part, Plan, tiles
from dip_jax.prepare.prepared import NOTHING

_HOW = Ending(keep_known=True, seamless=True, refine=True)


def test_tiles_of_one_image_give_that_image():
    image = np.random.default_rng(0).random((300, 420, 3)).astype(np.float32)
    plan = tiles(300, 420, 128)
    assembly = Assembly(image.shape, plan, spread=True)
    for part in plan.parts:
        assembly.add(part, image[part.place], image[part.place].mean(axis=2))
    found, made = assembly.image()
    assert made.all()
    np.testing.assert_allclose(found, image, atol=1e-6)
    np.testing.assert_allclose(assembly.spread(), image.mean(axis=2), atol=1e-6)


def test_rows_of_a_picture_are_put_together_as_all_of_it():
    rng = np.random.default_rng(0)
    plan = tiles(300, 200, 128)
    made = [rng.random((*part.size, 3)).astype(np.float32) for part in plan.parts]
    whole = Assembly((300, 200, 3), plan, spread=True)
    bands = [
        Assembly((300, 200, 3), plan, spread=True, rows=rows)
        for rows in (range(100), range(100, 290), range(290, 300))
    ]
    for assembly in (whole, *bands):
        for part, image in zip(plan.parts, made, strict=True):
            assembly.add(part, image, image[..., 0])
    found = np.concatenate([band.image()[0] for band in bands])
    np.testing.assert_array_equal(found, whole.image()[0])
    spread = np.concatenate([band.spread() for band in bands])
    np.testing.assert_array_equal(spread, whole.spread())


def test_where_tiles_disagree_one_fades_into_the_other():
    plan = tiles(128, 192, 128)
    assembly = Assembly((128, 192, 1), plan, spread=False)
    for value, part in enumerate(plan.parts):
        assembly.add(part, np.full((part.height, part.width, 1), value, np.float32))
    row = assembly.image()[0][64, :, 0]
    assert row[:64].max() == 0 and row[128:].min() == 1
    assert (np.diff(row) >= -1e-6).all() and np.diff(row).max() < 0.06


def _division(before, fill, plan):
    layout = Layout(before.shape, before.dtype, -1, None)
    return Division(plan, before, layout, fill, NOTHING)


def test_known_pixels_and_what_no_part_has_made_stay_as_they_came():
    before = np.random.default_rng(1).integers(0, 65536, (200, 200, 3)).astype(np.uint16)
    fill = np.zeros((200, 200), bool)
    fill[10:20, 10:20] = fill[150:160, 150:160] = True
    plan = Plan("damage", (Part(0, 0, 96, 96), Part(104, 104, 96, 96)), 24)
    division = _division(before, fill, plan)
    assembly = Assembly((200, 200, 3), plan, spread=False)
    first = plan.parts[0]  # the second is not reached
    assembly.add(first, np.full((96, 96, 3), 0.5, np.float32), None, division.unknown(first))
    pixels, judged = put_together(assembly, division, _HOW)
    assert (pixels[10:20, 10:20] == 32768).all()
    inside = np.zeros((200, 200), bool)
    inside[10:20, 10:20] = True
    np.testing.assert_array_equal(pixels[~inside], before[~inside])
    np.testing.assert_array_equal(judged, inside)


def test_single_values_are_filled_by_themselves():
    before = np.full((96, 96, 3), 7, np.uint8)
    fill = np.zeros(before.shape, bool)
    fill[40:50, 40:50, 1] = True
    plan = Plan("damage", (Part(0, 0, 96, 96),), 24)
    division = _division(before, fill, plan)
    assembly = Assembly((96, 96, 3), plan, spread=False)
    assembly.add(
        plan.parts[0], np.ones((96, 96, 3), np.float32), None, division.unknown(plan.parts[0])
    )
    pixels, _ = put_together(assembly, division, _HOW)
    np.testing.assert_array_equal(pixels[..., 1] == 255, fill[..., 1])
    assert (pixels[..., [0, 2]] == 7).all()


def test_what_was_filled_at_a_reduced_size_meets_the_known_pixels():
    rows, columns = np.mgrid[:64, :64] / 64
    y = (0.3 + 0.4 * rows * columns)[..., None].astype(np.float32)
    fill = np.zeros((64, 64, 1), bool)
    fill[16:48, 16:48] = True
    small = y.reshape(16, 4, 16, 4, 1).mean(axis=(1, 3)) + np.float32(0.1)  # off by as much
    found = enlarged(small, np.where(fill, np.float32(0), y), fill, 4)
    np.testing.assert_array_equal(found[~fill], y[~fill])
    np.testing.assert_allclose(found, y, atol=0.01)


def test_figures_of_parts_are_those_of_all_pixels():
    together = figures_of_parts(
        [
            {"avg": {"psnr_true": 20.0, "ssim_true": 0.5}},
            {"avg": {"psnr_true": 30.0, "ssim_true": 1.0}},
        ],
        [100, 300],
    )
    expected = -10 * np.log10((100 * 1e-2 + 300 * 1e-3) / 400)
    assert together["avg"]["psnr_true"] == pytest.approx(expected)
    assert together["avg"]["ssim_true"] == pytest.approx(0.875)
