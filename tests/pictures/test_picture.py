"""Numbers: any dtype and range becomes [0, 1] and comes back as it was."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from picture_files import Pixels, one_line

from dip_jax.pictures.values import from_float, to_float

settings.register_profile("pictures", deadline=None, max_examples=100, derandomize=True)
settings.load_profile("pictures")

INTEGERS = ["uint8", "uint16", "int8", "int16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "float32", "float64"]
SHAPES = hnp.array_shapes(min_dims=2, max_dims=3, max_side=5)


@st.composite
def integers_in_a_range(draw: st.DrawFn) -> tuple[Pixels, tuple[float, float]]:
    """Whole numbers within bounds that need not be whole, nor limits of the dtype."""
    dtype = np.dtype(draw(st.sampled_from(INTEGERS)))
    limits = np.iinfo(dtype)
    low = draw(st.integers(max(limits.min, -(2**40)), min(limits.max, 2**40) - 1))
    high = draw(st.integers(low + 1, min(limits.max, low + 2**23)))
    pixels = draw(hnp.arrays(dtype, draw(SHAPES), elements=st.integers(low, high)))
    more = draw(st.sampled_from([0.0, 0.25]))
    return pixels, (low - more, high + more)


@st.composite
def floats_in_a_range(draw: st.DrawFn) -> tuple[Pixels, tuple[float, float]]:
    dtype = np.dtype(draw(st.sampled_from(FLOATS)))
    width = 8 * dtype.itemsize
    bound = st.floats(-1e4, 1e4, width=16)
    low, high = draw(bound), draw(bound)
    assume(high - low > 1e-2 * max(1, abs(low), abs(high)))
    elements = st.floats(low, high, width=width)
    return draw(hnp.arrays(dtype, draw(SHAPES), elements=elements)), (low, high)


@given(integers_in_a_range())
@example((np.array([[-(2**31), 2**23 - 2**31]], np.int32), (-(2**31), 2**23 - 2**31)))
@example((np.array([[2**64 - 1, 2**64 - 2049]], np.uint64), (2**64 - 4096, 2**64)))
def test_integers_come_back_exactly(case: tuple[Pixels, tuple[float, float]]) -> None:
    pixels, data_range = case
    x = to_float(pixels, data_range)
    assert x.dtype == np.float32 and x.ndim == 3
    assert 0.0 <= x.min() and x.max() <= 1.0
    back = from_float(x, pixels.dtype, pixels.ndim, data_range)
    assert back.dtype == pixels.dtype and back.shape == pixels.shape
    if abs(int(pixels.max())) < 2**53:  # which float64 can tell apart
        np.testing.assert_array_equal(back, pixels)


@given(floats_in_a_range())
def test_floats_come_back_closely_and_within_the_range(
    case: tuple[Pixels, tuple[float, float]],
) -> None:
    pixels, (low, high) = case
    x = to_float(pixels, (low, high))
    back = from_float(x, pixels.dtype, pixels.ndim, (low, high))
    assert back.dtype == pixels.dtype and back.shape == pixels.shape
    assert low <= back.min() and back.max() <= high
    spacing = max(np.finfo(np.float32).eps, np.finfo(pixels.dtype).eps)
    tolerance = spacing * (high - low + abs(low) + abs(high))
    np.testing.assert_allclose(back.astype(float), pixels.astype(float), rtol=0, atol=tolerance)


@given(
    hnp.arrays(np.float32, (3, 4, 1), elements=st.floats(-2, 2, width=32)),
    st.sampled_from(["uint8", "int16", "bool", "float32"]),
)
def test_what_leaves_the_range_is_clipped_and_order_is_kept(x: Pixels, dtype: str) -> None:
    low, high = (0, 1) if dtype == "bool" else (10, 90)
    pixels = from_float(x, dtype, 2, (low, high)).astype(float)
    assert low <= pixels.min() and pixels.max() <= high
    np.testing.assert_array_equal(pixels[x[..., 0] <= 0], low)
    np.testing.assert_array_equal(pixels[x[..., 0] >= 1], high)
    order = np.argsort(x[..., 0], axis=None)
    assert (np.diff(pixels.ravel()[order]) >= 0).all()


def test_a_range_maps_its_bounds_to_black_and_white() -> None:
    twelve_bits = np.array([[0, 4095]], np.uint16)
    np.testing.assert_array_equal(to_float(twelve_bits, (0, 4095))[..., 0], [[0, 1]])
    signed = np.array([[-1.0, 0.0, 1.0, np.nan, np.inf]])
    x = to_float(signed, (-1, 1))[0, :, 0]
    np.testing.assert_array_equal(x, [0, 0.5, 1, np.nan, np.inf])
    bits = np.array([[True, False]])
    np.testing.assert_array_equal(from_float(to_float(bits, (0, 1)), bool, 2, (0, 1)), bits)


def test_a_bound_may_have_no_exact_float32() -> None:
    pixels = np.array([[0.1, 0.7]], np.float32)  # of which 0.7 is below, and 0.1 above
    for data_range in ((0.1, 0.7), (0.7, 0.9), (-0.3, 0.1)):
        inside = pixels[(pixels > data_range[0] - 1e-6) & (pixels < data_range[1] + 1e-6)]
        x = to_float(inside[np.newaxis], data_range)
        assert 0 <= x.min() and x.max() <= 1


@pytest.mark.parametrize(
    "data_range",
    [
        (1, 1),
        (1, 0),
        (0, math.inf),
        (math.nan, 1),
        (-1e308, 1e308 * 1.5),
        (0, 1, 2),
        255,
        ("0", "1"),
        (0, None),
    ],
)
def test_a_range_that_is_none_is_refused(data_range: Any) -> None:
    pixels = np.zeros((2, 2), np.uint8)
    assert "data_range" in one_line(to_float, pixels, data_range)
    assert "data_range" in one_line(from_float, np.zeros((2, 2, 1)), np.uint8, 2, data_range)


def test_values_outside_the_range_are_refused() -> None:
    pixels = np.array([[0, 100]])
    for dtype in (*INTEGERS, *FLOATS):
        assert "0 to 100" in one_line(to_float, pixels.astype(dtype), (0, 99))
        assert "0 to 100" in one_line(to_float, pixels.astype(dtype), (1, 100))
    assert "uint8" in one_line(from_float, np.zeros((2, 2, 1)), np.uint8, 2, (-9, -1))
    assert "no finite" in one_line(to_float, np.full((2, 2), np.nan), (0, 9))


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "int64", "bool"])
def test_other_integers_need_a_range(dtype: str) -> None:
    assert "give config.data_range" in one_line(to_float, np.zeros((2, 2), dtype))
    assert "give config.data_range" in one_line(from_float, np.zeros((2, 2, 1)), dtype, 2)


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "object", "str"])
def test_what_is_no_number_is_refused(dtype: str) -> None:
    for data_range in (None, (0, 1)):
        assert "dtype" in one_line(to_float, np.zeros((2, 2), dtype), data_range)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("ndim", [2, 3])
def test_every_value_survives_the_round_trip(dtype: Any, ndim: int) -> None:
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(16, -1)
    pixels = values if ndim == 2 else np.stack([values, values[::-1], values[:, ::-1]], -1)
    x = to_float(pixels)
    assert x.dtype == np.float32 and x.shape == (*pixels.shape[:2], 1 if ndim == 2 else 3)
    assert x.min() == 0.0 and x.max() == 1.0
    back = from_float(x, dtype, ndim)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, pixels)


def test_float_is_not_changed() -> None:
    pixels = np.random.default_rng(0).random((5, 7), dtype=np.float32)
    np.testing.assert_array_equal(to_float(pixels)[..., 0], pixels)
    np.testing.assert_array_equal(from_float(to_float(pixels), np.float32, 2), pixels)


def test_values_are_clipped_and_ties_go_to_even() -> None:
    x = np.array([-0.5, 1.5, 0.5 / 255, 1.5 / 255, 2.5 / 255], np.float64).reshape(1, -1, 1)
    np.testing.assert_array_equal(from_float(x, np.uint8, 2), [[0, 255, 0, 2, 2]])


def test_bad_arrays_are_refused() -> None:
    assert "shape" in one_line(to_float, np.zeros((0, 4), np.uint8))
    assert "shape" in one_line(to_float, np.zeros((1, 4, 4, 3), np.uint8))
    assert "255" in one_line(to_float, np.full((4, 4), 255.0))
    assert "shape" in one_line(from_float, np.zeros((4, 4, 3)), np.uint8, 2)
    assert "dtype" in one_line(from_float, np.zeros((4, 4, 3)), np.int64, 3)
    assert "not numbers" in one_line(from_float, np.full((4, 4, 3), np.nan), np.uint8, 3)
