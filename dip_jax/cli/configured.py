"""The words of `dip-jax run`: which configuration it is given, its help, and what is wrong."""

import difflib
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dip_jax.cli.commands import COMMANDS
from dip_jax.errors import CONFIGURATION, Words
from dip_jax.settings import fields, tasks

EXAMPLE = "dip-jax run hole_fill"
_FILE = Path(tasks.__file__).with_name("configuration.py")

_TASKS = textwrap.fill(", ".join(tasks.DOORS), 80, initial_indent="  ", subsequent_indent="  ")
_ABOUT = f"""usage: dip-jax run TASK[:PRESET] [--config.FIELD=VALUE ...] [--workdir=DIR]

Runs an experiment and keeps everything in a work directory: the restored
picture, the curves, a report, checkpoints. Without --config.image it damages
and restores a sample photograph. The same command goes on where an interrupted
run ended.

tasks:
{_TASKS}

presets:
  none                  a good result on a laptop
  draft                 a quick look
  quick                 a smoke run on a small sample
  paper                 the published settings, for an accelerator

options:
  --config.FIELD=VALUE  any field of the configuration;
                        'dip-jax run TASK --help' lists them
  --workdir=DIR         the work directory. Default: one under runs/
  --distributed=WAY     share the work among processes that all see the work
                        directory: off, auto (Slurm, TPU pods, Kubernetes), or
                        manual with the next three
  --coordinator=HOST:PORT
                        of the first process
  --process_count=N     how many processes there are
  --process_id=N        which of them this is, from 0
  --lost_after=SECONDS  give up another process after this long without a sign
                        of life. Default: 60

examples:
  dip-jax run denoise
  dip-jax run deblur --config.sample.name=coffee --config.seeds=4
  dip-jax run denoise --config.image=noisy.png --config.degrade=none
  dip-jax run hole_fill:draft --config.image=photo.png --config.mask=mask.png

exit codes:
  0    all is restored
  1    some pictures or seeds failed
  2    something given cannot be used
  3    another process of the job was lost
  130  interrupted; the same command goes on
"""


def _setting(name: str, value: Any) -> str:
    if name == "preset":
        return f"dip-jax run TASK:{value}"
    return CONFIGURATION.setting(name, value)


RUN = Words(field=CONFIGURATION.field, setting=_setting, workdir=CONFIGURATION.workdir)


def is_help(words: Sequence[str]) -> bool:
    """Whether help is asked for."""
    return any(word in ("-h", "-help", "--help", "--helpfull") for word in words)


def help_text(words: Sequence[str]) -> str:
    """The help of `dip-jax run`, or of one of its tasks: the fields of its configuration.

    Args:
        words: what follows `run`.
    """
    task, _, preset = (words[0] if words else "").partition(":")
    if _task(task) is None or preset not in tasks.PRESETS:
        return _ABOUT
    from dip_jax.settings import meanings  # here, because it imports JAX

    known = fields.fields(tasks.defaults(str(_task(task)), preset))
    lines = [
        f"usage: dip-jax run {words[0]} [--config.FIELD=VALUE ...] [--workdir=DIR]",
        "",
        "The fields of the configuration, and their values. 'dip-jax run --help' has",
        "the rest.",
        "",
    ]
    for name, value in known.items():
        if name not in ("task", "preset"):
            words = meanings.MEANINGS[name]
            if allowed := meanings.allowed(name):
                words += f" Allowed: {allowed}."
            lines += [f"  {name} = {value!r}", textwrap.indent(textwrap.fill(words, 74), " " * 6)]
    return "\n".join(lines) + "\n"


def flag_of(words: Sequence[str]) -> str | None:
    """The flag `--config` that the first word stands for; None if it is no task.

    Args:
        words: what follows `run`.
    """
    name, _, preset = (words[0] if words else "").partition(":")
    task = _task(name)
    if task is None:
        return None
    return f"--config={_FILE}:{task}" + (f":{preset}" if preset else "")


def _task(name: str) -> str | None:
    """A task of that name: that of its configuration, or that of its command."""
    if name in COMMANDS:
        return COMMANDS[name][0]
    return name if name in tasks.DOORS else None


def wrong(words: Sequence[str]) -> str:
    """What to say if the first word is no task."""
    known = ", ".join(tasks.DOORS)
    word = words[0] if words else ""
    if not word or word.startswith("-"):
        return f"say TASK after 'run' ({known}), as in '{EXAMPLE}'"
    if os.path.exists(word) or Path(word).suffix:
        hint = f"a picture is given as --config.image={word}, after TASK"
        if Path(word.partition(":")[0]).suffix == ".py":
            hint = f"for a configuration file say 'python -m dip_jax.main --config={word}'"
        return f"{word!r} is no task (TASK is one of {known}); {hint}"
    name, colon, preset = word.partition(":")
    near = difflib.get_close_matches(name.lower().replace("-", "_"), tasks.DOORS, n=1)
    hint = f"; did you mean {near[0]}{colon}{preset}?" if near else ""
    return f"{name!r} is no task (TASK is one of {known}){hint}"
