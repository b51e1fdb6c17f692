"""What the command does before its fit, for the page: all that can be wrong is found here."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dip_jax.api.array_fit import ArrayFit
from dip_jax.api.parted_fit import PartedFit
from dip_jax.cli.output import check_output, format_of_result, name_of_result
from dip_jax.cli.pages import changes_of_options, likes, prepared, with_masks
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.reading import read_pages
from dip_jax.pictures.writing import FORMAT_OF_SUFFIX, changes
from dip_jax.settings import estimates, tasks
from dip_jax.studio.asked import Asked, offered
from dip_jax.studio.desk import OptionFile, Sheet

_LOG_EVERY = 1.0  # seconds, as far as that can be told before; it changes nothing of the result


@dataclasses.dataclass(frozen=True)
class Files:
    """What a fit uses of what lies beside a picture.

    Attributes:
        mask: what is to be filled; None for nothing.
        options: the files of options, by the names of the command's arguments.
    """

    mask: Path | None
    options: Mapping[str, OptionFile]


@dataclasses.dataclass(frozen=True, eq=False)
class Ready:
    """A fit that can begin; all that can be wrong has been found.

    Attributes:
        fit: it.
        like: what goes into the result's file beside the pixels.
        output: the name of that file.
        files: that it uses.
        lines: what a person should know before.
        shown: the command and the lines of Python that do the same, and the name of the mask.
    """

    fit: ArrayFit | PartedFit
    like: Picture
    output: str
    files: Files
    lines: tuple[str, ...]
    shown: Mapping[str, Any]


def files_of(sheet: Sheet, asked: Asked) -> Files:
    """Those that lie beside a picture now, and that its task can use."""
    task = offered()[asked.command]
    known = [option["name"] for option in task["options"] if option["kind"] == "file"]
    options = {name: file for name, file in sheet.files.items() if name in known}
    return Files(sheet.mask if task["fills"] else None, options)


def make_ready(sheet: Sheet, asked: Asked, files: Files) -> Ready:
    """What the command does before its fit.

    Raises:
        InputError: if anything that was given cannot be used.
    """
    mask = None if files.mask is None else str(files.mask)
    paths = {name: str(file.path) for name, file in files.options.items()}
    arguments = asked.arguments(str(sheet.path), mask, paths)
    data_range = None if arguments.data_range is None else tuple(arguments.data_range)
    pages = read_pages(arguments.image, data_range)
    given = with_masks(arguments, pages)
    like = likes(arguments, [one.picture for one in given])[0]
    written = format_of_result(arguments.task, pages[0].file_format)
    output = name_of_result(Path(sheet.name), written, tasks.DOORS[arguments.task].ending)
    check_output(sheet.folder / output, [like])
    fit = prepared(arguments, changes_of_options(arguments), given)[0]
    lines = [*given[0].remarks, *changes(output, [like])]
    if lossless_name(output) != output:
        lines.append("JPEG loses something, known pixels too: the result can be had as PNG as well")
    elif FORMAT_OF_SUFFIX[Path(output).suffix.lower()] != pages[0].file_format:
        lines.append(f"{sheet.name} is a {pages[0].file_format}: the result is {output}")
    fit = dataclasses.replace(fit, config=fit.config | {"log_every": _steps_between_logs(fit)})
    shown = _shown(sheet, asked, files, output, pages[0])
    return Ready(fit, like, output, files, (*lines, *fit.advice()), shown)


def _shown(
    sheet: Sheet, asked: Asked, files: Files, output: str, picture: Picture
) -> dict[str, Any]:
    """What of a fit can be copied."""
    mask = None if files.mask is None else sheet.mask_name
    names = {name: file.name for name, file in files.options.items()}
    grey = all(file.grey for file in files.options.values())
    return {
        "mask": mask,
        "command": asked.as_command(sheet.name, mask, names),
        "python": asked.as_python(sheet.name, mask, names, output, picture, grey),
    }


def lossless_name(output: str) -> str:
    """The name of a result that loses nothing."""
    path = Path(output)
    return path.stem + ".png" if path.suffix.lower() in (".jpg", ".jpeg") else output


def _steps_between_logs(fit: ArrayFit | PartedFit) -> int:
    """So many that something is seen every second or so."""
    config, usual = fit.config, fit.config["log_every"]
    seconds = [
        estimates.seconds_of({**config, "seeds": 1, "refine": False}, shape)
        for shape in {*fit.shapes}
    ]
    known = [sum(pair) / 2 / config["num_steps"] for pair in seconds if pair is not None]
    if not known:
        return usual  # an accelerator's steps are quick
    return int(np.clip(_LOG_EVERY / max(known), 1, usual))
