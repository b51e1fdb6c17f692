"""Which pictures a configuration stands for: those of a folder or a pattern, the pages of a file.

Each has its mask, its clean picture and the name of its folder. Nothing is decoded: the sizes are
those that the headers tell.
"""

import dataclasses
import glob
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dip_jax.errors import InputError, field
from dip_jax.pictures.reading import count_pages, page_shapes
from dip_jax.run.inputs import page_beside
from dip_jax.settings.tasks import Config

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif")
_RESERVED = ("config.json", "summary.json", "summary.md")


def is_many(image: str, page: int = 0) -> bool:
    """Whether it stands for several pictures.

    Args:
        image: the path of a folder, a file or a pattern; "" for a sample.
        page: the one page that is meant of a file with several; 0 for all.
    """
    return is_group(image) or (bool(image) and not page and count_pages(image) > 1)


def is_group(path: str) -> bool:
    """Whether it is a folder, or a pattern that is no file's name."""
    return bool(path) and (
        os.path.isdir(path) or (glob.has_magic(path) and not Path(path).exists())
    )


def title(image: str, page: int = 0) -> str:
    """A name for what `is_many` is asked about, fit for a file name."""
    if not is_group(image):
        return Path(image).stem + _page_suffix(page, page)
    parts = [part for part in Path(image).parts if not glob.has_magic(part)]
    return Path(*parts).name if parts and Path(*parts).name else "pictures"


@dataclasses.dataclass(frozen=True)
class Found:
    """One of the pictures.

    Attributes:
        path: of its file.
        page: of the file, counted from 1; 0 for the only one.
        name: of its work directory inside that of the run.
        shape: `(h, w, c)` by the file's header; None if it tells nothing.
        mask: of its mask; "" for none.
        clean: of the clean picture; "" for none.
        failure: what is wrong with these; "" for nothing.
        whole: the file in the run's work directory for all pages together; "" if it is no page.
    """

    path: Path
    page: int
    name: str
    shape: tuple[int, int, int] | None
    mask: str
    clean: str
    failure: str
    whole: str


def find_pictures(config: Config) -> list[Found]:
    """The pictures that a configuration names, each with its mask and its clean picture.

    Raises:
        InputError: if there are none; or if the image is a single file, and its mask or its clean
            picture has another number of pages.
    """
    image = config["image"]
    group = is_group(image)
    paths = picture_files(image) if group else [Path(image)]
    if not paths:
        raise InputError(
            field("image"),
            f" {image!r} stands for no picture: expected a folder with pictures in it, "
            "or a pattern such as 'photos/*.png' (in quotes)",
        )
    if config["page"]:
        raise InputError(
            field("page"),
            f" is {config['page']}, and ",
            field("image"),
            f" {image!r} stands for several "
            "pictures; expected a single file, or 0 for all pages of all files",
        )
    shapes: list[Sequence[tuple[int, int, int] | None]] = [
        page_shapes(path) or [None] for path in paths
    ]
    masks, cleans = (Partners(option, config[option]) for option in ("mask", "clean"))
    found = []
    names = entry_names(paths, [len(pages) for pages in shapes])
    for path, pages, entries in zip(paths, shapes, names, strict=True):
        mask, clean, failure = "", "", ""
        try:
            mask, clean = masks.of(path, len(pages)), cleans.of(path, len(pages))
        except InputError as error:
            if not group:
                raise
            failure = str(error)
        many = len(pages) > 1
        whole = (entries[-1] if group else "restored.tif") if many else ""
        for number, (shape, name) in enumerate(zip(pages, entries, strict=False), 1):
            page = number if many else 0
            found.append(Found(path, page, name, shape, mask, clean, failure, whole))
    return found


def picture_files(pattern: str) -> list[Path]:
    """The pictures of a folder, by their suffixes, or the files of a pattern; in order.

    Args:
        pattern: what `is_group` is true of.
    """
    if os.path.isdir(pattern):
        return sorted(
            path
            for path in Path(pattern).iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
        )
    return sorted(Path(name) for name in glob.glob(pattern, recursive=True) if os.path.isfile(name))


class Partners:
    """What belongs to each picture, by its file's name."""

    def __init__(self, option: str, path: str) -> None:
        """The partners that a field of the configuration names.

        Args:
            option: the field, such as "mask".
            path: a file, which serves all, or what `is_group` is true of; "" for none.
        """
        self._option, self._path, self._many = option, path, is_group(path)
        self._by_stem: dict[str, list[Path]] = {}
        for other in picture_files(path) if self._many else ():
            self._by_stem.setdefault(other.stem, []).append(other)

    def of(self, picture: Path, pages: int) -> str:
        """The path of what belongs to a picture with so many pages; "" for none.

        Raises:
            InputError: if there is no such file, or several, or its pages do not go with these.
        """
        path = self._path_of(picture)
        if path:
            page_beside(field(self._option), path, 1, pages)
        return path

    def _path_of(self, picture: Path) -> str:
        if not self._many:
            return self._path
        candidates = self._by_stem.get(picture.stem, [])
        same_name = [path for path in candidates if path.name == picture.name]
        if len(same_name or candidates) == 1:
            return str((same_name or candidates)[0])
        if candidates:
            names = ", ".join(path.name for path in candidates)
            raise InputError(
                field(self._option), f" has several files for {picture.name} ({names}): leave one"
            )
        raise InputError(
            field(self._option),
            f" has no file for {picture.name} in {self._path}: expected "
            f"one named {picture.stem}, with the suffix of a picture",
        )


def entry_names(paths: Sequence[Path], pages: Sequence[int]) -> list[list[str]]:
    """The names in a work directory of what is made of each file.

    They begin with the file's stem, and with more of its path where two collide. Names that differ
    only in upper and lower case collide, as they do on some file systems.

    Args:
        paths: of the files.
        pages: how many each of them has.

    Returns:
        For a file with one page the name of its folder; for one with several those of its pages'
        folders and, last, that of the file with all of them.
    """
    depth = dict.fromkeys(paths, 0)
    while True:
        names = [
            _entries(_stem(path, depth[path]), count)
            for path, count in zip(paths, pages, strict=True)
        ]
        taken = Counter([name.casefold() for entries in names for name in entries])
        taken.update(_RESERVED)
        colliding = [
            path
            for path, entries in zip(paths, names, strict=True)
            if any(taken[name.casefold()] > 1 for name in entries)
        ]
        if not colliding:
            return names
        for path in colliding:
            depth[path] += 1


def _entries(stem: str, pages: int) -> list[str]:
    if pages == 1:
        return [stem]
    suffixes = [_page_suffix(number, pages) for number in range(1, pages + 1)]
    return [*(stem + suffix for suffix in suffixes), f"{stem}-restored.tif"]


def _page_suffix(number: int, pages: int) -> str:
    return f"-page{number:0{max(3, len(str(pages)))}}" if number else ""


def _stem(path: Path, depth: int) -> str:
    if depth == 0:
        return path.stem if path.stem.strip(".") else f"_{path.name}"
    if depth == 1:
        return path.name
    if depth == 2:
        return f"{path.absolute().parent.name}-{path.name}"
    return f"{path.name}-{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[: 8 * depth]}"
