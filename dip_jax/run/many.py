"""Many pictures: every picture a run of its own in one work directory, and one table of all.

`image` is a folder, a pattern such as `photos/*.png`, or a TIFF with several pages, each of which
is a picture, as are those of such files in a folder; `mask` and `clean` are one file for all, or a
folder or a pattern in which each picture's own has the same name, or at least the same stem. Such
a file has one page for all pages of the picture, or one for each. What is wrong with one picture is
told and noted, and the others go on.

Lanes of all pictures and seeds share the devices' places. Pictures are read when their turn comes;
until then only the sizes in their headers are known.
"""

import dataclasses
import itertools
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dip_jax.errors import InputError, Interrupted
from dip_jax.lanes import our_jax
from dip_jax.prepare.division import Division
from dip_jax.report.experiment import announced
from dip_jax.report.progress import Progress
from dip_jax.run.inputs import Given, Job, added_damage, check_files, prepare
from dip_jax.run.listing import Found, find_pictures
from dip_jax.run.parted import mark_of, read, run_in_parts
from dip_jax.run.picture_run import PictureRun
from dip_jax.run.processes import ALONE, Processes
from dip_jax.run.seed_folder import Overall
from dip_jax.run.session import restore_pictures
from dip_jax.run.stacks import put_together
from dip_jax.run.table import Telling, row_of, write_table
from dip_jax.run.workdir import (
    as_begun,
    check_workdir,
    ended_summary,
    finished_summary,
    make_workdir,
)
from dip_jax.settings import allowed_memory, build, estimates, parting
from dip_jax.settings.operating import image_shape
from dip_jax.settings.tasks import Config, task_of
from dip_jax.settings.without_network import may_be_alone


@our_jax.as_needed()
def run_folder(
    config: Config,
    workdir: str | os.PathLike[str],
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
    processes: Processes = ALONE,
    command: Sequence[str] = (),
    given: Sequence[Given] = (),
    on_restored: Callable[[int, NDArray[Any]], None] | None = None,
) -> dict[str, Any]:
    """Restores many pictures, or goes on with them, and gives the table as a dict.

    Args:
        config: as `tasks.defaults` gives it; see the module for `image`, `mask` and `clean`.
        workdir: the work directory; new, empty, or that of the same run to go on with.
        progress: shows what is going on over all pictures.
        should_stop: asked at every logged step; True saves what there is and ends the run.
        processes: those that share the work; all are given the same configuration and folder.
        command: what was run, as its words; the reports show it.
        given: the pictures, where they have been read; one for each.
        on_restored: called at the end with the place and the restored pixels of each picture that
            has some, one after the other.

    Returns:
        What `summary.json` holds: `pictures`, a list of one dict for each; the numbers of them that
        are `restored`, have `failed` (at least one seed of) or are `left` to be done;
        `added_damage`, by `inputs.added_damage`; `stacks`,
        a list of one dict for each file with several pages, by `put_together`; `seconds`, fitting,
        all pictures together; `stop_reason`, "finished" or "interrupted".

    Raises:
        InputError: if there are no pictures, or the work directory cannot be used; or if the image
            is a single file and none of its pages can be used, and nothing has been written then.
    """
    build.fit_settings(config)
    check_files(config)
    folder = Path(workdir)
    config = as_begun(folder, config)
    overall = Overall(progress)
    found = find_pictures(config)
    begun = check_workdir(folder, config)
    one_file = os.path.isfile(config["image"])
    table = Telling(progress, len(found))
    found = _that_fit(found, config)
    pictures = [
        PictureRun(
            _config_of(one, config),
            folder / one.name,
            overall,
            should_stop,
            name=f"{one.name}: ",
            shape=None if one.shape is None else image_shape(config, one.shape),
            on_end=table.end,
            command=command,
            given=read,
            keep=on_restored is not None,
        )
        for one, read in zip(found, given or itertools.repeat(None, len(found)), strict=True)
    ]
    if one_file and not begun:
        _check_any_page(found, pictures)
    if processes.index == 0:
        make_workdir(folder, config)
    processes.meet("config.json", folder)
    name = f"{Path(config['image']).name}, {len(found)} pages"
    if damage := added_damage(config):
        progress.message(announced(damage, "all pictures", task_of(config).fills))
    progress.message(f"{config['task']}: {name if one_file else f'{len(found)} pictures'}")

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
        fitted = set(todo)
        waiting = [one.shape for one, run in zip(found, pictures, strict=True) if run in fitted]
        shapes = [image_shape(config, shape) for shape in waiting if shape is not None]
        estimate = estimates.time_of_all(config, shapes)
        if estimate and not may_be_alone(config):  # or it would be that of fits which are not made
            progress.message(estimate)
    whole = []
    for picture in todo:
        # What is found in parts is restored with what was read: large pictures take long to read.
        parted = _in_parts(picture, processes)
        if parted is None:
            whole.append(picture)
        elif not processes.share("asked", lambda: bool(should_stop())):
            _restore_in_parts(picture, parted, progress, should_stop, processes, command)
            if picture.has_ended:
                table.end(picture)
    if whole:
        restore_pictures(whole, config, overall, processes)
    rows = [row_of(one, picture) for one, picture in zip(found, pictures, strict=True)]

    def write() -> dict[str, Any]:
        stacks = put_together(folder, config, found, pictures, set(todo))
        return write_table(folder, config, rows, stacks, time.perf_counter() - begin)

    summary = processes.share("summary", write)
    if on_restored is not None:
        for place, picture in enumerate(pictures):
            if (pixels := picture.restored()) is not None:
                on_restored(place, pixels)
    return summary


