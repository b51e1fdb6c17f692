"""The pages of a file, restored one by one, together in one file again."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dip_jax.errors import InputError
from dip_jax.pictures import reading
from dip_jax.pictures.picture import Stack, TiffLayout
from dip_jax.pictures.writing import write_pages
from dip_jax.run.listing import Found
from dip_jax.run.picture_run import PictureRun
from dip_jax.settings.tasks import Config


def put_together(
    folder: Path,
    config: Config,
    found: Sequence[Found],
    pictures: Sequence[PictureRun],
    fitted: Collection[PictureRun],
) -> list[dict[str, Any]]:
    """Writes, for every file with several pages, one with all of them, once all are restored.

    Args:
        folder: the work directory.
        config: of the run.
        found: its pictures; those of a file with several pages have a `whole`.
        pictures: their runs, in the same order.
        fitted: those of them that had something to do in this session: what they are part of is
            written anew.

    Returns:
        For every such file a dict: `picture`, its path; `pages`, how many; `restored`, the name of
        the file in the work directory, or None; `reason`, why there is none, or None.
    """
    files: dict[str, list[tuple[Found, PictureRun]]] = {}
    for one, picture in zip(found, pictures, strict=True):
        if one.whole:
            files.setdefault(one.whole, []).append((one, picture))
    rows = []
    for whole, pages in files.items():
        reason = _why_not([picture for _, picture in pages], [one.page for one, _ in pages])
        path = folder / whole
        if not reason and (not path.exists() or any(run in fitted for _, run in pages)):
            try:
                stack = reading.tiff_stack(pages[0][0].path)
                runs = [picture for _, picture in pages]
                _write(path, runs, config["data_range"] or None, stack)
            except InputError as error:
                reason = str(error)
        rows.append(
            {
                "picture": str(pages[0][0].path),
                "pages": len(pages),
                "restored": None if reason else whole,
                "reason": reason or None,
            }
        )
    return rows


def _why_not(pictures: Sequence[PictureRun], numbers: Sequence[int]) -> str:
    failed, left = [], []
    for number, picture in zip(numbers, pictures, strict=True):
        if picture.failure:
            failed.append(number)
        elif picture.summary is None or picture.summary["stop_reason"] == "interrupted":
            left.append(number)
    words = [
        f"{_pages(numbers)} {what}"
        for numbers, what in ((failed, "failed"), (left, "left to be done"))
        if numbers
    ]
    return ", ".join(words)


def _pages(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"page {shown}" if len(numbers) == 1 else f"{len(numbers)} pages ({shown})"


def _write(
    path: Path, pictures: Sequence[PictureRun], data_range: Any, stack: Stack | None
) -> None:
    pages = []
    for picture in pictures:
        assert picture.summary is not None
        page = reading.read(picture.folder / picture.summary["restored"], data_range)
        layout = (page.tiff or TiffLayout())._replace(stack=stack)
        pages.append(replace(page, tiff=layout))
    write_pages(path, [page.pixels for page in pages], pages)
