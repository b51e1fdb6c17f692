"""4 megapixels of noise in tiles: in one go, killed and resumed, and by two processes.

The section `denoise` of `benchmarks.large`.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_KILLED_AFTER = 8  # tiles


class _Process:
    """A process of the run, whose memory is measured."""

    def __init__(self, folder: Path, image: Path, *more: str) -> None:
        words = [
            *(sys.executable, "-m", "dip_jax.main", "--config=configs/denoise.py:draft"),
            *(f"--config.image={image}", "--config.degrade=none", f"--workdir={folder}", *more),
        ]
        folder.parent.mkdir(parents=True, exist_ok=True)
        number = more[-1][-1] if more else ""
        self._log = (folder.parent / f"{folder.name}{number}.log").open("a")
        self._begin = time.perf_counter()
        self.process = subprocess.Popen(words, stdout=self._log, stderr=subprocess.STDOUT)

    def end(self, status: int = 0) -> dict[str, Any]:
        """Waits for it; its seconds and its largest memory."""
        _, ended, used = os.wait4(self.process.pid, 0)
        self._log.close()
        if os.waitstatus_to_exitcode(ended) != status:
            raise SystemExit(Path(self._log.name).read_text()[-2000:])
        seconds = time.perf_counter() - self._begin
        return {"seconds": seconds, "gigabytes": used.ru_maxrss / 1e6}


def _finished(folder: Path) -> int:
    """How many tiles have a result."""
    return len(list(folder.glob("parts/*/part.npz")))


def _killed_and_resumed(folder: Path, image: Path) -> dict[str, Any]:
    first = _Process(folder, image)
    while (made := _finished(folder)) < _KILLED_AFTER:
        if first.process.poll() is not None:
            raise SystemExit(f"{folder}: it ended before it was killed")
        time.sleep(0.2)
    first.process.send_signal(signal.SIGKILL)
    before = first.end(-signal.SIGKILL)
    after = _Process(folder, image).end()
    return {
        "seconds": before["seconds"] + after["seconds"],
        "gigabytes": max(before["gigabytes"], after["gigabytes"]),
        "killed_after": made,
    }


def _by_two(folder: Path, image: Path) -> dict[str, Any]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = ("--distributed=manual", f"--coordinator=127.0.0.1:{port}", "--process_count=2")
    both = [_Process(folder, image, *shared, f"--process_id={i}") for i in range(2)]
    ended = [one.end() for one in both]
    return {
        "seconds": max(one["seconds"] for one in ended),
        "gigabytes": max(one["gigabytes"] for one in ended),
    }


def measured(clean: NDArray[np.uint8], folder: Path) -> dict[str, Any]:
    """The three runs, whether their results are the same to the bit, and how good they are.

    Args:
        clean: a picture, to which noise of sigma 25 of 255 is added.
        folder: where the runs go, and stay.
    """
    noise = 25 * np.random.default_rng(0).standard_normal(clean.shape)
    noisy = np.rint(np.clip(clean + noise, 0, 255)).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / "noisy.tif"
    Image.fromarray(noisy).save(image)
    ways = {
        "in one go": _Process(folder / "one", image).end(),
        "killed, and resumed": _killed_and_resumed(folder / "killed", image),
        "two processes": _by_two(folder / "two", image),
    }
    results = [
        np.asarray(Image.open(folder / n / "restored.tif")) for n in ("one", "killed", "two")
    ]
    return {
        "shape": clean.shape[:2],
        "tiles": _finished(folder / "one"),
        "ways": ways,
        "same": [bool(np.array_equal(results[0], result)) for result in results],
        "psnr": [psnr(result, clean) for result in results],
        "degraded": psnr(noisy, clean),
    }


def psnr(x: NDArray[Any], clean: NDArray[Any]) -> float:
    """In dB, of values from 0 to 255."""
    return float(-10 * np.log10(np.mean((x.astype(float) - clean) ** 2) / 255**2))
