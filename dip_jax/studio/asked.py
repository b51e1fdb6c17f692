"""What the page asks for, as the words of the command, and as lines of Python that do the same."""

import argparse
import dataclasses
import functools
import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dip_jax.cli import command
from dip_jax.cli.commands import COMMANDS, OPTIONS
from dip_jax.cli.pages import changes_of_options
from dip_jax.errors import InputError
from dip_jax.pictures.picture import Picture
from dip_jax.settings import tasks
from dip_jax.studio.words import LABELS

# Of the command's options, those that a page may set; files are its own matter.
_OF_EVERY_TASK = ("seeds", "seed", "steps", "criterion", "draft", "set", "data_range", "keep_known")
_FIRST = ("seeds",)  # the others are shown on demand, and "draft" beside the button
_HAVE_FIELDS = ("operator", "image", "mask", "clean")  # of the configuration, and some are paths


@dataclasses.dataclass(frozen=True)
class Option:
    """An option of a task, as a field of a form.

    Attributes:
        name: of the command's argument.
        flag: how the command is told.
        kind: "whole", "number", "range" (two numbers), "choice", "check", "file" or "text" (words
            such as NAME=VALUE).
        label: for a person.
        help: the command's own, but for what it says of other options.
        default: where nothing is said; None where that depends.
        choices: of a "choice".
        first: whether it is shown at once.
    """

    name: str
    flag: str
    kind: str
    label: str
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()
    first: bool = True


@functools.cache
def offered() -> dict[str, dict[str, Any]]:
    """By the command's name, what a task is called, does, asks and offers."""
    parser = command.make_parser()
    found = {}
    for name, (task, line, description, _) in COMMANDS.items():
        own = argparse.ArgumentParser()
        if task in OPTIONS:
            OPTIONS[task](own.add_argument_group())
        names = [a.dest for a in own._actions if a.dest != "help"]
        found[name] = {
            "name": name,
            "task": task,
            "line": line,
            "description": _for_the_page(description),
            "fills": tasks.DOORS[task].fills,
            "options": [
                dataclasses.asdict(_option(action, action.dest in (*names, *_FIRST)))
                for action in parser.commands[name]._actions
                if action.dest in (*names, *_OF_EVERY_TASK)
            ],
        }
    return found


def _option(action: argparse.Action, first: bool) -> Option:
    kind = "text"
    if action.nargs == 0:
        kind = "check"
    elif action.choices:
        kind = "choice"
    elif action.metavar == "FILE":
        kind = "file"
    elif action.nargs == 2:
        kind = "range"
    elif action.type in (command.whole, command.number):
        kind = "whole" if action.type is command.whole else "number"
    default = None if kind in ("check", "text", "file") else action.default
    return Option(
        action.dest,
        action.option_strings[0],
        kind,
        LABELS.get(action.dest, action.dest),
        _for_the_page((action.help or "").replace("%%", "%")),
        default,
        tuple(action.choices or ()),
        first,
    )


def _for_the_page(text: str) -> str:
    """A text without what it says of the command's options, which have fields here."""
    clauses = re.split(r"(?<=[.;]) ", " ".join(text.split()))
    kept = " ".join(clause for clause in clauses if "--" not in clause).rstrip(";")
    return kept[:1].upper() + kept[1:] + ("" if kept.endswith(".") or not kept else ".")


@dataclasses.dataclass(frozen=True)
class Asked:
    """A task for a picture, with options.

    Attributes:
        command: the command's name of the task.
        given: what is set otherwise than by default, by the names of the command's arguments.
    """

    command: str
    given: Mapping[str, Any]

    def words(self, image: str, mask: str | None, files: Mapping[str, str]) -> list[str]:
        """What follows `dip-jax`.

        Args:
            image: the picture's file.
            mask: the mask's file; None for none.
            files: the file of each option that is one.
        """
        words = [self.command, _plain(image)]
        words += ["--mask", _plain(mask)] if mask is not None else []
        for option in offered()[self.command]["options"]:
            name = option["name"]
            if option["kind"] == "file" and name in files:
                words += [option["flag"], _plain(files[name])]
            elif name in self.given:
                words += _words_of(option, self.given[name])
        return words

    def arguments(
        self, image: str, mask: str | None, files: Mapping[str, str]
    ) -> argparse.Namespace:
        """The command's arguments.

        Raises:
            InputError: if they are none.
        """
        try:
            return command.make_parser().parse_args(self.words(image, mask, files))
        except command.Misused as error:
            raise InputError(error.message) from None

    def as_command(self, image: str, mask: str | None, files: Mapping[str, str]) -> str:
        """The command, to be copied into a shell."""
        return shlex.join(["dip-jax", *self.words(image, mask, files)])

    def as_python(
        self,
        image: str,
        mask: str | None,
        files: Mapping[str, str],
        output: str,
        picture: Picture,
        grey_kernel: bool = True,
    ) -> str:
        """Lines of Python, to be copied into a file; "" where no function does it in one call.

        Args:
            image: the picture's file.
            mask: as in `words`.
            files: as in `words`.
            output: the result's file.
            picture: as its file has it.
            grey_kernel: whether the kernel's file has no channels.
        """
        if self.command == "tomography":
            return ""
        arguments, given = self.arguments(image, mask, files), dict(self.given)
        module, read, write = _library(picture, output, self.command == "demosaic")
        modules, lines, call = [module], [f"photo = {read.format(image)}"], ["photo"]
        if mask is not None:
            modules.append("from PIL import Image")
            lines.append(f"mask = Image.open({mask!r})")
            call.append("mask")
        if "kernel" in files:
            modules.append("import imagecodecs")
            channel = "" if grey_kernel else "[..., 0]"
            lines.append(f"kernel = imagecodecs.imread({files['kernel']!r}){channel}")
            call.append("kernel")
        elif self.command == "deblur":
            modules.append("from dip_jax import operators")
            call.append(f"operators.gaussian({arguments.sigma!r})")
        for name in ("factor", "kernel", "boundary", "pattern", "quality", "subsampling"):
            if name in given and name not in files:
                call.append(f"{name}={getattr(arguments, name)!r}")
        call += _keywords(arguments, given)
        lines.append(f"restored = dip_jax.{self.command.replace('-', '_')}({', '.join(call)})")
        lines.append(write.format(output))
        return "\n".join(["import dip_jax", *dict.fromkeys(modules), "", *lines, ""])


