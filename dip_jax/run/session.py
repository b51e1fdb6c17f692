"""One session of a run: its lanes are divided over the processes, fitted, and reported."""

from collections.abc import Sequence

from dip_jax.lanes.jobs import LaterJob
from dip_jax.lanes.loop import fit_lanes
from dip_jax.run.picture_run import PictureRun
from dip_jax.run.processes import Processes
from dip_jax.run.seed_folder import Overall
from dip_jax.settings import build
from dip_jax.settings.tasks import Config


def restore_pictures(
    pictures: Sequence[PictureRun], config: Config, overall: Overall, processes: Processes
) -> None:
    """Fits all seeds of all pictures, and reports on each picture once its last seed has ended.

    The lanes are divided over the processes. A picture whose lanes are all one process' own is
    reported by that one at once, the others by the first process when all have ended.

    Args:
        pictures: those that are not finished; the same in every process.
        config: what they have in common: all but the files.
        overall: the steps of all of them together.
        processes: those that share the work.
    """
    for picture in pictures:
        picture.look()
    todo = processes.share("lanes", lambda: [picture.unfinished() for picture in pictures])
    owners = _deal([len(lanes) for lanes in todo], processes.count)
    jobs: list[LaterJob] = []
    for picture, lanes, owner in zip(pictures, todo, owners, strict=True):
        jobs += picture.later_jobs(lanes, owner, processes.index)
    progress = overall.progress
    lanes_of_all = [lane for picture in pictures for lane in picture.lanes]
    overall.start(sum(lane.num_steps for lane in lanes_of_all))
    try:
        fit_lanes(
            jobs,
            **build.fitting(config),
            preview_every=config["preview_every"],
            checkpoint_every=config["checkpoint_every"],
            say=progress.message,
        )
        for picture in pictures:  # interrupted, or killed before its report
            if picture.owned and not picture.has_ended:
                picture.finish()
        if len(lanes_of_all) > 1:  # alone, it is told at which step it has stopped
            overall.catch_up()
    finally:
        for picture in pictures:
            picture.close()
        progress.stop()
    if processes.count == 1:
        return
    for told in processes.gather("fitted", [picture.outcome() for picture in pictures]):
        for picture, outcome in zip(pictures, told, strict=True):
            picture.hear(outcome)
    if processes.index == 0:
        for picture in pictures:
            if not picture.has_ended:
                picture.finish()
    outcomes = processes.share("reported", lambda: [picture.outcome() for picture in pictures])
    for picture, outcome in zip(pictures, outcomes, strict=True):
        picture.hear(outcome)


def _deal(counts: Sequence[int], processes: int) -> list[list[int]]:
    """Which process fits which lane: whole pictures in turn while there are enough, else seeds.

    Args:
        counts: the lanes of every picture.
        processes: their number.

    Returns:
        The process of every lane of every picture.
    """
    whole = sum(count > 0 for count in counts) >= processes
    owners, turn = [], 0
    for count in counts:
        if whole:
            owners.append([turn % processes] * count)
            turn += count > 0
        else:
            owners.append([(turn + i) % processes for i in range(count)])
            turn += count
    return owners
