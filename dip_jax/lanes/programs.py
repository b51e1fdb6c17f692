"""Compiled programs kept whole on disk, so that a later process need not even trace them.

JAX's own compilation cache saves the compiler's work, but not the tracing and lowering that lead to
its key: half of a second start. Here the key is what a program is made from: this package's source,
the versions of what it is built on, the machine, JAX's settings, a label and the arguments' shapes.
Whatever of it differs, and whatever is wrong with a file, the program is compiled anew.

A kept program is machine code and a pickle: the folder must be the user's own, as JAX's cache.
"""

import contextlib
import functools
import hashlib
import math
import os
import pickle
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import jax
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache

import dip_jax
from dip_jax import compiling
from dip_jax.files import is_temporary, write_bytes

T = TypeVar("T")

_SUFFIX = ".program"
_LATEST = ".latest"  # of each label: the name of its last program's file, and the devices' ids
_MOST = 256 * 2**20  # bytes, of files of up to some 10 MB; the least recently used ones go
_DIGEST = 32  # bytes of SHA-256
_A_DAY = 24 * 3600  # seconds

_MOST_SHARED = 8  # sets of programs of a process

_lock = threading.RLock()  # fits of several threads compile a program once, one after the other
_folder: Path | None = None
_shared: OrderedDict[tuple[Any, ...], Any] = OrderedDict()  # the last used at the end
_expected: dict[str, "_Loading"] = {}  # by label


def keep_in(folder: str | os.PathLike[str] | None) -> None:
    """Sets where programs are kept, for the whole process; None, as at first, keeps none."""
    global _folder
    _folder = None if folder is None else Path(folder)


def kept(function: Callable, label: str) -> Callable:
    """The function, whose program is taken from disk if it is there, and left there if it is not.

    Args:
        function: a jitted function. It is called with arguments of one structure, shape and device.
        label: all that the function depends on besides its arguments and this package's source; ""
            if that is not known, and nothing is kept.
    """
    if _folder is None or not label:
        return function
    return _Kept(function, label, _folder)


def compiler_options(*, lasting: bool) -> dict[str, bool | int]:
    """Of the compiler, for the programs of fits: how much it is to do, by `DIP_JAX_COMPILE_EFFORT`.

    With 0 a program compiles in a third of the time, and runs in five times as much: what a fit of
    a few steps wants.

    Args:
        lasting: see `compiling.options`.
    """
    effort = os.environ.get("DIP_JAX_COMPILE_EFFORT", "")
    level = {compiling.LEVEL: int(effort)} if effort in ("0", "1", "2") else {}
    return compiling.options(lasting=lasting) | level


def shared(label: str, make: Callable[[], T]) -> T:
    """What `make` gives; made once in a process, so that it is traced and compiled once.

    Args:
        label: all that it depends on besides this package's source, the shapes of what it is called
            with included; "" if that is not known, and it is made anew.
        make: gives jitted functions, or their `kept` forms.
    """
    if not label:
        return make()
    key = _shared_key(label)
    with _lock:
        made = _shared.pop(key, None) or make()
        _shared[key] = made
        while len(_shared) > _MOST_SHARED:
            _shared.popitem(last=False)
    return made


def is_shared(label: str) -> bool:
    """Whether it has been made already."""
    return bool(label) and _shared_key(label) in _shared


def forget_shared() -> None:
    """As in a new process."""
    _shared.clear()


def _shared_key(label: str) -> tuple[Any, ...]:
    return label, _folder, jax.default_backend(), str(_settings())


def expect(label: str) -> None:
    """Begins to load the program that a label had last, beside what else is being done.

    Args:
        label: that of a function whose `kept` form is about to be called, with arguments that
            `_key` cannot be made from yet. If they turn out to be others, nothing but time is lost.
    """
    _expected.clear()  # what was loaded in vain
    if _folder is None or not label:
        return
    # A damaged file, or no thread to be had: then nothing is loaded beforehand.
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        name, *ids = _latest(_folder, label).read_text().split()
        here = {str(device.id): device for device in jax.local_devices()}
        path = _folder / name
        if path.exists() and all(i in here for i in ids):
            _expected[label] = _Loading(path, [here[i] for i in ids])


class _Loading(threading.Thread):
    """Loads the program of the file at `path`."""

    def __init__(self, path: Path, devices: list[jax.Device]) -> None:
        super().__init__()
        self.path, self._devices = path, devices
        self._program: Callable | None = None
        self.start()

    def run(self) -> None:
        self._program = _loaded(self.path, self._devices)

    def result(self) -> Callable | None:
        self.join()
        return self._program


