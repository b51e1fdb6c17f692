"""Where the command writes its result: a name that it may take, and a format that can hold it."""

import argparse
import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from dip_jax.errors import InputError, reason
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.writing import FORMAT_OF_SUFFIX, write_pages
from dip_jax.settings.tasks import DOORS

_OTHER_SUFFIXES = (".bmp", ".gif")  # of pictures that are read and not written

_SUFFIX_OF_FORMAT = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "WEBP": ".webp"}


def name_of_result(image: Path, file_format: str, ending: str = "") -> str:
    """The name of a picture's result: the picture's own, and the suffix of its true format.

    Args:
        image: the picture's file.
        file_format: as `Picture` has it; "" if it is not known.
        ending: comes before the suffix.
    """
    suffix, stem = image.suffix, image.stem
    if suffix.lower() not in (*FORMAT_OF_SUFFIX, *_OTHER_SUFFIXES):
        suffix, stem = "", image.name
    written_as = FORMAT_OF_SUFFIX.get(suffix.lower())
    if written_as is None or file_format not in ("", written_as):
        suffix = _SUFFIX_OF_FORMAT.get(file_format, ".png")
    return f"{stem}{ending}{suffix}"


def format_of_result(task: str, file_format: str) -> str:
    """That of the picture, but for one that cannot hold what the task makes of it."""
    if task == "tomography":
        return "TIFF"  # which holds floats
    return "PNG" if task == "remove_jpeg" and file_format == "JPEG" else file_format


def is_result(image: Path, others: Collection[str]) -> bool:
    """Whether a file is the result beside one of other pictures, by its name.

    Args:
        image: the file.
        others: the stems of the pictures in its folder.
    """
    ends = [task.ending for task in DOORS.values()]
    ends.append("_restored")  # which it was before each task had its own
    return any(image.stem.endswith(end) and image.stem.removesuffix(end) in others for end in ends)


def folder_of_results(output: str | None, several: bool) -> Path | None:
    """The folder that the results go to, if it is a folder that is asked for.

    Args:
        output: as the option was given: a folder that exists, or a name that ends in a slash or
            serves several pictures.
        several: whether it is to serve several pictures.

    Raises:
        InputError: if it is the name of a file.
    """
    if output is None:
        return None
    if not output:
        raise InputError("--output is empty; expected the name of a file or of a folder")
    folder, slash = Path(output), output.endswith(("/", os.sep))
    if os.path.isdir(output):
        return folder
    if not (slash or several):
        return None
    if os.path.exists(folder) or (not slash and folder.suffix.lower() in FORMAT_OF_SUFFIX):
        raise InputError(
            f"--output {output!r} is a file's name; expected a folder for the results, such as "
            "--output out/"
        )
    return folder


@contextlib.contextmanager
def making(folder: Path | None) -> Iterator[None]:
    """Within it there is the folder; if it was made for this, and nothing came in, it goes again.

    Raises:
        InputError: if it cannot be made.
    """
    if folder is None or os.path.isdir(folder):
        yield
        return
    try:
        folder.mkdir()
    except (OSError, ValueError) as error:
        raise InputError(
            f"the folder {str(folder)!r} cannot be made ({reason(error)}); expected a name in a "
            "folder that exists, with permission: choose another with --output"
        ) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # there is something in it
            folder.rmdir()


def find_output(arguments: argparse.Namespace, file_format: str) -> Path:
    """Where the result goes, if it may.

    Args:
        arguments: as `plan.plan` gives them.
        file_format: of the picture, whatever its suffix says; without `--output` the result has it,
            or is a PNG where it cannot be written.

    Raises:
        InputError: if it has no suffix of a picture, cannot be written, or would replace a file.
    """
    image = Path(arguments.image)
    if not image.name:
        raise InputError(f"{arguments.image!r} is no file's name; expected that of a picture")
    written = format_of_result(arguments.task, file_format)
    beside = image.parent / name_of_result(image, written, DOORS[arguments.task].ending)
    output = Path(arguments.output or beside)
    if output.suffix.lower() not in FORMAT_OF_SUFFIX:
        cure = "rename it" if output.suffix else f"add one, or for a folder say '{output}/'"
        raise InputError(
            f"{str(output)!r} cannot be written: the suffix {output.suffix!r} is unknown; expected "
            f"one of {', '.join(FORMAT_OF_SUFFIX)}: {cure}"
        )
    try:
        if output.is_dir():
            raise InputError(
                f"{str(output)!r} is a folder, where the result would be written; say another "
                "name with --output"
            )
        if not output.parent.is_dir():
            raise InputError(
                f"{str(output)!r} cannot be written: there is no folder {str(output.parent)!r}; "
                "make it first"
            )
        taken = [arguments.image, getattr(arguments, "mask", None)]
        if output.exists():
            if any(name and Path(name).exists() and output.samefile(name) for name in taken):
                raise InputError(
                    f"{str(output)!r} is what is read; expected another file for the result"
                )
            if not arguments.force:
                raise InputError(
                    f"{str(output)!r} exists; choose another name with --output, or say --force to "
                    "replace it"
                )
        with tempfile.TemporaryFile(dir=output.parent):
            pass  # there is permission
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(
            f"{str(output)!r} cannot be written ({reason(error)}); expected a name in a folder "
            "with permission: choose another"
        ) from error
    return output


def check_output(output: Path, pages: list[Picture]) -> None:
    """Refuses a format that cannot hold the result, by writing the pages as they are elsewhere.

    Raises:
        InputError: if it cannot.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            write_pages(Path(folder) / output.name, [page.pixels for page in pages], pages)
        except InputError as error:
            raise InputError(str(error).replace(folder + os.sep, "")) from None
