"""The command `dip-jax`: damaged pictures in, restored ones out.

    dip-jax denoise noisy.png -o clean.png

It is the Python interface with files around it. This file is the options and what they mean; which
pictures they stand for is found in `plan`, and the work is in `one_file` and `many_files`.
"""

import argparse
import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from dip_jax import __version__
from dip_jax.cli import startup
from dip_jax.cli.commands import COMMANDS, OPTIONS, number, whole
from dip_jax.cli.signals import INTERRUPTED, ending_at_once
from dip_jax.report.streams import let_go, tell_error
from dip_jax.settings.tasks import DOORS

EXIT_CODES = """exit codes:
  0    done
  1    failed on the way (a fit fell apart at once, the memory or the disk was full), or one of
       several pictures cannot be used; pictures, pages and seeds that did not fail were written
  2    something given cannot be used; one line says what, and nothing was written
  130  interrupted. The best picture so far was written; nothing, if the fit had only begun or at
       a second signal. With --report, give the same command again (add --force if FILE exists)
       to go on
"""

_DESCRIPTION = """Restores damaged pictures with no training data, by the Deep Image Prior: an
untrained network is fitted to the one picture, and stopped before it fits the damage. It takes
minutes on a CPU; filling takes time by the damage, the rest by the pixels. An estimate is shown
before it starts.

PNG, JPEG, TIFF, WebP, BMP and GIF are read. The result has the picture's size, bit depth, alpha,
colour profile and metadata, and a TIFF's compression and axes. If the format of the output cannot
hold something, it is reported or refused."""

_EXAMPLES = """examples:
  dip-jax denoise noisy.png -o clean.png
  dip-jax inpaint scan.tif --mask scratches.png -o mended.tif --seeds 4
  dip-jax fill-hole photo.jpg --mask hole.png -o filled.png --report filled/
  dip-jax inpaint scans/ --mask masks/ -o mended/
  dip-jax reconstruct sparse.png --mask known.png --mask-polarity keep -o full.png
  dip-jax super-resolve small.png --factor 4 -o large.png
  dip-jax deblur photo.png --kernel psf.tif -o sharp.png

'dip-jax TASK --help' explains the options. 'dip-jax studio' opens a page in the browser, to paint
what is broken and watch it heal. 'dip-jax run TASK' runs an experiment with a sample, presets and a
work directory; 'dip-jax run --help' explains it.

"""


class Misused(SystemExit):
    """Words that are no command; it ends the process, and says why to who catches it."""

    def __init__(self, message: str) -> None:
        """Takes what is wrong, which has been told."""
        super().__init__(2)
        self.message = message


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, and says what may have been meant."""

    commands: Mapping[str, argparse.ArgumentParser]

    def parse_args(self, args=None, namespace=None):
        """As that of `argparse`, and pictures may stand on both sides of an option."""
        words = list(sys.argv[1:] if args is None else args)
        _check_task(self, words)
        arguments, rest = self.parse_known_args(words, namespace)
        if any(word.startswith("-") and word != "-" for word in rest):
            self.commands[arguments.command].error(
                _unknown_option(self.commands, arguments.command, rest)
            )
        arguments.images += rest
        arguments.image = arguments.images[0]  # where it is the only one; else see `plan`
        return arguments

    def error(self, message: str) -> NoReturn:
        tell_error(f"dip-jax: {message} (see '{self.prog} --help')")
        raise Misused(message)


def _check_task(parser: _Parser, words: Sequence[str]) -> None:
    """Refuses a command whose first word is no task, in place of whatever follows it."""
    tasks = ", ".join(COMMANDS)
    if not words:
        parser.error(f"say TASK ({tasks}) and a picture, as in 'dip-jax denoise noisy.png'")
    word = words[0]
    if word in COMMANDS or word in ("-h", "--help", "--version"):
        return
    if word.startswith("-"):
        parser.error(f"TASK ({tasks}) comes first, before {word}")
    near = [name for name, (task, *_) in COMMANDS.items() if word in (task, *task.split("_"))]
    known = [*COMMANDS, "run", "studio"]  # which are `__main__`'s
    near += difflib.get_close_matches(word.lower().replace("_", "-"), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    if not near and (os.path.exists(word) or os.path.splitext(word)[1]):
        hint = "; TASK comes before the picture"
    parser.error(f"{word!r} is no task (TASK is one of {tasks}){hint}")


def _unknown_option(
    commands: Mapping[str, argparse.ArgumentParser], command: str, rest: Sequence[str]
) -> str:
    """What is wrong with words that are left over, in words."""
    options = {name: _options(one) for name, one in commands.items()}
    word = next(word for word in rest if word.startswith("-")).partition("=")[0]
    near = difflib.get_close_matches(word, options[command], n=1)
    others = [name for name, known in options.items() if word in known]
    hint = ""
    if others:
        hint = f": it is for {', '.join(others)}"
    elif near:
        hint = f"; did you mean {near[0]}?"
    return f"{command} has no option {word}{hint}"


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [name for action in parser._actions for name in action.option_strings]


def make_parser() -> "_Parser":
    """The options of the command."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="dip-jax",
        description=_DESCRIPTION,
        epilog=_EXAMPLES + EXIT_CODES,
        formatter_class=raw,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"dip-jax {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="TASK", required=True, title="tasks", parser_class=_Parser
    )
    parser.commands = commands.choices
    for name, (task, line, description, example) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=line,
            description=description,
            epilog=f"example:\n  {example}\n\n{EXIT_CODES}",
            formatter_class=raw,
            allow_abbrev=False,
        )
        command.set_defaults(task=task)
        _add_files(command, masked=DOORS[task].fills, ending=DOORS[task].ending)
        if task in OPTIONS:
            OPTIONS[task](command.add_argument_group("how it was measured"))
        _add_fit(command)
        _add_rest(command)
    return parser


