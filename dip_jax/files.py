"""Files that are written whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = ".tmp-"


def is_temporary(path: Path) -> bool:
    """Whether a file is one that a killed `write_atomically` has left behind."""
    return path.name.startswith(_TEMPORARY)


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], None]) -> None:
    """Write the file at `path` with `write(file)`, all of it or nothing.

    The bytes go to a temporary file in the same folder, which must exist, are forced to the disk,
    and then take the place of `path`. If `write` raises, the old file stays and no other is left.
    """
    target = Path(path)
    temporary = target.parent / f"{_TEMPORARY}{secrets.token_hex(8)}"
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def to_utf8(text: str) -> bytes:
    r"""UTF-8, in which bytes of a file's name that are none (surrogates) become `\udc80` or so.

    In JSON that is an escape, which reads as the same name.
    """
    return text.encode("utf-8", "backslashreplace")


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, all of it or nothing."""

    def write(file: BinaryIO) -> None:
        file.write(content)

    write_atomically(path, write)


def _sync_folder(folder: Path) -> None:
    # Some systems (Windows, a few network file systems) cannot sync a folder; the file is whole
    # there all the same, only its new name may be lost in a power cut.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
