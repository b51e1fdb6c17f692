"""What the page asks for, as the words of the command, and as lines of Python that do the same."""

import argparse
import dataclasses
import functools
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dip_jax.cli import command
from dip_jax.cli.commands import COMMANDS, OPTIONS
from dip_jax.errors import InputError
from dip_jax.settings import fields, tasks

# Of the command's options, those that a page may set; files are its own matter.
_OF_EVERY_TASK = ("seeds", "seed", "steps", "criterion", "draft", "set", "data_range", "keep_known")
_FIRST = ("seeds", "draft")  # the others are shown on demand
_HAVE_FIELDS = ("operator", "image", "mask", "clean")  # of the configuration, and some are paths
_LABELS = {
    "seeds": "Seeds",
    "seed": "First seed",
    "steps": "Largest number of steps",
    "criterion": "When to stop",
    "draft": "A quick look",
    "set": "Other fields of the configuration",
    "data_range": "Values of black and white",
    "keep_known": "Take all pixels from the network",
    "factor": "Enlarge each side by",
    "kernel": "Kernel",
    "sigma": "Width of the blur, in pixels",
    "boundary": "Beyond the border",
    "pattern": "Pattern",
    "quality": "Quality of the JPEG",
    "subsampling": "Chroma subsampling",
    "degrees": "Angle of all views, in degrees",
    "white": "Largest density",
}


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
        _LABELS.get(action.dest, action.dest),
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
        words = [self.command, image]
        words += ["--mask", mask] if mask is not None else []
        for option in offered()[self.command]["options"]:
            name = option["name"]
            if option["kind"] == "file" and name in files:
                words += [option["flag"], files[name]]
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
        return shlex.join(["dip-jax", *self.words(_plain(image), mask and _plain(mask), files)])

    def as_python(
        self, image: str, mask: str | None, files: Mapping[str, str], output: str, with_pillow: bool
    ) -> str:
        """Lines of Python, to be copied into a file; "" where no function does it in one call.

        Args:
            image: the picture's file.
            mask: as in `words`.
            files: as in `words`.
            output: the result's file.
            with_pillow: whether Pillow reads all of the picture's bits.
        """
        if self.command == "tomography":
            return ""
        arguments = self.arguments(image, mask, files)
        fills = offered()[self.command]["fills"]
        read = "Image.open({!r})" if with_pillow else "imagecodecs.imread({!r})"
        lines = ["import dip_jax", "from PIL import Image" if with_pillow else "import imagecodecs"]
        lines += [] if with_pillow or not mask else ["from PIL import Image"]
        lines += ["", f"photo = {read.format(image)}"]
        call = ["photo"]
        if fills and mask:
            lines.append(f"mask = Image.open({mask!r})")
            call.append("mask")
        given = dict(self.given)
        if "kernel" in files:
            lines.append(f"kernel = imagecodecs.imread({files['kernel']!r})")
            lines[1:1] = [] if "import imagecodecs" in lines else ["import imagecodecs"]
            call.append("kernel")
        elif self.command == "deblur":
            call.append(f"dip_jax.operators.gaussian({arguments.sigma!r})")
        for name in ("factor", "kernel", "boundary", "pattern", "quality", "subsampling"):
            if name in given and name not in files:
                call.append(f"{name}={getattr(arguments, name)!r}")
        call += _keywords(arguments, given)
        lines.append(f"restored = dip_jax.{self.command.replace('-', '_')}({', '.join(call)})")
        if with_pillow:
            suffix = Path(output).suffix.lower()
            how = ", quality=95, subsampling=0" if suffix in (".jpg", ".jpeg") else ""
            how = ", lossless=True" if suffix == ".webp" else how
            lines.append(f"Image.fromarray(restored).save({output!r}{how})")
        else:
            lines.append(f"imagecodecs.imwrite({output!r}, restored)")
        return "\n".join(lines) + "\n"


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
    if arguments.set:
        found.append(f"options={fields.parsed(arguments.set)!r}")
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
    if not isinstance(options, dict) or set(options) - set(known):
        raise InputError(
            f"{name} has no option {', '.join(sorted(set(map(str, options)) - set(known)))}; "
            f"expected some of {', '.join(known)}"
        )
    given = {}
    for key, value in options.items():
        if known[key]["kind"] == "file" or value in (None, "", False, [], known[key]["default"]):
            continue
        given[key] = _checked(known[key], value)
    return Asked(name, given)


def _checked(option: Mapping[str, Any], value: Any) -> Any:
    """A value of a kind that becomes a word; the command says what is wrong with the word."""
    kind = option["kind"]
    if kind == "check" and value is True:
        return True
    if kind == "range" and isinstance(value, list) and len(value) == 2:
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
            return value
    elif kind == "text" and isinstance(value, str):
        words = value.split()
        for word in words:
            if word.startswith(_HAVE_FIELDS):
                raise InputError(
                    f"{word!r} has a field of its own, or is a file, and a page names no file of "
                    "this machine: leave it out"
                )
        return words
    elif kind in ("whole", "number", "choice") and isinstance(value, int | float | str):
        return value
    raise InputError(f"{option['flag']} is {value!r}; {option['help']}")


def _words_of(option: Mapping[str, Any], value: Any) -> list[str]:
    flag = option["flag"]
    if option["kind"] == "check":
        return [flag]
    if option["kind"] == "range":
        return [flag, *(f"{v:.12g}" for v in value)]
    if option["kind"] == "text":
        return [word for one in value for word in (flag, one)]
    word = str(value)
    return [f"{flag}={word}"] if word.startswith("-") else [flag, word]


def _plain(name: str) -> str:
    """A file's name that is no option."""
    return f"./{name}" if name.startswith("-") else name
