"""What a run leaves behind to look at: JSON, metrics and the comparison.

Images are float arrays `(h, w, c)` with values in [0, 1] and c = 1 or 3. PSNRs are in dB. Every
whole file is written atomically: whoever opens it sees the old one or the new one, never a half.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dip_jax.files import to_utf8, write_bytes


def plain(value: Any) -> Any:
    """`value` in the types that strict JSON knows."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype.kind == "f":
            return plain(array.astype(np.float64).tolist())
        if array.dtype.kind in "biuU":
            return plain(array.tolist())
    raise TypeError(f"JSON cannot hold a {type(value).__name__}: {value!r}")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as strict JSON with indent 2, atomically.

    Mappings, sequences, paths, and NumPy (or other array-like) scalars and arrays are accepted;
    NaN and infinity become null. Raises `TypeError` for anything else that JSON does not know.
    """
    text = json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    write_bytes(path, to_utf8(text))


def write_metrics(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write all of `metrics.jsonl`, one JSON object per row and line, atomically."""
    write_bytes(path, b"".join(_metrics_line(row) for row in rows))


def append_metrics(path: str | os.PathLike[str], row: Mapping[str, Any]) -> None:
    """Append one line to `metrics.jsonl`, whole and at once, for whoever follows the file."""
    line = _metrics_line(row)
    with open(path, "ab") as file:
        file.write(line)
        file.flush()


def _metrics_line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(plain(row), allow_nan=False, ensure_ascii=False).encode() + b"\n"
