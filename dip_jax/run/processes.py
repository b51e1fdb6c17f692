"""Processes that share the lanes of one run, on one machine or on many, by `jax.distributed`.

They have nothing to say to each other while they fit: every lane belongs to one process and its
devices. They meet at the start, to divide the lanes, and at the end, to report. What they find goes
to one work directory, on a file system that all of them see.

All that they tell each other goes through the key-value store of JAX's coordination service, which
the first process runs. A thread looks at it every second, so a process that failed, was told to
stop, or no longer answers is known to the others at their next logged step.
"""

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from dip_jax.errors import WORKDIR, InputError

T = TypeVar("T")

_SILENCE = 60.0  # seconds without a sign of life
_BEAT = 1.0
_FAREWELL = 5.0  # seconds in which the others leave, after a failure


class Processes:
    """This process and the others; alone, every method has an immediate answer.

    Attributes:
        index: of this process, from 0.
        count: of all.
    """

    index = 0
    count = 1

    def share(self, name: str, make: Callable[[], T]) -> T:
        """What the first process makes, as JSON, in all; an `InputError` of it is raised in all."""
        del name
        return make()

    def gather(self, name: str, value: T) -> list[T]:
        """The values of all processes, which all come here, as JSON."""
        del name
        return [value]

    def meet(self, name: str, folder: Path) -> None:
        """Waits for all, and makes sure that they see the same folder.

        Raises:
            InputError: if they do not.
        """

    def stopping(self, asked: Callable[[], bool]) -> Callable[[], bool]:
        """`should_stop` of a run: whether any process was asked to stop."""
        return asked

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The last word of this process: it has ended, or has failed."""


ALONE = Processes()


class Jobmates(Processes):
    """The processes of a `jax.distributed` job.

    Whatever waits for the others raises `Lost` once one has failed or no longer answers.
    """

    def __init__(self, client: Any, index: int, count: int, silence: float = _SILENCE) -> None:
        """Starts to watch over the others.

        Args:
            client: of JAX's coordination service.
            index: of this process.
            count: of all.
            silence: seconds without a sign of life after which a process counts as lost.
        """
        self.index, self.count = index, count
        self._client, self._silence = client, silence
        self._trouble, self._asked, self._over = "", False, threading.Event()
        self._exchanges = 0
        self._seen: dict[str, tuple[str, int]] = {}
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def share(self, name: str, make: Callable[[], T]) -> T:
        """See `Processes`."""
        key = self._next(name)
        if self.index == 0:
            try:
                told = {"value": make()}
            except InputError as error:
                self._set(f"{key}/0", json.dumps({"refused": str(error)}))
                raise
            self._set(f"{key}/0", json.dumps(told))
            return told["value"]
        told = json.loads(self._wait_for(key, 1)[0])
        if "refused" in told:
            raise InputError(told["refused"])
        return told["value"]

    def gather(self, name: str, value: T) -> list[T]:
        """See `Processes`."""
        key = self._next(name)
        self._set(f"{key}/{self.index:06d}", json.dumps(value))
        return [json.loads(text) for text in self._wait_for(key, self.count)]

    def _next(self, name: str) -> str:
        """A key of its own for every exchange, the same in all processes."""
        self._exchanges += 1
        return f"exchange/{self._exchanges}-{name}"

    def meet(self, name: str, folder: Path) -> None:
        """See `Processes`."""
        path = folder / f".tmp-{secrets.token_hex(8)}"
        if self.index == 0:
            path.write_text("written by the first process, for the others to find")
        there = Path(self.share(f"token/{name}", lambda: str(path))).name
        seen = (folder / there).exists()
        missing = [i for i, found in enumerate(self.gather(f"seen/{name}", seen)) if not found]
        if self.index == 0:
            path.unlink(missing_ok=True)
        if missing:
            raise InputError(
                f"{folder.absolute()} is not the same folder in all processes: what process 0 "
                f"writes there, process {missing[0]} does not see. Give a ",
                WORKDIR,
                " on a file system that all of them share",
            )

    def stopping(self, asked: Callable[[], bool]) -> Callable[[], bool]:
        """See `Processes`; true as well once another has failed or no longer answers."""

        def should_stop() -> bool:
            if asked() and not self._asked:
                self._asked = True
                self._set(f"asked/{self.index}", "1")
            return self._asked or bool(self._trouble)

        return should_stop

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tells the others how it ended; the first process then waits until they have left."""
        with contextlib.suppress(Exception):  # the first process may be gone by now
            if error is not None and not isinstance(error, Lost):
                self._set(f"failed/{self.index}", f"{type(error).__name__}: {error}"[:300])
            self._set(f"left/{self.index}", "1")
        self._over.set()
        # A thread that Python's end finds inside a call of JAX's client aborts the process.
        self._watcher.join(_FAREWELL)
        if self.index == 0:
            patience = self._silence if error is None else min(self._silence, _FAREWELL)
            with contextlib.suppress(Exception):
                self._leave_last(time.monotonic() + patience)

    def _leave_last(self, deadline: float) -> None:
        """Waits until the others have left JAX's service, which this process runs, or a deadline.

        A process whose service is gone before it has taken its leave is aborted. Recoverable
        processes take theirs one by one, when they exit, with no barrier that would hold this one.
        """
        left = self._directory("left")
        while len(left) < self.count and time.monotonic() < deadline:
            time.sleep(0.05)
            left = self._directory("left")

        def ask_for_them() -> None:
            # Answered once each either asks for it too, which none does, or is disconnected.
            with contextlib.suppress(Exception):
                self._client.get_live_nodes([int(name) for name in left])

        ask = threading.Thread(target=ask_for_them, daemon=True)
        ask.start()
        ask.join(max(0.0, deadline - time.monotonic()))
        if ask.is_alive():  # one was killed on its way out, or still works: no answer in time
            import jax

            jax.distributed.shutdown()
            ask.join(_FAREWELL)

    def _set(self, key: str, value: str) -> None:
        self._client.key_value_set(f"dip_jax/{key}", value, allow_overwrite=True)

    def _directory(self, key: str) -> dict[str, str]:
        found = self._client.key_value_dir_get(f"dip_jax/{key}")
        return {name.rpartition("/")[2]: value for name, value in found}

    def _wait_for(self, key: str, count: int) -> list[str]:
        """The values below a key, in order, once there are so many."""
        while True:
            found = self._directory(key)
            if len(found) == count:
                return [found[name] for name in sorted(found)]
            if self._trouble:
                raise Lost(self._trouble)
            time.sleep(0.1)

    def _watch(self) -> None:
        beat = 0
        while not self._over.wait(_BEAT):
            beat += 1
            try:
                self._set(f"alive/{self.index}", str(beat))
                alive, failed = self._directory("alive"), self._directory("failed")
                left = self._directory("left")
                self._asked = self._asked or bool(self._directory("asked"))
            except Exception as error:
                if not self._over.is_set():
                    self._trouble = (
                        "the first process no longer answers "
                        f"({str(error).splitlines()[0][:80]}): start all processes again, with "
                        "the same command, to go on"
                    )
                return
            self._judge(beat, alive, failed, left)

    def _judge(
        self, now: int, alive: dict[str, str], failed: dict[str, str], left: dict[str, str]
    ) -> None:
        # In beats of its own, not by the clock: a machine may have slept.
        for name, why in failed.items():
            if name != str(self.index):
                self._trouble = f"process {name} failed: {why}"
        for name, beat in alive.items():
            if self._seen.get(name, ("", 0))[0] != beat:
                self._seen[name] = (beat, now)
            elif name not in left and (now - self._seen[name][1]) * _BEAT > self._silence:
                self._trouble = (
                    f"process {name} no longer answers: start all processes again, with the same "
                    "command, to go on; what is finished is kept"
                )


class Lost(RuntimeError):
    """Another process has failed or no longer answers, so that this one cannot end its work."""
