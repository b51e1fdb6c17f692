"""Where the command writes its result: a name that it may take, and a format that can hold it."""

import argparse
import os
import tempfile
from pathlib import Path

from dip_jax.errors import InputError
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.writing import FORMAT_OF_SUFFIX, write_pages

_SUFFIX_OF_FORMAT = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "WEBP": ".webp"}


def find_output(arguments: argparse.Namespace, file_format: str) -> Path:
    """Where the result goes, if it may.

    Args:
        arguments: as `command.make_parser` gives them.
        file_format: of the picture, whatever its suffix says; without `--output` the result has it,
            or is a PNG where it cannot be written.

    Raises:
        InputError: if it has no suffix of a picture, cannot be written, or would replace a file.
    """
    image = Path(arguments.image)
    if not image.name:
        raise InputError(f"{arguments.image!r} is no file's name; expected that of a picture")
    suffix = image.suffix
    if FORMAT_OF_SUFFIX.get(suffix.lower()) != file_format:
        suffix = _SUFFIX_OF_FORMAT.get(file_format, ".png")
    output = Path(arguments.output or image.with_name(f"{image.stem}_restored{suffix}"))
    if output.suffix.lower() not in FORMAT_OF_SUFFIX:
        raise InputError(
            f"{str(output)!r} cannot be written: the suffix {output.suffix!r} is unknown; expected "
            f"one of {', '.join(FORMAT_OF_SUFFIX)}: rename it"
        )
    try:
        if output.is_dir():
            raise InputError(f"{str(output)!r} is a folder; expected the name of a file in it")
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
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise InputError(
            f"{str(output)!r} cannot be written ({reason}); expected a name in a folder with "
            "permission: choose another"
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
