"""Timings of the command itself, as a person waits for it: to the first step, and to the end."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.speed.plan import PICTURE, has_precision

_ROOT = Path(__file__).parents[2]


def start_up(warm_runs: int = 2, limit: float = 300.0) -> dict[str, Any]:
    """Seconds from the start of a process to the first logged step of the default denoising.

    That is more than to the first step: the figures of the log, which have a program of their own,
    are in it as well.

    Args:
        warm_runs: how often to repeat it with the compiled programs of the first run.
        limit: seconds after which a run is given up.

    Returns:
        "cold", and "warm", a list.
    """
    with tempfile.TemporaryDirectory() as folder:
        seconds = [
            _to_first_step(Path(folder), Path(folder, f"run{i}"), limit)
            for i in range(1 + warm_runs)
        ]
    return {"cold": seconds[0], "warm": seconds[1:]}


def _to_first_step(folder: Path, work: Path, limit: float) -> float:
    begin = time.perf_counter()
    process = _start(folder, work, "configs/denoise.py")
    try:
        log = work / "metrics.jsonl"
        while not (log.exists() and log.read_bytes()):
            if process.poll() is not None or time.perf_counter() - begin > limit:
                raise RuntimeError(f"{work.name}: no first step, exit status {process.poll()}")
            time.sleep(0.02)
        return time.perf_counter() - begin
    finally:
        for number in (signal.SIGTERM, signal.SIGTERM):  # the second one does not wait
            if process.poll() is None:
                process.send_signal(number)
                time.sleep(0.2)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def self_stopped(side: int = 512) -> dict[str, dict[str, float]]:
    """A denoising with the published network that stops by itself, with compiled programs cached.

    Returns:
        By precision: "seconds" of the whole command, "fit_seconds" of the fit in it, "steps", and
        "psnr" in dB of the result against the clean picture.
    """
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("float32", "tf32", "bfloat16") if has_precision() else ("float32",):
            options = [
                f"--config.sample.name={PICTURE}",
                f"--config.sample.side={side}",
                "--config.stop.patience=200",
                "--config.preview_every=0",
            ]
            options += [f"--config.precision={precision}"] if has_precision() else []
            for run in range(2):
                work = Path(folder, f"{precision}{run}")
                begin = time.perf_counter()
                process = _start(Path(folder), work, "configs/denoise.py:paper", *options)
                if process.wait():
                    raise RuntimeError(f"the command ended with status {process.returncode}")
                seconds = time.perf_counter() - begin
            summary = json.loads((work / "summary.json").read_text())
            found[precision] = {
                "seconds": seconds,
                "fit_seconds": summary["seconds"],
                "steps": summary["steps"],
                "psnr": summary["metrics"]["restored"]["psnr_true"],
            }
    return found


def _start(folder: Path, work: Path, config: str, *options: str) -> subprocess.Popen:
    """Starts the command, with compiled programs kept in `folder`, as they are for a person."""
    command = [sys.executable, "-m", "dip_jax.main", f"--config={config}", f"--workdir={work}"]
    # With a cache of its own, JAX would keep less of a program than the command does.
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    return subprocess.Popen(
        [*command, *options],
        cwd=_ROOT,
        env=environment | {"XDG_CACHE_HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