def _library(picture: Picture, output: str, finds_colours: bool) -> tuple[str, str, str]:
    """What reads all bits of a picture, and writes its result: the import, and the two calls."""
    suffix = Path(output).suffix.lower()
    if suffix in (".tif", ".tiff"):
        colours = picture.pixels.ndim == 3 or finds_colours
        kind = "rgb" if colours else "minisblack"
        write = f"tifffile.imwrite({{!r}}, restored, photometric={kind!r})"
        return "import tifffile", "tifffile.imread({!r})", write
    if picture.pixels.dtype != np.uint8:
        return (
            "import imagecodecs",
            "imagecodecs.imread({!r})",
            "imagecodecs.imwrite({!r}, restored)",
        )
    how = {".jpg": ", quality=95, subsampling=0", ".webp": ", lossless=True"}
    write = f"Image.fromarray(restored).save({{!r}}{how.get(suffix.replace('jpeg', 'jpg'), '')})"
    return "from PIL import Image", "Image.open({!r})", write


def _keywords(arguments: argparse.Namespace, given: Mapping[str, Any]) -> list[str]:
    """What every function takes."""
    found = []
    names = {"steps": "num_steps", "seeds": "seeds", "seed": "rng", "criterion": "criterion"}
    for name, argument in names.items():
        if name in given:
            found.append(f"{argument}={getattr(arguments, name)!r}")
    if "data_range" in given:
        found.append(f"data_range={tuple(arguments.data_range)!r}")
    if "keep_known" in given:
        found.append("keep_known=False")
    if arguments.draft:
        found.append("preset='draft'")
    if changes := changes_of_options(arguments):
        found.append(f"options={changes!r}")
    return found


def asked(form: Any) -> Asked:
    """What a form asks for; what it leaves at the default is left out.

    Args:
        form: `{"command": name, "options": {name: value}}`, as the page sends it.

    Raises:
        InputError: if it asks for what is not offered.
    """
    name = form.get("command") if isinstance(form, dict) else None
    if not isinstance(name, str) or name not in offered():
        raise InputError(f"the task is {name!r}; expected one of {', '.join(offered())}")
    options = form.get("options", {})
    known = {option["name"]: option for option in offered()[name]["options"]}
    if not isinstance(options, dict):
        raise InputError(f"the options are {options!r}; expected their names and values")
    if strange := sorted(set(options) - set(known)):
        raise InputError(
            f"{name} has no option {', '.join(strange)}; expected some of {', '.join(known)}"
        )
    given = {}
    for key, value in options.items():
        option = known[key]
        if value is None or value is False or value in ("", []) or option["kind"] == "file":
            continue
        if value is not True and value == option["default"]:
            continue
        given[key] = _checked(option, value)
    return Asked(name, given)


def _checked(option: Mapping[str, Any], value: Any) -> Any:
    """A value of the kind that the option has.

    Raises:
        InputError: if it is another.
    """
    kind, label = option["kind"], option["label"]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    number &= number and math.isfinite(value)
    if kind == "check":
        expected, fits = "true or false", value is True
    elif kind == "whole":
        expected, fits = "a whole number", number and value == int(value)
        value = int(value) if fits else value
    elif kind == "number":
        expected, fits = "a number", number
    elif kind == "range":
        expected = "two numbers"
        fits = isinstance(value, list) and len(value) == 2
        fits &= fits and all(type(v) in (int, float) for v in value)
    elif kind == "choice":
        expected, fits = f"one of {', '.join(option['choices'])}", value in option["choices"]
    else:
        expected = "NAME=VALUE, such as learning_rate=0.005"
        value = value.split() if isinstance(value, str) else value
        fits = isinstance(value, list) and all("=" in str(word) for word in value)
    if not fits:
        raise InputError(f"“{label}” is {value!r}; expected {expected}")
    for word in value if kind == "text" else ():
        if word.startswith(_HAVE_FIELDS):
            raise InputError(
                f"{word!r} has a field of its own, or is a file, and a page names no file of "
                "this machine: leave it out"
            )
    return value


def _words_of(option: Mapping[str, Any], value: Any) -> list[str]:
    flag = option["flag"]
    if option["kind"] == "check":
        return [flag]
    if option["kind"] == "range":
        return [flag, *(np.format_float_positional(v, trim="-") for v in value)]
    if option["kind"] == "text":
        return [word for one in value for word in (flag, one)]
    word = str(value)
    return [f"{flag}={word}"] if word.startswith("-") else [flag, word]


def _plain(name: str) -> str:
    """A file's name that is no option."""
    return f"./{name}" if name.startswith("-") else name
