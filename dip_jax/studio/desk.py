"""The pictures on the desk: what was uploaded, in a folder of its own until the server stops."""

import dataclasses
import io
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from dip_jax.errors import InputError, speaking
from dip_jax.pictures.masks import read_mask
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.reading import count_pages, read
from dip_jax.pictures.values import DataRange, check_data_range
from dip_jax.prepare.blemishes import suggest
from dip_jax.studio import views
from dip_jax.studio.words import PAGE

_MOST = 4  # pictures at a time; the one that was left longest makes room
_LEAST = 8  # pixels on a side: four times as many are the least that is fitted
_KEPT_MASKS = 4  # that are not used any more


class OptionFile(NamedTuple):
    """The file of an option.

    Attributes:
        name: that it had.
        path: where it lies.
        grey: whether it has no channels.
    """

    name: str
    path: Path
    grey: bool


@dataclasses.dataclass(eq=False)
class Sheet:
    """A picture on the desk.

    Attributes:
        id: that the page knows it by; nobody can guess it.
        name: of its file, as it was uploaded, without a folder.
        folder: where it lies.
        reduced: how many of its pixels on a side are one on the page.
        mask: the file of what was painted on it; None for nothing.
        files: those of options, by the names of the command's arguments.
        kept: files that a fit has used.
        used: when the page has last asked for it, in seconds.
    """

    id: str
    name: str
    folder: Path
    reduced: int = 1
    mask: Path | None = None
    files: dict[str, OptionFile] = dataclasses.field(default_factory=dict)
    kept: set[Path] = dataclasses.field(default_factory=set)
    used: float = 0.0
    _picture: Picture | None = None
    _masks: list[Path] = dataclasses.field(default_factory=list)

    @property
    def picture(self) -> Picture:
        """As its file has it, which is read anew where it was let go."""
        if self._picture is None:
            self._picture = read(self.path, any_values=True)
        return self._picture

    def let_go(self) -> None:
        """Holds the pixels no longer."""
        self._picture = None

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @property
    def mask_name(self) -> str:
        """What the mask's file is called for a person."""
        return f"{Path(self.name).stem}_mask.png"

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        h, w = self.picture.pixels.shape[:2]
        return h, w

    @property
    def view_size(self) -> tuple[int, int]:
        """Rows and columns of what the page shows."""
        h, w = self.size
        return -(-h // self.reduced), -(-w // self.reduced)

    def in_range(self, data_range: DataRange | None) -> Picture:
        """The picture with values of black and white that it fits into.

        Args:
            data_range: as a person gives it; None where nothing is given.

        Raises:
            InputError: if it is none.
        """
        if data_range is not None:
            check_data_range(data_range)
        else:
            data_range = views.range_of(self.picture)
        return dataclasses.replace(self.picture, data_range=data_range)

    def told(self) -> dict[str, Any]:
        """What the page tells of it."""
        (h, w), (rows, columns) = self.size, self.view_size
        pixels = self.picture.pixels
        return {
            "id": self.id,
            "name": self.name,
            "width": w,
            "height": h,
            "view": [columns, rows],
            "reduced": self.reduced,
            "channels": 1 if pixels.ndim == 2 else pixels.shape[2],
            "depth": _depth(pixels.dtype),
            "format": self.picture.file_format,
            "alpha": self.picture.alpha is not None,
            "marked": self.mask is not None,
            "files": {name: file.name for name, file in self.files.items()},
            "notes": [f"{self.name} {note}" for note in self.picture.notes],
        }

    def view(self, data_range: DataRange | None = None) -> tuple[bytes, str]:
        """The picture as the page shows it, and its media type."""
        picture = self.in_range(data_range)
        view = views.view_of(picture.pixels, picture, self.reduced)
        return views.encoded(view, picture.icc_profile)

    def give(self, option: str, name: str, path: Path) -> None:
        """Takes the file of an option.

        Raises:
            InputError: if it is no picture.
        """
        picture = read(path, any_values=True)
        grey = picture.pixels.ndim == 2 and picture.alpha is None
        self.take_back(option)
        self.files[option] = OptionFile(name, path, grey)

    def take_back(self, option: str) -> None:
        """The file of an option is not wanted any more."""
        old = self.files.pop(option, None)
        if old is not None and old.path not in self.kept:
            shutil.rmtree(old.path.parent, ignore_errors=True)

    def paint(self, layer: bytes) -> bool:
        """Takes what was painted on the page; whether anything is marked.

        Args:
            layer: a PNG of the size of the view, opaque where it marks.

        Raises:
            InputError: if it is none.
        """
        try:
            with Image.open(io.BytesIO(layer), formats=["PNG"]) as image:
                marked = views.marks_of(image)
        except Exception:  # whatever the broken byte led the decoder to
            raise InputError("the mask is no PNG; expected what the page paints") from None
        rows, columns = self.view_size
        if marked.shape != (rows, columns):
            raise InputError(
                f"the mask is {marked.shape[1]} x {marked.shape[0]} pixels; expected "
                f"{columns} x {rows} as the picture on the page"
            )
        if self.mask is not None:
            self._masks.append(self.mask)  # which may just be read
        for old in self._masks[:-_KEPT_MASKS]:
            if old not in self.kept:
                old.unlink(missing_ok=True)
        self._masks = self._masks[-_KEPT_MASKS:]
        self.mask = None
        if not marked.any():
            return False
        marked = views.enlarged_marks(marked, self.reduced, *self.size)
        path = self.folder / f"mask-{secrets.token_hex(4)}.png"
        Image.fromarray(marked).save(path)
        self.mask = path
        return True

    def marks_in(self, path: Path, polarity: str) -> tuple[bytes, tuple[str, ...]]:
        """What a mask's file marks, as a layer for the page, and how it was taken.

        Raises:
            InputError: if it is no mask for the picture.
        """
        mask = read_mask(path, self.size, polarity)
        return views.painted(views.reduced_marks(mask.fill, self.reduced)), mask.remarks

    def layer(self) -> bytes:
        """What is marked, as a layer for the page."""
        assert self.mask is not None
        with Image.open(self.mask) as image:
            marked = np.asarray(image).astype(bool)
        return views.painted(views.reduced_marks(marked, self.reduced))

    def suggested(self, sensitivity: float, data_range: DataRange | None = None) -> bytes:
        """Scratches and dust that suggest themselves, as a layer for the page.

        Raises:
            InputError: if the sensitivity or the range is none.
        """
        picture = self.in_range(data_range)
        low, high = picture.data_range or (0, 1)
        image = picture.pixels.astype(np.float32)
        image = (image - np.float32(low)) / np.float32(high - low)
        image = np.where(np.isfinite(image), np.clip(image, 0, 1), np.nan)
        marked = suggest(image[..., None] if image.ndim == 2 else image, sensitivity)
        return views.painted(views.reduced_marks(marked, self.reduced))


def _depth(dtype: np.dtype[Any]) -> str:
    return f"{8 * dtype.itemsize} bits" + (", floating point" if dtype.kind == "f" else "")


class Desk:
    """The sheets, and the folder that they lie in."""

    def __init__(self) -> None:
        """The desk is empty."""
        self.folder = Path(tempfile.mkdtemp(prefix="dip-jax-studio-"))
        self._sheets: dict[str, Sheet] = {}
        self._lock = threading.Lock()

    def new_folder(self) -> Path:
        """One for an upload."""
        folder = self.folder / secrets.token_hex(8)
        folder.mkdir()
        return folder

    def add(self, folder: Path, name: str, in_use: Callable[[Sheet], bool]) -> Sheet:
        """Takes an uploaded picture.

        Args:
            folder: that it lies in.
            name: of its file there.
            in_use: whether a sheet may not make room for it.

        Raises:
            InputError: if it is none that can be used; it is deleted then.
        """
        try:
            with self.plainly():
                pages = count_pages(folder / name)
                if pages > 1:
                    raise InputError(
                        f"{name} has {pages} pages, and the studio takes one picture: give the "
                        "page as a file of its own, or all to the command, dip-jax"
                    )
                sheet = Sheet(secrets.token_hex(8), name, folder, used=time.monotonic())
                h, w = sheet.size
                if min(h, w) < _LEAST:
                    raise InputError(
                        f"{name} is {w} x {h} pixels; expected {_LEAST} or more on each side: open "
                        "a larger one"
                    )
                sheet.reduced = views.reduction(h, w)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            for old in sorted(self._sheets.values(), key=lambda one: one.used):
                old.let_go()
                if len(self._sheets) >= _MOST and not in_use(old):
                    del self._sheets[old.id]
                    shutil.rmtree(old.folder, ignore_errors=True)
            self._sheets[sheet.id] = sheet
        return sheet

    def plainly(self) -> "_Plainly":
        """Within it, errors are in the words of the page, and tell no folder of this machine."""
        return _Plainly(self.folder)

    def sheet(self, id: str) -> Sheet:
        """The sheet of an id.

        Raises:
            KeyError: if there is none, or not any more.
        """
        sheet = self._sheets[id]
        sheet.used = time.monotonic()
        return sheet

    def close(self) -> None:
        """All is put away."""
        shutil.rmtree(self.folder, ignore_errors=True)


class _Plainly:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._words = speaking(PAGE)

    def __enter__(self) -> None:
        self._words.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        text = str(error)  # in the words of the page
        self._words.__exit__(None, None, None)
        if isinstance(error, InputError):
            raise type(error)(plain(text, self._folder)) from None


def plain(text: str, folder: Path) -> str:
    """A text in which files of a folder have their names alone."""
    return re.sub(re.escape(str(folder)) + r"[\\/]+(?:[0-9a-f]{16}[\\/]+)?", "", text)


def name_of(given: str) -> str:
    """The name of a file as a browser tells it, made one that can be written here.

    Args:
        given: any text.
    """
    name = PureWindowsPath(PurePosixPath(given).name).name
    name = "".join(c for c in name if c.isprintable() and c not in '<>:"/\\|?*').strip(" .")
    stem, suffix = Path(name).stem, Path(name).suffix
    if not stem or len(suffix) > 10:
        return "picture" + (suffix if len(suffix) <= 10 else "")
    while len(f"{stem}{suffix}".encode(errors="replace")) > 150:
        stem = stem[:-1]
    return f"{stem}{suffix}".encode("utf-8", "replace").decode()
