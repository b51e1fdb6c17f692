"""Programs that are timed in turns, each in a process of its own.

Two frameworks in one process would share its threads and its memory, and the second to be measured
would find the machine warm. So each is a worker that rests while the others have their turn, and is
asked by a line of JSON on its input to answer by one on its output.
Every worker has the same cores and the same settings of the C library's memory.

A worker is `python -m benchmarks.<module>`, whose `main` calls `serve`.
"""

import contextlib
import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from dip_jax.cli import startup

Message = dict[str, Any]


class Lost(Exception):
    """A worker has ended, or could not do what it was asked to."""


class Worker:
    """The asking side of a worker."""

    def __init__(self, module: str, variant: Mapping[str, Any], threads: int, cache: str) -> None:
        """Starts it.

        Args:
            module: of `benchmarks`.
            variant: what it is to be; the worker's first line.
            threads: how many cores it may use.
            cache: a folder for the programs that PyTorch compiles, empty when the run begins.
        """
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "passive",  # who rests must not keep a core busy
            "KMP_BLOCKTIME": "0",
            "TORCHINDUCTOR_CACHE_DIR": cache,
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # the others need the device's memory too
        }
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=startup.huge_pages(environment),
        )
        self._send({"cores": sorted(os.sched_getaffinity(0))[:threads], **variant})
        self.described = self._receive()

    def ask(self, do: str, **details: Any) -> Message:
        """Asks for something and waits for the answer.

        Raises:
            Lost: if the worker ended or could not do it; the message says why.
        """
        self._send({"do": do, **details})
        return self._receive()

    def close(self) -> None:
        """Ends it."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, message: Message) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Lost(self._end()) from error

    def _receive(self) -> Message:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Lost(self._end())
        answer = json.loads(line)
        if "error" in answer:
            raise Lost(answer["error"])
        return answer

    def _end(self) -> str:
        code = self._process.wait()
        return f"its process ended ({code})" + (": out of memory?" if code == -9 else "")


class Pipe:
    """The answering side: requests in, answers out; and what the worker's rest cost."""

    def __init__(self, requests: TextIO, answers: TextIO) -> None:
        self._requests, self._answers = requests, answers
        self._rest = self._rest_busy = 0.0

    def receive(self) -> Message | None:
        """The next request; None when there are no more."""
        begin, busy = time.perf_counter(), time.process_time()
        line = self._requests.readline()
        self._rest += time.perf_counter() - begin
        self._rest_busy += time.process_time() - busy
        return json.loads(line) if line else None

    def answer(self, **message: Any) -> None:
        self._answers.write(json.dumps(message) + "\n")
        self._answers.flush()

    @property
    def busy_at_rest(self) -> float:
        """Cores that it kept busy while it waited; near 0 for one that leaves the others alone."""
        return self._rest_busy / max(self._rest, 1e-9)


def serve(main: Callable[[Pipe, Message], None]) -> None:
    """Runs the answering side in this process; to be called before anything large is imported.

    Args:
        main: `main(pipe, variant)` answers the variant and then every request, until there are no
            more.
    """
    requests = os.fdopen(os.dup(0), "r")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the frameworks print is no answer
    pipe = Pipe(requests, answers)
    variant = pipe.receive()
    if variant is None:
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, variant["cores"])
    with contextlib.suppress(OSError):  # when memory ends, the worker shall end and not the run
        Path("/proc/self/oom_score_adj").write_text("1000")
    startup.keep_freed_memory()
    main(pipe, variant)


def forget_peak() -> None:
    """Gives freed memory back to the system, and begins to measure the highest use anew."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int | None:
    """The most memory that this process has held since `forget_peak`; None if unknown."""
    return _status("VmHWM")


def available_bytes() -> int | None:
    """The memory that is free on this machine; None if unknown."""
    return _kilobytes(Path("/proc/meminfo"), "MemAvailable")


def _status(name: str) -> int | None:
    return _kilobytes(Path("/proc/self/status"), name)


def _kilobytes(path: Path, name: str) -> int | None:
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return None


def best_rate(
    operations: float, run: Callable[[], Any], repeats: Iterable[int] = range(6)
) -> float:
    """The highest rate of several runs, in operations per second; the first one only warms up."""
    run()
    seconds = []
    for _ in repeats:
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return operations / min(seconds)
