"""The smooth surface through the known pixels, and what is known of its error."""

import numpy as np

from dip_jax.finish.surface import beside, error_of_surface, moved, surface

SIDE = 48


def _hole():
    fill = np.zeros((SIDE, SIDE), bool)
    fill[22:25, 14:34] = True
    return fill


def test_a_holes_shape_is_laid_over_known_pixels():
    fill = _hole()
    found = moved(fill, fill, (10, 18, 28))
    assert len(found) == 4
    for one in found:
        assert not (one & fill).any() and one.sum() >= 0.6 * fill.sum()
    whole = np.ones((SIDE, SIDE), bool)
    assert moved(whole, whole, (10, 18, 28)) == []


def test_other_holes_are_no_known_pixels():
    fill = _hole()
    unknown = fill.copy()
    unknown[:20] = True
    found = moved(fill, unknown, (10, 18))
    assert found and not any((one & unknown).any() for one in found)


def test_beside_a_hole_it_is_as_near_as_there_is_room():
    fill = np.zeros((SIDE, SIDE), bool)
    fill[18:26, 18:26] = True
    unknown = fill.copy()
    unknown[:, 26:40] = True
    found = beside(fill, unknown, (10, 20))
    columns = [np.flatnonzero(there.any(axis=0)).min() for there in found]
    # To the right there is room only 20 pixels away.
    assert sorted(columns) == [8, 8, 8, 18, 18, 40, 40, 40]
    assert not any((there & unknown).any() for there in found)


def test_the_surface_passes_through_a_plane():
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    plane = np.stack([rows - 20, 3 * columns, -rows], axis=-1)  # of any range
    fill = _hole()
    found = surface(np.where(fill[..., None], 0, plane), fill)
    np.testing.assert_allclose(found, plane, atol=0.05)
    assert found.dtype == np.float32


def test_its_error_is_that_of_what_it_has_not_seen():
    fill = _hole()
    there = moved(fill, fill, (18,))[0]
    flat = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    assert error_of_surface(np.where(fill[..., None], 1, flat), fill, there) < 1e-8
    other = np.where(there[..., None], np.float32(0.7), flat)
    assert np.isclose(error_of_surface(other, fill, there), 0.2**2, rtol=1e-3)