class _Kept:
    def __init__(self, function: Callable, label: str, folder: Path) -> None:
        self._function, self._label, self._folder = function, label, folder
        self._program: Callable | None = None

    def __call__(self, *args: Any) -> Any:
        with _lock:
            program = self._program = self._program or self._found(args)
        return program(*args)

    def _found(self, args: tuple) -> Callable:
        devices = _devices(args)
        path = self._folder / f"{_key(self._label, args, devices)}{_SUFFIX}"
        loading = _expected.pop(self._label, None)
        if loading is not None and loading.path == path:
            loaded = loading.result()
        else:
            loaded = _loaded(path, devices)
        program = loaded or self._compiled(path, args)
        self._remember(path, devices)
        return program

    def _compiled(self, path: Path, args: tuple) -> Callable:
        lowered = self._function.lower(*args)  # type: ignore[attr-defined]
        with _without_jax_cache():
            program = lowered.compile()
        # Not every backend can serialise, and a cache that cannot be written is none.
        with contextlib.suppress(Exception):
            data = pickle.dumps(serialize_executable.serialize(program))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, hashlib.sha256(data).digest() + data)
            _remove_oldest(path.parent)
        return program

    def _remember(self, path: Path, devices: list[jax.Device]) -> None:
        text = " ".join([path.name, *(str(device.id) for device in devices)]).encode()
        latest = _latest(self._folder, self._label)
        with contextlib.suppress(OSError):
            if latest.exists() and latest.read_bytes() == text:
                os.utime(latest)  # it is in use
            else:
                write_bytes(latest, text)


@contextlib.contextmanager
def _without_jax_cache() -> Iterator[None]:
    """A CPU's program that comes from JAX's cache is not whole when it is serialised again."""
    before = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # JAX looks at the setting only once
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


def _devices(args: tuple) -> list[jax.Device]:
    """Those that the arguments are on: JAX takes a loaded program for one of all devices."""
    found = {device for leaf in jax.tree.leaves(args) for device in leaf.devices()}
    return sorted(found, key=lambda device: device.id)


def _loaded(path: Path, devices: list[jax.Device]) -> Callable | None:
    """The program in a file, for these devices; None if there is none, or it is not whole."""
    with contextlib.suppress(Exception):
        data = path.read_bytes()
        if hashlib.sha256(data[_DIGEST:]).digest() == data[:_DIGEST]:
            payload, in_tree, out_tree = pickle.loads(data[_DIGEST:])
            program = serialize_executable.deserialize_and_load(
                payload, in_tree, out_tree, execution_devices=devices
            )
            with contextlib.suppress(OSError):  # of another user, or read-only
                os.utime(path)
            return program
    return None


def _remove_oldest(folder: Path) -> None:
    for path in folder.iterdir():  # of processes that were killed while they wrote
        if is_temporary(path) and _last_used(path) < time.time() - _A_DAY:
            path.unlink(missing_ok=True)
    room, staying = _MOST, 0
    for path in _latest_first(folder, _SUFFIX):
        room -= _size(path)
        if room < 0:
            path.unlink(missing_ok=True)
        else:
            staying += 1
    for path in _latest_first(folder, _LATEST)[staying:]:  # a program has one note at most
        path.unlink(missing_ok=True)


def _latest_first(folder: Path, suffix: str) -> list[Path]:
    return sorted(folder.glob(f"*{suffix}"), key=_last_used, reverse=True)


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _last_used(path: Path) -> float:
    """When, in seconds; a file that another process has just removed is in use no more."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return math.inf


def _latest(folder: Path, label: str) -> Path:
    text = repr((_surroundings(), _settings(), label))
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()}{_LATEST}"


def _key(label: str, args: tuple, devices: list[jax.Device]) -> str:
    leaves, structure = jax.tree.flatten(args)
    arguments = [(leaf.shape, str(leaf.dtype), str(leaf.sharding)) for leaf in leaves]
    ids = [device.id for device in devices]
    text = repr((_surroundings(), _settings(), label, str(structure), arguments, ids))
    return hashlib.sha256(text.encode()).hexdigest()


def _settings() -> list[tuple[str, Any]]:
    """Of JAX; those that name folders, or guard transfers, have no say in a program."""
    options = [compiler_options(lasting=lasting) for lasting in (True, False)]
    values = {"compiler_options": options, **jax.config.values}.items()
    return sorted((n, v) for n, v in values if not n.endswith("_dir") and "transfer_guard" not in n)


@functools.cache
def _surroundings() -> tuple[Any, ...]:
    """What does not change within a process: source, versions, machine."""
    source = source_digest(Path(dip_jax.__file__).parent)
    packages = ("jax", "jaxlib", "flax", "optax", "numpy", "dm-pix")
    devices = jax.local_devices()
    return (
        source,
        sys.version,
        *(version(package) for package in packages),
        devices[0].client.platform_version,
        [str(device.device_kind) for device in devices],
        os.environ.get("XLA_FLAGS", ""),
        _processor(),
    )


def source_digest(package: Path) -> str:
    """Of every module of a package, in all its folders: an edit of any makes other programs."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


_TELLING = ("model name", "flags", "CPU part", "Features")  # of x86 and of ARM


def _processor() -> str:
    """Its model and instruction sets, where the system tells: a home may be shared by machines."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return "\n".join(sorted({x for x in lines if x.startswith(_TELLING)}))
    return ""
