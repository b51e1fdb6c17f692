"""The parts of a run that are made with no network: tiles on the disk, so that they may go on."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from dip_jax.errors import InputError, Interrupted
from dip_jax.files import write_atomically
from dip_jax.finish.assembly import Made, unfitted
from dip_jax.prepare.parts import Part
from dip_jax.run.part_run import Whole
from dip_jax.settings import parting

MadePart = tuple[Part, Callable[[], Made]]

_FOLDER = "tiles"


def make(
    whole: Whole,
    folder: Path,
    mark: str,
    say: Callable[[str], None],
    should_stop: Callable[[], bool],
) -> list[MadePart]:
    """Makes the parts of a picture that are not fitted.

    Tiles, of which a large picture has no room for all in floats, are kept in files, and those of
    an earlier session are taken from there.

    Args:
        whole: the picture.
        folder: the work directory.
        mark: the picture's.
        say: is told of every tenth of many.
        should_stop: asked before each of them, where no other part has anything to be written.

    Returns:
        The parts, and what gives what was made of each.

    Raises:
        Interrupted: if it was asked to end.
    """
    division, made = whole.division, list[MadePart]()
    in_files = division.whole is not None and len(division.alone) > 1
    for number, (part, make_it) in enumerate(unfitted(division, whole.how), 1):
        path = folder / _FOLDER / f"{number:04d}.npz"
        if in_files and _read(path, mark) is not None:
            made.append((part, functools.partial(_from, path, mark)))
        else:
            if not division.plan.parts and should_stop():
                raise Interrupted(
                    "interrupted before all of the picture was restored: no result was written, "
                    "and the same command goes on"
                )
            one = make_it()
            if in_files:
                _write(path, mark, one)
                made.append((part, functools.partial(_from, path, mark)))
            else:
                made.append((part, functools.partial(_given, one)))
        for line in parting.about_made(number, division):
            say(line)
    return made


def forget(folder: Path) -> None:
    """Removes the tiles of a picture that is written."""
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)


def _write(path: Path, mark: str, made: Made) -> None:
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, lambda file: np.savez(file, mark=mark, image=made.image))


def _read(path: Path, mark: str) -> Made | None:
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            if str(archive["mark"]) != mark:
                return None
            return Made(archive["image"], None, True, {})
    except (OSError, EOFError, BadZipFile, ValueError, KeyError):
        return None


def _given(made: Made) -> Made:
    return made


def _from(path: Path, mark: str) -> Made:
    made = _read(path, mark)
    if made is None:
        raise InputError(f"{path} cannot be read any more: give the same command again")
    return made
