"""A run that is killed again and again, also inside a checkpoint write, ends as if it had not been.

The processes are forked from one that has imported everything already, so that each starts quickly.
"""

import importlib.util
import io
import json
import multiprocessing
import os
import random
import signal
import time

import pytest

from dip_jax.settings import tasks

KILLS = 12
PRELOADED = (
    "dip_jax.run.one",
    "dip_jax.report.progress",
    "dip_jax.report.html.page",  # this one and what follows are imported when they are first needed
    "dip_jax.report.plots",
    "skimage.data",
)


def configuration():
    config = tasks.defaults("hole_fill")
    config["network"] |= {"scales": 1, "down": (4,), "up": (4,)}
    config["sample"]["side"] = 48
    config["stop"]["patience"] = 0
    return config | {
        "num_steps": 400,
        "log_every": 7,
        "preview_every": 50,
        "checkpoint_every": 10,
        "refine": False,
    }


def restore_it(folder):
    from dip_jax.report.progress import PlainProgress
    from dip_jax.run.one import run

    run(configuration(), folder, PlainProgress("test", io.StringIO()))


def start(folder):
    context = multiprocessing.get_context("forkserver")
    assert all(importlib.util.find_spec(name) for name in PRELOADED)  # else it would be slow
    context.set_forkserver_preload(list(PRELOADED))
    process = context.Process(target=restore_it, args=(folder,))
    process.start()
    return process


def being_written(folder):
    """Whether a checkpoint is being written at this moment."""
    checkpoints = folder / "checkpoints"
    return checkpoints.exists() and any("tmp" in name for name in os.listdir(checkpoints))


def logged(folder):
    path = folder / "metrics.jsonl"
    return path.stat().st_size if path.exists() else 0


def wait(process, until):
    deadline = time.monotonic() + 120
    while process.is_alive() and not until():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def result(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"]
    summary = json.loads((folder / "summary.json").read_text())
    same = ("steps", "chosen_step", "chosen_image", "stop_reason", "oracle", "metrics")
    pictures = {p.name: p.read_bytes() for p in sorted((folder / "preview").iterdir())}
    return (
        rows,
        {name: summary[name] for name in same},
        (folder / "restored.png").read_bytes(),
        pictures,
    )


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_dozen_kills_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DIP_JAX_COMPILE_EFFORT", "1")  # it makes many steps
    whole = start(tmp_path / "whole")
    whole.join(240)
    assert whole.exitcode == 0

    rng, folder, inside = random.Random(0), tmp_path / "killed", 0
    for attempt in range(KILLS):
        process = start(folder)
        before = logged(folder)
        if attempt < 4:  # somewhere in its start
            time.sleep(rng.uniform(0, 2))
        elif attempt % 2:  # while it writes a checkpoint
            wait(process, lambda: being_written(folder))
            time.sleep(rng.uniform(0, 0.02))
        else:  # somewhere in its steps
            wait(process, lambda seen=before: logged(folder) != seen)
            time.sleep(rng.uniform(0, 0.3))
        inside += being_written(folder)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL, "the run was over too soon to be killed"
    assert inside >= 3

    last = start(folder)
    last.join(240)
    assert last.exitcode == 0
    assert result(folder) == result(tmp_path / "whole")
