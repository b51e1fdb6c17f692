"""A run: a configuration becomes a work directory with the restored picture and the figures.

    read, or damage a sample -> observe -> restore -> composite with the known pixels -> write,
    report

Everything that can be wrong with the input is found before the first file is written.
"""

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dip_jax.errors import FitError, Interrupted
from dip_jax.lanes import our_jax
from dip_jax.report.progress import Progress
from dip_jax.run.inputs import Given
from dip_jax.run.parted import read, run_in_parts
from dip_jax.run.picture_run import PictureRun
from dip_jax.run.processes import ALONE, Processes
from dip_jax.run.seed_folder import Overall
from dip_jax.run.session import restore_pictures
from dip_jax.run.workdir import as_begun, check_workdir, make_workdir
from dip_jax.settings.tasks import Config


@our_jax.as_needed()
def run(
    config: Config,
    workdir: str | os.PathLike[str],
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
    processes: Processes = ALONE,
    command: Sequence[str] = (),
    given: Sequence[Given] = (),
    on_restored: Callable[[int, NDArray[Any]], None] | None = None,
) -> dict[str, Any]:
    """Runs one restoration, or goes on with it, and gives its summary.

    Args:
        config: as `tasks.defaults` gives it.
        workdir: the work directory; new, empty, or that of the same run to go on with.
        progress: shows what is going on.
        should_stop: asked at every logged step; True saves what there is and ends the run.
        processes: those that share the work; all are given the same configuration and folder.
        command: what was run, as its words; the report shows it.
        given: the picture, where it has been read.
        on_restored: called at the end with the picture's place, 0, and its restored pixels.

    Raises:
        InputError: if something given cannot be used, and nothing has been written then.
        FitError: if every seed failed.
        Interrupted: if it was asked to end before any seed had a usable picture.
    """
    folder = Path(workdir)
    config = as_begun(folder, config)
    job, division = read(config, given[0] if given else None)
    if division is not None:
        return run_in_parts(
            config,
            folder,
            job,
            division,
            progress,
            should_stop,
            processes,
            command,
            None if on_restored is None else functools.partial(on_restored, 0),
        )
    overall = Overall(progress)
    picture = PictureRun(
        config,
        folder,
        overall,
        should_stop,
        command=command,
        keep=on_restored is not None,
        job=job,
    )
    picture.load()
    begun = check_workdir(picture.folder, config)
    picture.summary = processes.share("finished", picture.finished_summary)
    if picture.summary:
        reason = picture.summary["stop_reason"]
        progress.message(f"{picture.folder} holds this run, finished ({reason}): nothing to do")
    else:
        for line in picture.remarks():
            progress.message(line)
        if processes.index == 0:
            make_workdir(picture.folder, config)
        processes.meet("config.json", picture.folder)
        if begun:
            progress.message(picture.what_is_there())
        restore_pictures([picture], config, overall, processes)
    if picture.summary is None:
        if picture.failure:
            raise FitError(picture.failure)
        raise Interrupted(
            "interrupted before there was a usable picture: no result was written, and the same "
            "command goes on"
        )
    if on_restored is not None and (pixels := picture.restored()) is not None:
        on_restored(0, pixels)
    return picture.summary
