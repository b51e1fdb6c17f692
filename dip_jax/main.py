"""The command line: `python -m dip_jax.main --config=configs/hole_fill.py`.

`dip-jax run hole_fill` is the same, with the configurations that come with the package. This file
is intentionally kept short: flags, signals, one call. The exit status is 0 if all is restored, 1 if
some pictures or seeds failed, 2 if the input cannot be used, 3 if another process of the job was
lost, and 130 if it was interrupted.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from dip_jax.cli import causes, configured, startup
from dip_jax.cli.signals import INTERRUPTED, Stopping, ending_at_once
from dip_jax.errors import speaking
from dip_jax.report.streams import let_go, tell, tell_error

startup.prepare_memory(restart=__name__ == "__main__")  # before JAX takes memory

_RUN = ["dip-jax", "run"]
_ENDED = "ended at once; the same command goes on from the last checkpoint, if there is one"

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Work directory; by default runs/<task>, with the preset, name and seed."
)
_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Configuration: configs/<task>.py, or with a preset configs/<task>.py:quick."
)
_DISTRIBUTED = flags.DEFINE_enum(
    "distributed",
    "off",
    ["off", "auto", "manual"],
    "Share the work among processes that all see the work directory: auto on Slurm, TPU pods and "
    "Kubernetes, manual with the three flags below.",
)
_COORDINATOR = flags.DEFINE_string("coordinator", "", "host:port of the first process, for manual.")
_PROCESS_COUNT = flags.DEFINE_integer("process_count", 0, "How many processes, for manual.")
_LOST_AFTER = flags.DEFINE_float(
    "lost_after",
    60.0,
    "Give up another process after this long without a sign of life, in seconds.",
)
_PROCESS_ID = flags.DEFINE_integer("process_id", -1, "Which of them this is, from 0, for manual.")


def main(argv: list[str]) -> int:
    try:
        return _run(argv)
    except KeyboardInterrupt:
        tell_error(_ENDED)
        return INTERRUPTED


def _run(argv: list[str]) -> int:
    with ending_at_once(_ENDED):
        from dip_jax.errors import FitError, InputError, Interrupted
        from dip_jax.report.progress import make_progress
        from dip_jax.run import joining, processes
        from dip_jax.run.start import start
        from dip_jax.run.words import last_words

    startup.keep_compiled_programs()
    # Orbax, JAX and Matplotlib log in lines that would tear up the progress display.
    for name in ("absl", "jax", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if argv[1:]:
        return _refuse(causes.misplaced(argv[1]))
    if _CONFIG.value is None:
        return _refuse(f"no configuration: say which, for example --config={causes.EXAMPLE}")
    overridden = config_flags.get_override_values(flags.FLAGS["config"])
    example = configured.EXAMPLE if sys.argv[:2] == _RUN else f"--config={causes.EXAMPLE}"
    if words := causes.not_to_be_set(overridden, example):
        return _refuse(words)
    config = _CONFIG.value.to_dict()
    workdir = _WORKDIR.value or _default_workdir(config)
    progress = make_progress(config["task"])
    try:
        with joining.join(
            _DISTRIBUTED.value,
            _COORDINATOR.value,
            _PROCESS_COUNT.value,
            _PROCESS_ID.value,
            _LOST_AFTER.value,
        ) as mates:
            words = "stopping at the next logged step, and saving"
            with Stopping(words, _ENDED) as stopping, progress:
                is_run = sys.argv[:2] == _RUN
                command = sys.argv if is_run else ["python", "-m", "dip_jax.main", *sys.argv[1:]]
                summary = start(config, workdir, progress, mates.stopping(stopping), mates, command)
    except Interrupted as error:
        return _refuse(str(error), INTERRUPTED)
    except InputError as error:
        return _refuse(str(error), 1 if isinstance(error, FitError) else 2)
    except OSError as error:  # a full disk, a file system that is gone
        tell_error(f"dip_jax: {error}: what was saved before is kept")
        return 1
    except processes.Lost as error:
        tell_error(f"dip_jax: {error}")
        return 3
    tell(last_words(summary, workdir))
    if summary["stop_reason"] == "interrupted":
        return INTERRUPTED
    return 1 if summary["failed"] else 0


def _default_workdir(config: dict) -> Path:
    from dip_jax.run import listing

    name = config["sample"]["name"]
    if config["image"]:
        name = listing.title(config["image"], config["page"])
    seeds = f"{config['seeds']}seeds" if config["seeds"] > 1 else ""
    parts = [config["task"], config["preset"], name, f"seed{config['seed']}", seeds]
    return Path("runs") / "-".join(part for part in parts if part)


def _refuse(message: str, status: int = 2) -> int:
    name = "dip-jax" if sys.argv[:2] == _RUN else "dip_jax"
    tell_error(f"{name}: {' '.join(message.split())}")
    return status


def run_task(words: Sequence[str]) -> int:
    """`dip-jax run`: the configuration of a task that comes with the package.

    It gives the exit status where nothing is run, and else ends by `SystemExit`.

    Args:
        words: what follows `run`.
    """
    if configured.is_help(words):
        tell(configured.help_text(words))
        return 0
    sys.argv = [*_RUN, *words]  # where ml_collections looks for the fields that are set
    flag = configured.flag_of(words)
    if flag is None:
        return _refuse(configured.wrong(words))
    try:
        with speaking(configured.RUN):
            app.run(main, argv=["dip-jax run", flag, *words[1:]], flags_parser=_parse)
    finally:
        let_go()
    return 0  # app.run ends by SystemExit


def _parse(argv: list[str]) -> list[str]:
    """Absl's parser, with what it raises turned into one line."""
    try:
        rest = flags.FLAGS(argv)
        if _CONFIG.value is not None:
            _CONFIG.value.to_dict()  # a file that could not be loaded is only found out here
        return rest
    except Exception as error:  # a configuration is a program and may raise anything
        raise SystemExit(_refuse(causes.cause(error, argv))) from None


if __name__ == "__main__":
    try:
        app.run(main, flags_parser=_parse)
    finally:
        let_go()
