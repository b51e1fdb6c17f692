"""Every option of every door, from the one place that defines it.

`{command}` is the command `dip-jax`, out of its parser, and `{studio}` that of `dip-jax studio`;
`{configuration}` the fields of a configuration, out of `dip_jax.settings`.
"""

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dip_jax.cli.command import make_parser
from dip_jax.cli.configured import help_text
from dip_jax.settings import fields, meanings, tasks
from dip_jax.studio.command import make_parser as make_studio_parser


def _of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The options of a parser by their names, help apart."""
    return {
        ", ".join(action.option_strings) or str(action.metavar): action
        for action in parser._actions
        if action.dest != "help"
    }


def _named(name: str, action: argparse.Action) -> str:
    value = action.metavar
    if value is None and action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if isinstance(value, tuple):
        value = " ".join(value)
    return f"{name} {value}" if action.option_strings and value else name


def _plain(text: str) -> str:
    """A help text in Markdown: what a shell is given stays as it is."""
    code = r"'(?:dip-jax[^']*|[^' ]*\*[^' ]*)'|(?<![\w'`])--?[a-z][\w-]*(?: [a-z_.]+=\w+)?"
    text = re.sub(code, lambda found: f"`{found[0].strip(chr(39))}`", text)
    return text if text.endswith(".") else f"{text}."


def _listed(options: dict[str, argparse.Action], without: str = "") -> list[str]:
    lines = []
    for name, action in options.items():
        words = action.help or ""
        if without:
            words = words.replace(without, "the ending of the task")
        lines += [f"`{_named(name, action)}`", f": {_plain(words[:1].upper() + words[1:])}", ""]
    return lines


def command() -> list[str]:
    """The command, in Markdown: what all tasks share, and then each with its own."""
    tasks_of = make_parser().commands
    known = {name: _of(parser) for name, parser in tasks_of.items()}
    shared = [name for name in known["denoise"] if all(name in one for one in known.values())]
    lines = ["## Options of every task", ""]
    lines += _listed(
        {name: known["denoise"][name] for name in shared}, tasks.DOORS["denoise"].ending
    )
    for name, parser in tasks_of.items():
        task = tasks.DOORS[parser.get_default("task")]
        own = {option: known[name][option] for option in known[name] if option not in shared}
        example = (parser.epilog or "").split("example:\n")[1].split("\n\n")[0].strip()
        lines += [
            f"## dip-jax {name}",
            "",
            _plain(" ".join((parser.description or "").split())),
            "",
        ]
        lines += ["```bash", example, "```", ""]
        lines += [f"A result beside its picture ends in `{task.ending}`.", "", *_listed(own)]
    return lines


def _own(name: str, defaults: dict[str, dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """The default of a field in most tasks, and in those where it is another."""
    values = {task: of[name] for task, of in defaults.items() if name in of}
    of_most = max(values.values(), key=lambda value: list(values.values()).count(value))
    return of_most, {task: value for task, value in values.items() if value != of_most}


def _shown(value: Any) -> str:
    if isinstance(value, float):
        value = float(f"{value:.4g}")
    return f"`{value!r}`"


def configuration() -> list[str]:
    """The fields of a configuration, in Markdown."""
    defaults = {task: fields.fields(tasks.defaults(task)) for task in tasks.DOORS}
    names = list(dict.fromkeys(name for of in defaults.values() for name in of))
    lines: list[str] = []
    for name in names:
        if name in ("task", "preset"):
            continue
        of_most, others = _own(name, defaults)
        words = [meanings.MEANINGS[name].replace("*", r"\*")]
        if allowed := meanings.allowed(name):
            words.append(f"Allowed: {allowed}.")
        words.append(f"Default: {_shown(of_most)}" + ("." if not others else ";"))
        if others:
            words.append(", ".join(f"{_shown(v)} in {task}" for task, v in others.items()) + ".")
        lines += [f"`config.{name}`", f": {' '.join(words)}", ""]
    return lines


def run() -> list[str]:
    """The help of `dip-jax run`, as it is."""
    return ["```text", *help_text([]).splitlines(), "```"]


def studio() -> list[str]:
    """The options of `dip-jax studio`, in Markdown."""
    return _listed(_of(make_studio_parser()))


class _Generated(SphinxDirective):
    has_content = False
    make: Any

    def run(self) -> list[nodes.Node]:
        lines: Sequence[str] | Iterable[str] = type(self).make()
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    for make in (command, configuration, run, studio):
        directive = type(make.__name__, (_Generated,), {"make": staticmethod(make)})
        app.add_directive(f"{make.__name__}-options", directive)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
