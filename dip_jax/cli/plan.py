"""What is to be restored: every picture that the command is given, as if it were given alone.

A picture is a file, one of a folder's, or one that a pattern stands for (in quotes, or where the
shell leaves patterns as they are). Each has its own mask, output and report.
"""

import argparse
import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from dip_jax.cli.output import (
    find_output,
    folder_of_results,
    format_of_result,
    is_result,
    name_of_result,
)
from dip_jax.errors import InputError
from dip_jax.pictures.reading import count_pages, format_of, read_pages
from dip_jax.pictures.writing import FORMAT_OF_SUFFIX
from dip_jax.run.listing import Partners, entry_names, is_group, picture_files


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be restored.

    Attributes:
        ones: the options of each picture, as if it were given alone, with its `image`.
        several: whether a single file was given, or several, a folder or a pattern.
        folder: of the results, which may have to be made; None for no folder of their own.
        said: what a person should know of it, in lines.
        failures: what cannot be restored, and why.
    """

    ones: list[argparse.Namespace]
    several: bool
    folder: Path | None
    said: list[str]
    failures: list[str]


def plan(arguments: argparse.Namespace) -> Plan:
    """Finds the pictures, and what belongs to each; nothing is decoded but a mask for all.

    Args:
        arguments: as `command.make_parser` gives them.

    Raises:
        InputError: if none is found, or an option cannot serve them.
    """
    given: Sequence[str] = arguments.images
    several = len(given) > 1 or any(map(is_group, given))
    folder = folder_of_results(arguments.output, several)
    mask = getattr(arguments, "mask", None)
    said: list[str] = []
    failures: list[str] = []
    images = _images(given, mask, folder, said, failures)
    if not images:
        raise InputError(failures[0])
    if len(given) == 2 and given[1] in images and _is_meant_for_output(given[1]):
        raise InputError(
            f"there is no {given[1]!r} to restore; if the result is to go there, say "
            f"--output {given[1]}"
        )
    if several and mask and not is_group(mask) and not format_of(mask):
        read_pages(mask)  # says what is wrong once, in place of for every picture
    masks, ones = Partners("mask", mask or ""), []
    for image in images:
        one = argparse.Namespace(**vars(arguments))
        one.image = image
        if folder is not None:
            written = format_of_result(arguments.task, format_of(image))
            one.output = os.path.join(folder, name_of_result(Path(image), written))
        if mask and is_group(mask):
            try:
                one.mask = masks.of(Path(image), count_pages(image))
            except InputError as error:
                if not several:
                    raise
                failures.append(str(error))
                continue
        ones.append(one)
    if not ones:
        raise InputError(failures[0])
    if several and arguments.report is not None:
        _share_report(ones)
    return Plan(ones, several, folder, said, failures)


def check_outputs(ones: Sequence[argparse.Namespace]) -> None:
    """Gives every picture its output, and refuses those that may not be written.

    Raises:
        InputError: as `output.find_output`; or if two are one, or one is what is read.
    """
    read = {
        _key(path): path for one in ones for path in (one.image, getattr(one, "mask", None)) if path
    }
    taken: dict[str, str] = {}
    for one in ones:
        if not os.path.exists(one.image):
            continue  # reading it will say
        one.output = str(find_output(one, format_of(one.image)))
        key = _key(one.output)
        if key in read:
            raise InputError(
                f"{one.output!r}, where the result of {one.image!r} would be written, is read as "
                "well; expected another file: say a folder for the results with --output, or "
                "leave one of the two out"
            )
        if (other := taken.setdefault(key.casefold(), one.image)) != one.image:
            raise InputError(
                f"the results of {other!r} and {one.image!r} would both be {one.output!r}; "
                "expected names that differ: rename one, or restore them one at a time"
            )


def _is_meant_for_output(path: str) -> bool:
    return not os.path.exists(path) and Path(path).suffix.lower() in FORMAT_OF_SUFFIX


def _key(path: str) -> str:
    """The same for all names of one file."""
    try:
        return os.path.realpath(path)
    except ValueError:  # no name of a file
        return path


def _images(
    given: Iterable[str],
    mask: str | None,
    folder: Path | None,
    said: list[str],
    failures: list[str],
) -> list[str]:
    """The files that are given, each once, without results of before and what else is not meant."""
    images: dict[str, str] = {}
    for word in given:
        if not word:
            raise InputError("IMAGE is empty; expected a file, a folder or a pattern")
        if not is_group(word):
            images.setdefault(_key(word), word)
            continue
        files = picture_files(word)
        kept = _meant(files, word, mask, folder, said)
        if not kept:
            failures.append(
                f"{word!r} stands for no picture"
                + (" but the mask" if files else "")
                + "; expected a folder with pictures in it, or a pattern such as 'photos/*.png'"
            )
        for path in kept:
            images.setdefault(_key(str(path)), str(path))
    stems: dict[str, set[str]] = {}
    for path in map(Path, images):
        stems.setdefault(str(path.parent), set()).add(path.stem)
    results = [
        key for key in images if is_result(Path(key), stems[str(Path(key).parent)])
    ]  # a shell gives them by `*.png` too
    _tell_left_out([images.pop(key) for key in results], "results of pictures that are given", said)
    return list(images.values())


def _meant(
    files: Sequence[Path], word: str, mask: str | None, folder: Path | None, said: list[str]
) -> list[Path]:
    """The files of a group without the mask, and without those in the folder of results."""
    here = None if folder is None else _key(str(folder))
    elsewhere = [path for path in files if _key(str(path.parent)) != here]
    if elsewhere:
        there = [str(path) for path in files if path not in elsewhere]
        _tell_left_out(there, "they are where the results go", said)
    kept = []
    for path in elsewhere or files:
        if mask and _key(str(path)) == _key(mask):
            said.append(f"{path} is the mask, and is left out of {word}")
        else:
            kept.append(path)
    return kept


def _tell_left_out(names: Sequence[str], why: str, said: list[str]) -> None:
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        said.append(f"left out, as {why}: {shown}; to restore one, give it alone")


def _share_report(ones: Sequence[argparse.Namespace]) -> None:
    """Gives every picture a folder of its own in that of the reports.

    Raises:
        InputError: if that holds anything but such folders.
    """
    folder = Path(ones[0].report)
    try:
        others = [
            entry.name
            for entry in folder.iterdir()
            if not (entry.is_dir() or entry.name.startswith("."))
        ]
    except FileNotFoundError:
        others = []
    except (OSError, ValueError) as error:
        why = "is a file" if folder.is_file() else f"cannot be read ({error})"
        raise InputError(
            f"--report {str(folder)!r} {why}; expected a folder: choose another"
        ) from None
    if others:
        raise InputError(
            f"--report {str(folder)!r} holds other files ({', '.join(sorted(others)[:3])}); "
            "expected a new or an empty folder, or that of the same pictures: choose another"
        )
    names = entry_names([Path(one.image) for one in ones], [1] * len(ones))
    for one, (name,) in zip(ones, names, strict=True):
        one.report = os.path.join(folder, name)
