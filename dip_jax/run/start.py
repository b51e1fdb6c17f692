"""One picture or many: decided here, and nowhere else."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from dip_jax.report.progress import Progress
from dip_jax.run.inputs import Given
from dip_jax.run.listing import is_many
from dip_jax.run.many import run_folder
from dip_jax.run.one import run
from dip_jax.run.processes import ALONE, Processes
from dip_jax.settings.tasks import Config


def start(
    config: Config,
    workdir: str | os.PathLike[str],
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
    processes: Processes = ALONE,
    command: Sequence[str] = (),
    given: Sequence[Given] = (),
    on_restored: Callable[[int, NDArray[Any]], None] | None = None,
) -> dict[str, Any]:
    """Restores what a configuration names, or goes on with it, and gives its summary.

    Args:
        config: as `tasks.defaults` gives it.
        workdir: as the rest, of `one.run` and `many.run_folder`.
        progress: shows what is going on.
        should_stop: asked at every logged step; True saves what there is and ends the run.
        processes: those that share the work; all are given the same configuration and folder.
        command: what was run, as its words; the reports show it.
        given: the pictures, where they have been read; one for each.
        on_restored: called at the end with the place and the restored pixels of each picture that
            has some; only those of an earlier session are read from the disk.

    Returns:
        What `summary.json` holds: with `pictures` if there are many, by `many.run_folder`; else by
        `one.run`. `words.last_words` tells it.

    Raises:
        InputError: as the two do.
    """
    go = run_folder if is_many(config["image"], config["page"]) else run
    return go(config, workdir, progress, should_stop, processes, command, given, on_restored)
