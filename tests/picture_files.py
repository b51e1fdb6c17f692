"""What the tests of pictures share: pixels, a PNG by hand, and the one line of a refusal."""

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dip_jax.errors import InputError

Pixels = NDArray[Any]


def random_pixels(*shape: int, dtype: Any = np.uint8) -> Pixels:
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def png_bytes(
    pixels: Pixels, colour_type: int, bits: int, chunks: tuple[tuple[bytes, bytes], ...] = ()
) -> bytes:
    """A PNG written by hand, for the depths and sizes that Pillow does not write."""
    h, w = pixels.shape[:2]
    rows = pixels.astype(">u2" if bits == 16 else np.uint8)
    header = struct.pack(">IIBBBBB", w, h, bits, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return png_stream((b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b""))


def png_stream(*chunks: tuple[bytes, bytes]) -> bytes:
    stream = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        stream += struct.pack(">I", len(data)) + kind + data
        stream += struct.pack(">I", zlib.crc32(kind + data))
    return stream


def one_line(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The message of the InputError that the call must raise."""
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message and "expected" in message
    return message