def _add_files(command: argparse.ArgumentParser, masked: bool, ending: str) -> None:
    files = command.add_argument_group("files")
    files.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="the damaged picture, with sides of 32 pixels or more; or several: files, folders, "
        "patterns such as 'scans/*.png'. Every page of a TIFF is a picture. If one cannot be used, "
        "that is reported, and the others are restored",
    )
    files.add_argument(
        "-o",
        "--output",
        metavar="FILE|DIR",
        help="where to write the result. FILE: the suffix chooses the format: .png, .jpg, .tif or "
        ".webp (JPEG is lossy and changes known pixels); its folder must exist. DIR: an existing "
        "folder, or a name that ends in a slash, or any name if there are several pictures; each "
        "result has the name of its picture. Default: beside IMAGE, with "
        f"{ending} before the suffix",
    )
    files.add_argument(
        "--force",
        action="store_true",
        help="replace existing results, which is otherwise refused before anything is done",
    )
    if masked:
        files.add_argument(
            "--mask",
            metavar="FILE|DIR",
            help="a picture of the same size as IMAGE, white where IMAGE is to be filled; strokes "
            "in a colour, or on transparency, work too. For a TIFF with several pages: one page "
            "for all, or as many. For several pictures: one for all, or a folder with one of each "
            "picture's name. Not needed for an IMAGE with alpha: its wholly transparent pixels are "
            "filled, and the result is opaque",
        )
        files.add_argument(
            "--mask-polarity",
            choices=("fill", "keep"),
            default="fill",
            help="what white in the mask means. fill (default): fill this. keep: keep this",
        )
        files.add_argument(
            "--no-keep-known",
            dest="keep_known",
            action="store_false",
            help="take all pixels from the network, instead of keeping known ones exactly",
        )
    files.add_argument(
        "--data-range",
        nargs=2,
        type=number,
        metavar=("LOW", "HIGH"),
        help="the values of black and white in IMAGE. Default: 0 255 for 8 bits, 0 65535 for 16 "
        "bits, 0 1 for floats. Needed for other floats, and for 12 bits in 16 (0 4095)",
    )
    files.add_argument(
        "--report",
        metavar="DIR",
        help="keep a work directory there, with curves, figures, a comparison, and the checkpoints "
        "that an interrupted run goes on from; for several pictures or pages, one for each. It "
        "must be a new or an empty folder",
    )


def _add_fit(command: argparse.ArgumentParser) -> None:
    fit = command.add_argument_group("the fit")
    fit.add_argument(
        "--seeds",
        type=whole,
        default=1,
        metavar="N",
        help="the number of fits, each with its own random numbers; the result is their mean. Each "
        "further fit takes as long as the first, and reduces the noise a little. Default: 1",
    )
    fit.add_argument(
        "--seed",
        type=whole,
        default=0,
        metavar="N",
        help="the first seed; the same seed gives the same result. Default: 0",
    )
    fit.add_argument(
        "--steps",
        type=whole,
        metavar="N",
        help="the largest number of steps of a fit, which often stops by itself before. More steps "
        "take longer and follow the picture more closely, damage included. Default: 300 to 1200, "
        "depending on the task",
    )
    fit.add_argument(
        "--criterion",
        choices=("heldout", "wmv", "none"),
        help="when to stop, and which step to take. heldout (default): by the PSNR on pixels held "
        "out of the fit. wmv: by the variance of the outputs, for JPEG blocks and other correlated "
        "damage; with --steps 3000 or so. none: the last step",
    )
    fit.add_argument(
        "--draft",
        "--quick",  # as it was called
        action="store_true",
        help="a first look, in seconds: by the picture's own patches, with no network, where gaps "
        "are narrow or noise is white; else few steps of one, and up to a minute more the first "
        "time, for compilation",
    )
    fit.add_argument(
        "--memory",
        type=number,
        metavar="GB",
        help="the memory that a picture may take, as the estimate counts it. In denoising and "
        "filling what takes more is fitted in tiles, the smaller the less there is; elsewhere, or "
        "if that is not enough, it is refused. Default: what the machine has",
    )
    fit.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other field of the configuration, such as learning_rate=0.005 or "
        "network.down=(16,32,64,128,128); 'dip-jax run TASK --help' lists them; may be given "
        "several times",
    )


def _add_rest(command: argparse.ArgumentParser) -> None:
    rest = command.add_argument_group("messages")
    rest.add_argument("-q", "--quiet", action="store_true", help="report only what went wrong")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command, and gives its exit code.

    Args:
        argv: what follows the command's name; by default that of this process, which is then
            started anew with huge pages.
    """
    try:
        return _run(argv)
    except KeyboardInterrupt:  # before the fit, or after it
        tell_error("dip-jax: ended at once")
        return INTERRUPTED
    finally:
        let_go()


def _run(argv: Sequence[str] | None) -> int:
    arguments = make_parser().parse_args(argv)
    startup.prepare_memory(restart=argv is None)  # before JAX takes memory
    with ending_at_once("dip-jax: ended at once; nothing was written"):
        from dip_jax.cli.many_files import restore_files

    startup.keep_compiled_programs()
    return restore_files(arguments)


if __name__ == "__main__":
    sys.exit(main())
