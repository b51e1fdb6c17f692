"""A folder of pictures: every picture a run of its own in one work directory, and one table of all.

`image` is a folder or a pattern such as `photos/*.png`; `mask` and `clean` are one file for all, or
a folder or a pattern in which each picture's own has the same name, or at least the same stem. What
is wrong with one picture is told and noted, and the others go on.

Lanes of all pictures and seeds share the devices' places. Pictures are read when their turn comes;
until then only the sizes in their headers are known.
"""

import dataclasses
import glob
import hashlib
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from PIL import ExifTags, Image

from dip_jax import guidance, reporting, tasks
from dip_jax.errors import InputError
from dip_jax.files import to_utf8, write_bytes
from dip_jax.jobs import check_files
from dip_jax.processes import ALONE, Processes
from dip_jax.progress import Progress
from dip_jax.runs import PictureRun, restore_pictures
from dip_jax.workdirs import Overall, check_workdir, make_workdir

Config = Mapping[str, Any]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif")
_RESERVED = ("config.json", "summary.json", "summary.md")


def is_many(path: str) -> bool:
    """Whether it stands for several pictures: a folder, or a pattern that is no file's name."""
    return bool(path) and (
        os.path.isdir(path) or (glob.has_magic(path) and not Path(path).exists())
    )


def title(path: str) -> str:
    """A name for the folder or the pattern, fit for a file name."""
    parts = [part for part in Path(path).parts if not glob.has_magic(part)]
    return Path(*parts).name if parts and Path(*parts).name else "pictures"


