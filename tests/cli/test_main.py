"""The command itself, as its own process: exit status, one line of refusal, signals."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from checkout import ROOT
from PIL import Image
from tiers import first_always

from dip_jax.pictures import samples

TINY = (
    "--config.network.scales=1",
    "--config.network.down=(4,)",
    "--config.network.up=(4,)",
    "--config.sample.side=48",
    "--config.log_every=5",
    "--config.refine=False",
)


def start(*arguments, effort="0"):
    return subprocess.Popen(
        [sys.executable, "-m", "dip_jax.main", *arguments],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "DIP_JAX_COMPILE_EFFORT": effort},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(*arguments, effort="0"):
    process = start(*arguments, effort=effort)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


@pytest.mark.slow
def test_fields_are_overridden_and_the_result_is_named(tmp_path):
    folder = tmp_path / "run"
    status, out, err = command(
        "--config=configs/reconstruct.py:quick",
        f"--workdir={folder}",
        "--config.num_steps=10",
        "--config.damage.share=0.9",
        *TINY,
    )
    assert status == 0, err
    assert "finished: 10 steps" in out and str(folder / "restored.png") in out
    assert "the mask fills 90.0% of the picture" in err
    assert json.loads((folder / "config.json").read_text())["num_steps"] == 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    first_always(
        [
            (
                ("--config=configs/denoise.py", "--config.nmu_steps=5"),
                "no field 'nmu_steps'; did you mean 'num_steps'?",
            ),
            (("--config=configs/denoise.py:fast",), "config.preset is 'fast'"),
            (("--config=configs/denoise.py", "--config.num_steps=many"), "num_steps"),
            (("--config=configs/sharpen.py",), "sharpen"),
            (("--config=configs/denoise.py", "--config.image=no.png"), "no.png"),
            ((), "no configuration"),
            (("--config=configs/denoise.py", "extra"), "unexpected argument 'extra'"),
            (("--config=configs/denoise.py", "--config.image=no/*.png"), "stands for no picture"),
            (("--config=configs/denoise.py", "--distributed=manual"), "--coordinator is ''"),
        ],
        5,
    ),
)
def test_bad_usage_is_one_line_and_a_status(arguments, words, tmp_path):
    status, out, err = command(f"--workdir={tmp_path / 'run'}", *arguments)
    assert status == 2
    lines = [line for line in err.splitlines() if line.startswith("dip_jax: ")]
    assert len(lines) == 1 and words in lines[0]
    assert "Traceback" not in err + out
    assert not (tmp_path / "run").exists()


@pytest.mark.thorough
@pytest.mark.slow
def test_a_folder_with_a_bad_picture_is_restored_and_the_status_says_so(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(samples.sample("coffee", 40).pixels).save(tmp_path / "photos" / "good.png")
    (tmp_path / "photos" / "bad.png").write_bytes(b"no picture")
    status, out, err = command(
        "--config=configs/hole_fill.py:quick",
        f"--config.image={tmp_path / 'photos' / '*.png'}",
        f"--workdir={tmp_path / 'run'}",
        "--config.num_steps=10",
        *TINY,
    )
    assert status == 1, err
    assert "1 of 2 pictures restored, 1 failed" in out and "Traceback" not in err
    assert "[1 of 2] bad: failed" in err and "[2 of 2] good: restored" in err
    assert (tmp_path / "run" / "good" / "restored.png").exists()


@pytest.mark.thorough
@pytest.mark.slow
def test_a_run_all_of_whose_seeds_fail_is_no_bad_input(tmp_path):
    status, _, err = command(
        "--config=configs/denoise.py:quick",
        f"--workdir={tmp_path / 'run'}",
        "--config.stop.criterion=none",
        "--config.learning_rate=1e30",
        "--config.input.scale=1e38",
        "--config.stability.max_failures=1",
        "--config.num_steps=2",
        *TINY,
    )
    assert status == 1 and "Traceback" not in err
    assert err.splitlines()[-1].startswith("dip_jax: the fit fell apart from its first step on")


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM])  # SIGINT: in test_command
def test_a_signal_saves_what_there_is_and_the_same_command_goes_on(number, tmp_path):
    folder = tmp_path / "run"
    steps = "--config.num_steps=300"
    arguments = ("--config=configs/denoise.py:quick", f"--workdir={folder}", steps, *TINY)
    process = start(*arguments, effort="1")  # it makes many steps
    deadline = time.monotonic() + 200
    metrics = folder / "metrics.jsonl"
    # Until step 100, from which on there is a result in any case.
    while not metrics.exists() or len(metrics.read_text().splitlines()) < 21:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert "interrupted" in out and str(folder / "restored.png") in out
    assert (folder / "restored.png").exists()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["stop_reason"] == "interrupted"
    assert summary["steps"] < 300
    status, out, err = command(*arguments, effort="1")
    assert status == 0 and f"going on after step {summary['steps']}" in err
    assert json.loads((folder / "summary.json").read_text())["stop_reason"] != "interrupted"
