"""The files of one seed: its result, and its log."""

import dataclasses
import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from dip_jax.errors import WORKDIR, InputError
from dip_jax.files import write_atomically
from dip_jax.lanes.jobs import Restoration
from dip_jax.report import records

_IMAGES = ("x", "x_out", "x_avg")
_ARRAYS = (*_IMAGES, "held")  # earlier versions did not write which values were held out


def write_result(path: Path, result: Restoration, mark: str) -> None:
    """The result of one seed, as a NumPy archive: the images, and the figures as JSON."""
    text = json.dumps(figures_of(result) | {"fingerprint": mark})
    arrays = {n: getattr(result, n) for n in _ARRAYS if getattr(result, n) is not None}
    write_atomically(path, lambda file: np.savez(file, figures=np.array(text), **arrays))


def figures_of(result: Restoration) -> dict[str, Any]:
    """All of a result but its images, as JSON holds it."""
    names = [one.name for one in dataclasses.fields(result) if one.name not in _ARRAYS]
    return records.plain({name: getattr(result, name) for name in names})


def with_figures(figures: dict[str, Any], **arrays: Any) -> Restoration:
    """The inverse of `figures_of`, with the images, by their names."""
    speed = figures["steps_per_second"]
    return Restoration(
        **{**figures, "steps_per_second": float("nan") if speed is None else speed}, **arrays
    )


def read_result(path: Path, mark: str) -> Restoration:
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            figures = json.loads(str(archive["figures"]))
            arrays = {name: archive[name] for name in _ARRAYS if name in archive or name in _IMAGES}
        found = figures.pop("fingerprint")
        result = with_figures(figures, **arrays)
    except (OSError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}): remove it to go on from that seed's checkpoint"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is torn or was written by another version ({error}): remove it to go on from "
            "that seed's checkpoint"
        ) from error
    if found != mark:
        raise InputError(
            f"{path} belongs to another picture or mask under the same name: choose another "
            "work directory with ",
            WORKDIR,
        )
    return result


def rows_so_far(folder: Path, step: int | None) -> list[dict[str, Any]]:
    """The logged rows up to the checkpoint; a torn last line, or later rows, are left out."""
    path = folder / "metrics.jsonl"
    if step is None or not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            break
        if row["step"] <= step:
            rows.append(row)
    return rows