def run_folder(
    config: Config,
    workdir: str | os.PathLike[str],
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
    processes: Processes = ALONE,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Restores every picture of a folder, or goes on with it, and gives the table as a dict.

    Args:
        config: as `tasks.defaults` gives it; see the module for `image`, `mask` and `clean`.
        workdir: the work directory; new, empty, or that of the same run to go on with.
        progress: shows what is going on over all pictures.
        should_stop: asked at every logged step; True saves what there is and ends the run.
        processes: those that share the work; all are given the same configuration and folder.
        command: what was run, as its words; the reports show it.

    Returns:
        What `summary.json` holds: `pictures`, a list of one dict for each; the numbers of them that
        are `restored`, have `failed` (at least one seed of) or are `left` to be done; `seconds`,
        fitting, all pictures together; `stop_reason`, "finished" or "interrupted".

    Raises:
        InputError: if there are no pictures, or the work directory cannot be used.
    """
    tasks.fit_settings(config)
    check_files(config)
    folder = Path(workdir)
    overall = Overall(progress)
    found = find_pictures(config)
    begun = check_workdir(folder, config)
    if processes.index == 0:
        make_workdir(folder, config)
    processes.meet("config.json", folder)
    progress.message(f"{config['task']}: {len(found)} pictures")
    table = _Table(progress, len(found))
    found = _that_fit(found, config)
    pictures = [
        _picture_run(one, config, folder, overall, should_stop, table, command) for one in found
    ]

    def states() -> list[dict[str, Any]]:
        return [_state(one, picture) for one, picture in zip(found, pictures, strict=True)]

    todo, restored = [], 0
    for picture, state in zip(pictures, processes.share("pictures", states), strict=True):
        picture.failure = state["failure"]
        if picture.failure:
            table.end(picture)
        elif state["finished"]:
            picture.recall()
            restored += 1
        else:
            todo.append(picture)
    table.done += restored
    if begun:
        progress.message(f"going on with {folder}: {restored} of {len(found)} pictures are done")
    begin = time.perf_counter()
    if todo and processes.count == 1:
        shapes = [_shape(Path(picture.config["image"])) for picture in todo]
        estimate = guidance.time_of_all(config, [shape for shape in shapes if shape is not None])
        if estimate:
            progress.message(estimate)
    if todo:
        restore_pictures(todo, config, overall, processes)
    rows = [_row(one, picture) for one, picture in zip(found, pictures, strict=True)]
    return processes.share(
        "summary", lambda: _write_table(folder, config, rows, time.perf_counter() - begin)
    )


@dataclasses.dataclass(frozen=True)
class Found:
    """A picture of the folder.

    Attributes:
        path: of the picture.
        name: of its work directory inside that of the run.
        mask: of its mask; "" for none.
        clean: of the clean picture; "" for none.
        failure: what is wrong with these; "" for nothing.
    """

    path: Path
    name: str
    mask: str
    clean: str
    failure: str


def find_pictures(config: Config) -> list[Found]:
    """The pictures that a configuration names, each with its mask and its clean picture.

    Raises:
        InputError: if there are none.
    """
    paths = _files(config["image"])
    if not paths:
        raise InputError(
            f"config.image {config['image']!r} stands for no picture: expected a folder with "
            "pictures in it, or a pattern such as 'photos/*.png' (in quotes)"
        )
    masks, cleans = (_Partners(option, config[option]) for option in ("mask", "clean"))
    found = []
    for path, name in zip(paths, folder_names(paths), strict=True):
        mask, clean, failure = "", "", ""
        try:
            mask, clean = masks.of(path), cleans.of(path)
        except InputError as error:
            failure = str(error)
        found.append(Found(path, name, mask, clean, failure))
    return found


def _that_fit(found: list[Found], config: Config) -> list[Found]:
    """The pictures, those with a failure that the memory is too small for by their headers.

    Known before the first fit: memory that fits have taken is not given back between them.
    """
    settings, verdicts = tasks.fit_settings(config), dict[tuple[int, int, int], str]()
    with_clean = bool(config["clean"]) or (config["degrade"] != "none" and not config["mask"])
    checked = []
    for one in found:
        shape = _shape(one.path)
        if one.failure or shape is None or min(shape[:2]) < settings.architecture.min_side:
            checked.append(one)  # reading it will say
            continue
        if shape not in verdicts:
            try:
                guidance.check_memory_of_shape(config, shape, with_clean)
                verdicts[shape] = ""
            except InputError as error:
                verdicts[shape] = str(error)
        checked.append(dataclasses.replace(one, failure=verdicts[shape]))
    return checked


def _files(pattern: str) -> list[Path]:
    if os.path.isdir(pattern):
        return sorted(
            path
            for path in Path(pattern).iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
        )
    return sorted(Path(name) for name in glob.glob(pattern, recursive=True) if os.path.isfile(name))


class _Partners:
    """What belongs to each picture, by its file's name."""

    def __init__(self, option: str, path: str) -> None:
        self._option, self._path, self._many = option, path, is_many(path)
        self._by_stem: dict[str, list[Path]] = {}
        for other in _files(path) if self._many else ():
            self._by_stem.setdefault(other.stem, []).append(other)

    def of(self, picture: Path) -> str:
        if not self._many:
            return self._path
        candidates = self._by_stem.get(picture.stem, [])
        same_name = [path for path in candidates if path.name == picture.name]
        if len(same_name or candidates) == 1:
            return str((same_name or candidates)[0])
        if candidates:
            names = ", ".join(path.name for path in candidates)
            raise InputError(
                f"config.{self._option} has several files for {picture.name} ({names}): leave one"
            )
        raise InputError(
            f"config.{self._option} has no file for {picture.name} in {self._path}: expected "
            f"one named {picture.stem}, with the suffix of a picture"
        )


def folder_names(paths: Sequence[Path]) -> list[str]:
    """A name for every picture's work directory: its stem, and more of its path where two collide.

    Names that differ only in upper and lower case collide, as they do on some file systems.
    """
    depth = dict.fromkeys(paths, 0)
    while True:
        names = [_name(path, depth[path]) for path in paths]
        count = Counter(name.casefold() for name in names)
        colliding = [
            path
            for path, name in zip(paths, names, strict=True)
            if count[name.casefold()] > 1 or name.casefold() in _RESERVED
        ]
        if not colliding:
            return names
        for path in colliding:
            depth[path] += 1


def _name(path: Path, depth: int) -> str:
    if depth == 0:
        return path.stem
    if depth == 1:
        return path.name
    if depth == 2:
        return f"{path.absolute().parent.name}-{path.name}"
    return f"{path.name}-{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[: 8 * depth]}"


def _picture_run(
    one: Found,
    config: Config,
    folder: Path,
    overall: Overall,
    should_stop: Callable[[], bool],
    table: "_Table",
    command: Sequence[str],
) -> PictureRun:
    return PictureRun(
        {**config, "image": str(one.path), "mask": one.mask, "clean": one.clean},
        folder / one.name,
        overall,
        should_stop,
        name=f"{one.name}: ",
        shape=_shape(one.path),
        on_end=table.end,
        command=command,
    )


def _shape(path: Path) -> tuple[int, int, int] | None:
    """`(h, w, c)` by the file's header alone; None if it tells nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                w, h = image.size
                if image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8):
                    h, w = w, h
                grey = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
                return h, w, 1 if grey else 3
    except (
        Exception
    ):  # whatever a broken file makes Pillow raise; reading it will say what is wrong
        return None


def _state(one: Found, picture: PictureRun) -> dict[str, Any]:
    """Whether a picture is finished already, or cannot be restored."""
    failure, finished = one.failure, False
    if not failure and (picture.folder / "summary.json").exists():
        try:
            check_workdir(picture.folder, picture.config)
            picture.read()
            finished = picture.finished_summary() is not None
        except InputError as error:
            failure = str(error)
        picture.forget()
    return {"failure": failure, "finished": finished}


class _Table:
    """Tells of every picture that has ended, and how many there are."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self.done = progress, total, 0

    def end(self, picture: PictureRun) -> None:
        summary = picture.summary
        if summary is None:
            words = f"failed: {picture.failure}"
        elif summary["stop_reason"] == "interrupted":
            return
        else:
            words = f"restored, {summary['steps']} steps"
            if "psnr_true" in summary["metrics"]["restored"]:
                words += f", {summary['metrics']['restored']['psnr_true']:.2f} dB"
            if summary["failed"]:
                words += f"; {len(summary['failed'])} of {len(picture.lanes)} seeds failed"
        self.done += 1
        self._progress.message(f"[{self.done} of {self._total}] {picture.folder.name}: {words}")


def _row(one: Found, picture: PictureRun) -> dict[str, Any]:
    """One picture's line in the table."""
    row: dict[str, Any] = {"picture": str(one.path), "folder": one.name}
    summary = picture.summary
    if summary is None:
        status = "failed" if picture.failure else "left"
        return row | {"status": status, "reason": picture.failure or None}
    figures = summary["metrics"]
    chosen = figures.get(summary["chosen_image"], figures["restored"])
    reason = None
    if summary["failed"]:
        first = summary["failed"][0]
        reason = (
            f"{len(summary['failed'])} of {len(picture.lanes)} seeds failed; "
            f"seed {first['seed']}: {first['reason']}"
        )
    return row | {
        "shape": summary["shape"],
        "seeds": len(summary["seeds"]),
        "steps": summary["steps"],
        "chosen_step": summary["chosen_step"],
        "psnr_degraded": summary["degraded"].get("psnr_true"),
        "psnr_true": figures["restored"].get("psnr_true"),
        "psnr_heldout": chosen.get("psnr_heldout"),
        "seconds": summary["seconds"],
        "status": "left" if summary["stop_reason"] == "interrupted" else summary["stop_reason"],
        "reason": reason,
    }


def _write_table(
    folder: Path, config: Config, rows: list[dict[str, Any]], wall: float
) -> dict[str, Any]:
    failed = sum(row["reason"] is not None for row in rows)
    left = sum(row["status"] == "left" for row in rows)
    summary = {
        "task": config["task"],
        "image": config["image"],
        "restored": sum(row["status"] not in ("left", "failed") for row in rows),
        "failed": failed,
        "left": left,
        "seconds": sum(row.get("seconds") or 0.0 for row in rows),
        "seconds_of_this_session": wall,
        "device": jax.local_devices()[0].device_kind,
        "stop_reason": "interrupted" if left else "finished",
        "pictures": rows,
    }
    reporting.write_json(folder / "summary.json", summary)
    write_bytes(folder / "summary.md", to_utf8(_markdown(summary)))
    return summary


_COLUMNS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("picture", lambda row: Path(row["picture"]).name),
    ("size", lambda row: f"{row['shape'][1]} × {row['shape'][0]}" if "shape" in row else ""),
    ("steps", lambda row: _cell(row, "steps", "d")),
    ("chosen", lambda row: _cell(row, "chosen_step", "d")),
    ("degraded, dB", lambda row: _cell(row, "psnr_degraded", ".2f")),
    ("restored, dB", lambda row: _cell(row, "psnr_true", ".2f")),
    ("held-out, dB", lambda row: _cell(row, "psnr_heldout", ".2f")),
    ("seconds", lambda row: _cell(row, "seconds", ".1f")),
    ("status", lambda row: row["status"]),
    ("folder", lambda row: row["folder"]),
)


def _cell(row: dict[str, Any], name: str, form: str) -> str:
    value = row.get(name)
    return "" if value is None else format(value, form)


def _markdown(summary: dict[str, Any]) -> str:
    """The table for people; columns that are empty throughout are left out, reasons are below."""
    rows = summary["pictures"]
    columns = []
    for name, cell in _COLUMNS:
        cells = [cell(row).replace("|", "\\|") for row in rows]
        if any(cells):
            width = max(len(name), *map(len, cells))
            columns.append([text.ljust(width) for text in (name, "-" * width, *cells)])
    lines = [
        f"# {summary['task']}: {summary['image']}",
        "",
        f"{summary['restored']} restored, {summary['failed']} failed, {summary['left']} left; "
        f"{summary['seconds']:.0f} s of fitting on {summary['device']}.",
        "",
        *(f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True)),
    ]
    reasons = [f"- {Path(row['picture']).name}: {row['reason']}" for row in rows if row["reason"]]
    return "\n".join([*lines, *(["", "What failed:", "", *reasons] if reasons else []), ""])