def _finished(picture: PictureRun) -> bool:
    """Whether an earlier session has finished a picture, which is read if it says so."""
    summary = ended_summary(picture.folder)
    if summary is None:
        return False
    if summary.get("parts") is not None:
        job = prepare(picture.config, picture.given)
        return finished_summary(picture.folder, mark_of(job)) is not None
    return picture.finished_summary() is not None


def _in_parts(picture: PictureRun, processes: Processes) -> tuple[Job, Division] | None:
    """A picture and its parts; None if it is fitted as a whole, or cannot be used."""

    def found() -> tuple[Job, Division] | None:
        try:
            job, division = read(picture.config, picture.given)
        except InputError:
            return None  # reading it as a whole will say
        return None if division is None else (job, division)

    if not parting.may_be_divided(picture.config, picture.shape):
        return None
    here = found() if processes.index == 0 else None
    parted = processes.share("large", lambda: here is not None)
    return (here or found()) if parted else None


def _restore_in_parts(
    picture: PictureRun,
    parted: tuple[Job, Division],
    progress: Progress,
    should_stop: Callable[[], bool],
    processes: Processes,
    command: Sequence[str],
) -> None:
    """Restores a picture of many that is fitted in parts; before the next one begins."""
    progress.message(f"{picture.folder.name}:")
    try:
        job, division = parted
        picture.summary = run_in_parts(
            picture.config,
            picture.folder,
            job,
            division,
            progress,
            should_stop,
            processes,
            command,
        )
    except Interrupted:
        return
    except InputError as error:
        picture.failure = str(error)


def _check_any_page(found: Sequence[Found], pictures: Sequence[PictureRun]) -> None:
    """Refuses a file none of whose pages can be used, by what is wrong with the first."""
    first = ""
    for one, picture in zip(found, pictures, strict=True):
        try:
            if one.failure:
                raise InputError(one.failure)
            picture.load()
        except InputError as error:
            first = first or str(error)
        else:
            picture.forget()
            return
    raise InputError(first)


def _that_fit(found: list[Found], config: Config) -> list[Found]:
    """The pictures, those with a failure that the memory is too small for by their headers.

    Known before the first fit: memory that fits have taken is not given back between them.
    """
    settings, verdicts = build.fit_settings(config), dict[tuple[int, int, int], str]()
    with_clean = bool(config["clean"]) or (config["degrade"] != "none" and not config["mask"])
    checked = []
    for one in found:
        shape = one.shape
        shape = None if shape is None else image_shape(config, shape)
        if one.failure or shape is None or min(shape[:2]) < settings.architecture.min_side:
            checked.append(one)  # reading it will say
            continue
        if shape not in verdicts:
            try:
                if parting.may_be_divided(config, shape):
                    around = parting.may_be_around(config)
                    allowed_memory.check_header(config, shape, around=around)
                else:
                    estimates.check_memory_of_shape(config, shape, with_clean)
                verdicts[shape] = ""
            except InputError as error:
                verdicts[shape] = str(error)
        checked.append(dataclasses.replace(one, failure=verdicts[shape]))
    return checked


def _config_of(one: Found, config: Config) -> Config:
    files = {"image": str(one.path), "page": one.page, "mask": one.mask, "clean": one.clean}
    return {**config, **files}


def _state(one: Found, picture: PictureRun) -> dict[str, Any]:
    """Whether a picture is finished already, or cannot be restored."""
    failure, finished = one.failure, False
    if not failure and (picture.folder / "summary.json").exists():
        try:
            check_workdir(picture.folder, picture.config)
            finished = _finished(picture)
        except InputError as error:
            failure = str(error)
        picture.forget()
    return {"failure": failure, "finished": finished}
