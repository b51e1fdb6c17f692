"""Two real processes on this machine, which talk over loopback: the command itself, twice."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from checkout import ROOT
from tiers import first_always

from dip_jax.errors import InputError
from dip_jax.run.joining import join
from dip_jax.run.processes import ALONE
from dip_jax.run.session import _deal

TINY = (
    "--config=configs/denoise.py:quick",
    "--config.network.scales=1",
    "--config.network.down=(4,)",
    "--config.network.up=(4,)",
    "--config.sample.side=40",
    "--config.seeds=4",
    "--config.stop.patience=0",
    "--config.preview_every=0",
    "--config.refine=False",
)
LONG = ("--config.num_steps=200", "--config.log_every=10", "--config.checkpoint_every=50")


_started = []


@pytest.fixture(autouse=True)
def nobody_is_left():
    yield
    while _started:
        process = _started.pop()
        process.kill()
        process.communicate()


def launch(*arguments):
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "DIP_JAX_COMPILE_EFFORT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _started.append(process)
    return process


def start(folder, *arguments):
    return launch("-m", "dip_jax.main", *TINY, f"--workdir={folder}", *arguments)


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def start_two(folder, *arguments):
    shared = ("--distributed=manual", f"--coordinator={free_address()}", "--process_count=2")
    return [start(folder, *arguments, *shared, f"--process_id={i}") for i in (0, 1)]


def outcome(process, seconds=200):
    out, err = process.communicate(timeout=seconds)
    _started.remove(process)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def images_of(folder):
    found = {}
    for path in sorted((folder / "seeds").glob("*/result.npz")):
        with np.load(path) as archive:
            found[path.parent.name] = archive["x"]
    return found


def assert_same_results(folder, other):
    one, two = images_of(folder), images_of(other)
    assert one.keys() == two.keys() == {"0", "1", "2", "3"}
    for seed in one:
        np.testing.assert_array_equal(one[seed], two[seed])
    assert (folder / "restored.png").read_bytes() == (other / "restored.png").read_bytes()
    first, second = (json.loads((f / "summary.json").read_text()) for f in (folder, other))
    for name in ("seeds", "steps", "metrics", "stop_reason", "failed"):
        assert first[name] == second[name]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    status, _, err = outcome(start(folder, *LONG))
    assert status == 0, err
    return folder


@pytest.mark.thorough
@pytest.mark.slow
def test_two_processes_give_the_results_of_one(tmp_path, alone):
    two = start_two(tmp_path / "two", *LONG)
    for status, out, err in map(outcome, two):
        assert status == 0, err
        assert "mean of 4 seeds" in out
    assert_same_results(tmp_path / "two", alone)
    rows = (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()
    assert rows == sorted(rows, key=lambda row: json.loads(row)["seed"]) and len(rows) == 4 * 21


def kept(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("seeds/*/result.npz")}


@pytest.mark.thorough
@pytest.mark.slow
def test_one_of_two_is_killed_and_the_job_goes_on_with_the_finished_lanes_kept(tmp_path, alone):
    folder = tmp_path / "two"
    first, second = start_two(folder, *LONG, "--lost_after=5")
    deadline = time.monotonic() + 200
    # Until the second process has finished one of its two seeds and is in the midst of the other.
    while not list(folder.glob("seeds/1/result.npz")) or not list(folder.glob("seeds/3/metrics*")):
        assert time.monotonic() < deadline and second.poll() is None
        time.sleep(0.05)
    second.kill()
    second.communicate()
    _started.remove(second)
    assert second.returncode == -signal.SIGKILL
    status, out, err = outcome(first)
    assert status == 3, out + err
    assert "process 1 no longer answers" in err
    before = kept(folder)
    assert before and len(before) < 4
    for status, _, err in map(outcome, start_two(folder, *LONG)):
        assert status == 0, err
        assert f"{len(before)} of 4 seeds are finished" in err
    after = kept(folder)
    assert len(after) == 4 and before.items() <= after.items()
    assert_same_results(folder, alone)


LEAVING = """
import atexit, os, sys, time
from dip_jax.run.joining import join
address, index, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with join("manual", address, 2, index, silence=4.0) as mates:
    mates.gather("here", index)
    if index == 1 and how == "late":  # runs before JAX's own clean-up, which takes the leave
        atexit.register(time.sleep, 2.0)
    if index == 1 and how == "killed":
        atexit.register(os.kill, os.getpid(), 9)
    if index == 0 and how == "after a failure":
        sys.exit("failed")
    if index == 1 and how == "after a failure":
        time.sleep(2.0)
"""


@pytest.mark.parametrize(
    ("how", "first", "second"),
    first_always([("late", 0, 0), ("killed", 0, -signal.SIGKILL), ("after a failure", 1, 0)]),
)
def test_the_first_process_stays_until_the_other_has_left(how, first, second):
    address = free_address()
    processes = [launch("-c", LEAVING, address, index, how) for index in ("0", "1")]
    outcomes = [outcome(process, 60) for process in processes]
    assert [status for status, _, _ in outcomes] == [first, second], outcomes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("manual", "", 2, 0), "--coordinator is ''"),
        (("manual", "127.0.0.1", 2, 0), "host:port"),
        (("manual", "127.0.0.1:8476", 0, 0), "--process_count is missing"),
        (("manual", "127.0.0.1:8476", 2), "--process_id is missing"),
        (("manual", "127.0.0.1:8476", 2, 2), "--process_id is 2, expected a number from 0 to 1"),
        (("off", "127.0.0.1:8476", 2, 0), "are for --distributed=manual"),
        (("auto", "", 0, 1), "are for --distributed=manual"),
    ],
)
def test_what_manual_needs_is_asked_for_in_one_line(arguments, words):
    with pytest.raises(InputError, match=words) as refused:
        join(*arguments)
    assert "\n" not in str(refused.value)


def test_off_joins_nobody():
    assert join("off") is ALONE


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
@pytest.mark.parametrize("counts", [[5], [1] * 9, [2, 0, 2, 1], [0, 0], [8, 1]])
def test_every_lane_has_one_owner_and_none_has_much_more_than_another(counts, processes):
    owners = _deal(counts, processes)
    assert [len(owner) for owner in owners] == counts
    flat = [owner for one in owners for owner in one]
    assert set(flat) <= set(range(processes))
    if sum(count > 0 for count in counts) < processes:
        loads = [flat.count(process) for process in range(processes)]
        assert max(loads) - min(loads) <= 1
    else:
        assert all(len(set(owner)) <= 1 for owner in owners)
