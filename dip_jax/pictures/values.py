"""The values of pixels: any dtype and range to float32 in [0, 1], and back."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dip_jax.errors import InputError, field

DataRange = tuple[float, float]
"""The values that black and white have, `(low, high)`."""


_FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def to_float(
    pixels: NDArray[Any], data_range: DataRange | None = None, *, checked: bool = False
) -> NDArray[np.float32]:
    """The picture as float32 `(h, w, c)` in [0, 1]; a grey one gets c = 1.

    Args:
        pixels: `(h, w)` or `(h, w, c)`; uint8, uint16, or float in [0, 1]; with a `data_range`,
            also other integers, bool, and other floats. NaN and infinite values are left as they
            are: they are unknown, not wrong.
        data_range: the values `(low, high)` that become 0 and 1; None stands for the full range of
            uint8 and uint16, and for (0, 1) of floats.
        checked: whether the values are known to be in the range, as those of a part of a picture
            that was looked at as a whole. A part may have no finite value.

    Raises:
        InputError: another shape or dtype, no finite value, finite values outside the range, or a
            range that is none.
    """
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise InputError(
            f"a picture of shape {pixels.shape} cannot be used; expected (h, w) or (h, w, c): "
            "reshape it, one picture at a time"
        )
    if not checked:
        check_values(pixels, data_range)
    if data_range is None and pixels.dtype in _FULL_SCALE:
        x = pixels.astype(np.float32)
        x /= np.float32(_FULL_SCALE[pixels.dtype])
    elif data_range is None:
        x = pixels.astype(np.float32)
    else:
        low, high = data_range
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (pixels.astype(np.float64) - low) / (float(high) - low)
        # A bound that has no exact value in the dtype of the picture may be missed by a rounding.
        x = np.where(np.isfinite(scaled), np.clip(scaled, 0.0, 1.0), scaled).astype(np.float32)
    return x[..., np.newaxis] if x.ndim == 2 else x


def from_float(
    x: NDArray[Any], dtype: DTypeLike, ndim: int, data_range: DataRange | None = None
) -> NDArray[Any]:
    """The inverse of `to_float`: clipped to [0, 1], scaled, rounded half to even.

    Integers come back exactly as they were, as long as the range holds at most 2^23 values: a
    float32 cannot tell many more apart.

    Args:
        x: float `(h, w, c)`.
        dtype: of the result: uint8, uint16 or a float dtype; with a `data_range`, also another
            integer dtype or bool.
        ndim: of the result: 2 for `(h, w)`, which takes c = 1, or 3 for `(h, w, c)`.
        data_range: the values `(low, high)` that 0 and 1 become; None as in `to_float`.

    Raises:
        InputError: another shape, dtype or ndim, a value that is not a number, or a range that is
            none or has no value in `dtype`.
    """
    dtype = np.dtype(dtype)
    if x.ndim != 3 or ndim not in (2, 3) or (ndim == 2 and x.shape[2] != 1):
        raise InputError(
            f"an array of shape {x.shape} cannot become a picture of {ndim} dimensions; expected "
            "(h, w, c), with c = 1 for 2 dimensions: reshape it"
        )
    _check_dtype(dtype, data_range, "a picture")
    if np.isnan(x).any():
        raise InputError(
            "the array to become a picture holds values that are not numbers; expected values in "
            "[0, 1]: find out where they come from"
        )
    low, high = data_range or (0, _FULL_SCALE.get(dtype, 1))
    # In float64, where a float32 times 65535 is exact, so that a tie is a true tie.
    values = np.clip(x.astype(np.float64), 0.0, 1.0) * (float(high) - low) + low
    if dtype.kind == "f":
        pixels = np.clip(values, low, high).astype(dtype)
    else:
        first, last = _whole_numbers(low, high, dtype)
        pixels = np.clip(np.rint(values), first, last).astype(dtype)
    return pixels[..., 0] if ndim == 2 else pixels


def check_values(
    pixels: NDArray[Any], data_range: DataRange | None, name: str = "a picture"
) -> None:
    """Refuses pixels that `to_float` could not map to [0, 1].

    Args:
        pixels: of any shape.
        data_range: `(low, high)`, or None.
        name: what the message calls the picture.

    Raises:
        InputError: the dtype needs a range, there is no finite value, a finite one is outside the
            range, or the range is none.
    """
    dtype = pixels.dtype
    _check_dtype(dtype, data_range, name)
    if data_range is None and dtype in _FULL_SCALE:
        return
    finite = pixels[np.isfinite(pixels)] if dtype.kind == "f" else pixels
    low, high = data_range or (0, 1)
    words = f"[{low:g}, {high:g}]"
    if not finite.size:
        raise InputError(f"{name} has no finite value; expected values in {words}: check the file")
    least, most = finite.min(), finite.max()
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float16 cannot hold does not bound it either
            inside = dtype.type(low) <= least and most <= dtype.type(high)
    else:
        inside = low <= int(least) and int(most) <= high
    if not inside:
        kind = "float values" if dtype.kind == "f" else "values"
        advice = "scale it first, or give " if data_range is None else "widen "
        least_most = f"{float(least):.10g} to {float(most):.10g}"
        raise InputError(
            f"{name} has {kind} from {least_most}; expected values in {words}: {advice}",
            field("data_range"),
            ", the values of black and white",
        )


def _check_dtype(dtype: np.dtype[Any], data_range: DataRange | None, name: str) -> None:
    if data_range is not None:
        check_data_range(data_range)
    if dtype in _FULL_SCALE or dtype in (np.float16, np.float32, np.float64):
        return
    if dtype.kind not in "biu":
        raise InputError(
            f"{name} of dtype {dtype} cannot be used; expected uint8, uint16, float16, float32 or "
            "float64, or another integer dtype with ",
            field("data_range"),
            ": convert it to one of these",
        )
    if data_range is None:
        raise InputError(
            f"{name} of dtype {dtype} cannot be used without the range of its values; expected "
            "uint8, uint16 or float in [0, 1]: give ",
            field("data_range"),
            ", the values of black and white",
        )


def check_data_range(data_range: Any) -> None:
    """Refuses what is no range of values, whatever picture it is for.

    Raises:
        InputError: it is not two finite numbers, the first below the second.
    """
    try:
        low, high = data_range
        good = math.isfinite(low) and math.isfinite(high) and low < high
        good = good and math.isfinite(float(high) - float(low))
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise InputError(
            field("data_range"),
            f" is {data_range!r}; expected two finite numbers, the values of black and of white, "
            "the first below the second",
        )


def _whole_numbers(low: float, high: float, dtype: np.dtype[Any]) -> DataRange:
    """The least and the greatest value of an integer dtype within the range, as floats."""
    limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    first, last = max(math.ceil(low), limits[0]), min(math.floor(high), limits[1])
    if first > last:
        raise InputError(
            field("data_range"),
            f" ({low:g}, {high:g}) holds no value of dtype {dtype}; expected one within "
            f"[{limits[0]}, {limits[1]}]: give another range or dtype",
        )
    end = float(last)
    return float(first), end if end <= last else math.nextafter(end, 0.0)
