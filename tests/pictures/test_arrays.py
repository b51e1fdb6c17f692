"""Arrays of any layout: there and back without loss, within the range, for every dtype."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dip_jax.pictures.arrays import read_array
from dip_jax.pictures.mask_arrays import read_mask_array

RANGES = {  # dtype: a range to be given, or None where it is known
    "bool": None,
    "uint8": None,
    "uint16": None,
    "int8": (-100, 100),
    "int16": (-32768, 32767),
    "int32": (0, 4095),
    "uint32": (0, 65535),
    "float16": None,
    "float32": (-2.5, 7.0),
    "float64": None,
}
SHAPES = [((7, 6), -1), ((7, 6), None), ((7, 6, 1), -1), ((7, 6, 3), 2), ((5, 7, 6), 0)]
SHAPES += [((7, 2, 6), 1), ((7, 4, 6), -2)]


@st.composite
def pictures(draw):
    dtype = np.dtype(draw(st.sampled_from(list(RANGES))))
    shape, axis = draw(st.sampled_from(SHAPES))
    data_range = RANGES[dtype.name]
    read = data_range or (0, {"uint8": 255, "uint16": 65535}.get(dtype.name, 1))
    if dtype.kind == "f":
        low, high = (float(dtype.type(end)) for end in read)
        values = st.floats(low, high, width=8 * dtype.itemsize)
    elif dtype.kind == "b":
        values = st.booleans()
    else:
        values = st.integers(*read)
    return draw(hnp.arrays(dtype, shape, elements=values)), axis, data_range


@given(pictures())
def test_a_picture_goes_to_an_image_and_back(given):
    before, axis, data_range = given
    pixels, layout = read_array(before, axis, data_range)
    x = layout.image(pixels)
    assert x.dtype == np.float32 and x.ndim == 3
    assert x.min() >= 0 and x.max() <= 1
    after = layout.pixels(x)
    assert after.shape == before.shape and after.dtype == before.dtype
    if before.dtype.kind == "f":  # the image is float32
        np.testing.assert_allclose(
            after.astype(float),
            before.astype(float),
            rtol=0,
            atol=layout.width * max(1e-6, np.finfo(before.dtype).eps),
        )
    else:
        np.testing.assert_array_equal(after, before)


@given(pictures(), st.integers(0, 2**32 - 1))
def test_whatever_an_image_holds_the_pixels_stay_in_the_range(given, seed):
    before, axis, data_range = given
    layout = read_array(before, axis, data_range)[1]
    shape = layout.channels_last(before).shape
    x = np.random.default_rng(seed).normal(0.5, 2, shape).astype(np.float32)
    after = layout.pixels(x)
    read_array(after, axis, data_range)  # refuses what is outside
    assert after.shape == before.shape and np.isfinite(after).all()


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("kind", [bool, np.uint8, np.float64])
@pytest.mark.parametrize("white", [1, 255])
def test_a_mask_of_the_size_or_of_the_shape_marks_the_same_values(shape, axis, kind, white):
    layout = read_array(np.zeros(shape, np.uint8), axis, None)[1]
    size = layout.channels_last(np.zeros(shape)).shape[:2]
    drawn = np.random.default_rng(0).random(size) < 0.4
    mask = (drawn * white).astype(kind)
    fill = read_mask_array(mask, layout, "fill").fill
    np.testing.assert_array_equal(fill, drawn)
    np.testing.assert_array_equal(read_mask_array(mask, layout, "keep").fill, ~drawn)
    if layout.channel_axis is not None:
        every = np.repeat(np.expand_dims(mask, layout.channel_axis), shape[axis], axis)
        fill = read_mask_array(every, layout, "fill").fill
        assert (fill == drawn[..., None]).all() and fill.shape[2] == shape[axis]


def test_infinite_values_are_not_out_of_range():
    x = np.array([[0.5, np.nan], [np.inf, -np.inf]])
    pixels, layout = read_array(x, None, None)
    assert np.isfinite(layout.image(pixels)).sum() == 1
