"""A report to look at: one HTML file that holds everything it shows and loads nothing.

The page works without scripts and on paper; its script adds the before/after slider, the zoom and
the values along the curves. A strict Content-Security-Policy keeps it from loading anything.
"""

import base64
import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import PurePath
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from dip_jax.errors import InputError
from dip_jax.files import write_bytes
from dip_jax.report import records
from dip_jax.report.durations import in_words
from dip_jax.report.experiment import note_of
from dip_jax.report.html.curves import curves
from dip_jax.report.html.figures import chosen_figures, count, figures, parts, run, seeds
from dip_jax.report.html.gallery import gallery, viewer
from dip_jax.report.html.markup import Child, document, tag
from dip_jax.report.style import ORACLE_COLOUR, REFERENCES

_CHOSEN_BY = {
    "heldout": "by its PSNR on held-out pixels",
    "wmv": "where the outputs were calmest (ES-WMV)",
    "oracle": "by the clean picture",
    "none": "as the last one",
}


def report_html(
    *,
    panels: Sequence[tuple[str, np.ndarray]],
    rows: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    command: Sequence[str] = (),
    done: str = "",
    crops: bytes = b"",
) -> str:
    """The report of one run as HTML.

    Args:
        panels: `(label, image)` as for `comparison`, images `(h, w, 1)` or `(h, w, 3)` in
            [0, 1] and all of one size: the degraded one, the restored one, and what else there is.
            They are embedded as PNG with 8 bits, without loss up to `LONGEST_SIDE`.
        rows: of `metrics.jsonl`; they may be none.
        summary: as in `summary.json`. What is missing is left out.
        command: the arguments of the command line that was run; none leaves it out.
        done: what was done to the picture, as the title begins, such as "Noise removed from".
        crops: parts of a large picture at their full size, as the bytes of a PNG.

    Raises:
        InputError: fewer than two panels, or images that are of another shape or differ in size.
    """
    summary, rows = records.plain(summary), records.plain(list(rows))
    _check(panels)
    style = ":root{" + _colours() + "}\n" + _resource("report.css")
    script = _resource("report.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    heading = _heading(summary, done)
    h, w = np.asarray(panels[0][1]).shape[:2]
    if summary.get("parts") is not None:  # the panels are reduced
        h, w = summary["shape"][:2]
    drawn = curves(rows, summary)
    main = tag(
        "main",
        _header(heading, summary, (w, h)),
        viewer(),
        gallery(panels, summary),
        _crops(crops),
        _section("Curves", [_curves_note(drawn, summary), *drawn]),
        _section("Figures", figures(summary)),
        _section("Seeds", seeds(summary)),
        _section("Parts", parts(summary)),
        _section("The run", run(summary)),
        _command(command),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{heading} – dip_jax"),
        tag("style", style),
    )
    body = tag("body", main, _footer(summary), tag("script", script))
    return document(tag("html", head, body, lang="en"))


def write_report(
    path: str | os.PathLike[str],
    *,
    panels: Sequence[tuple[str, np.ndarray]],
    rows: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    command: Sequence[str] = (),
    done: str = "",
    crops: bytes = b"",
) -> None:
    """Write `report_html` to `path`, all of it or nothing."""
    html = report_html(
        panels=panels, rows=rows, summary=summary, command=command, done=done, crops=crops
    )
    write_bytes(path, html.encode())


def _check(panels: Sequence[tuple[str, np.ndarray]]) -> None:
    if len(panels) < 2:
        raise InputError(
            f"a report has {len(panels)} panels; expected at least the degraded and the restored "
            "picture"
        )
    size = np.asarray(panels[0][1]).shape[:2]
    for label, image in panels:
        shape = np.shape(image)
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape or shape[:2] != size:
            raise InputError(
                f"panel {label!r} has shape {shape}; expected (h, w, 1) or (h, w, 3), with the "
                f"height and width of {panels[0][0]!r}"
            )


def _resource(name: str) -> str:
    return files("dip_jax.report.html").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _colours() -> str:
    colours = REFERENCES | {"oracle": ORACLE_COLOUR}
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def _section(title: str, children: Sequence[Element]) -> Element | None:
    return tag("section", tag("h2", title), children) if children else None


def _heading(summary: Mapping[str, Any], done: str) -> str:
    name = PurePath(str(summary.get("image") or "picture")).name
    name += f", page {summary['page']}" if summary.get("page") else ""
    return f"{done} {name}" if done else f"{name} restored"


def _ending(summary: Mapping[str, Any]) -> str:
    """How the run ended, in one or two sentences."""
    steps, reason = summary.get("steps"), summary.get("stop_reason")
    seeds = len(summary.get("seeds") or [0])
    made = count(steps, "step") if steps is not None else "some steps"
    made += f" of {count(seeds, 'seed')}" if seeds > 1 else ""
    sentence = {
        "criterion": f"The run stopped by itself after {made}.",
        "num_steps": f"The run made all of its {made}.",
        "schedule": f"The run came to the end of its schedule, after {made}.",
        "diverged": f"The fit kept falling apart and was ended after {made}.",
        "interrupted": f"The run was interrupted after {made}; the same command goes on from here.",
        "no_fit": "The picture is smooth all around the damage, and was continued there by a smooth"
        " surface, with no network.",
        "alone": "The picture was restored by its own patches, with no network.",
        "failed": "Every fit failed. Where the picture is smooth all around the damage it was"
        " continued by a smooth surface; the rest is as it was.",
    }
    text = sentence.get(str(reason), f"The run ended after {made}.")
    if parts := summary.get("parts"):
        text += f" The picture was fitted in {count(parts, 'part')}"
        left = summary.get("parts_left")
        text += f"; {left} have no result yet and are as they were." if left else "."
    chosen, criterion = summary.get("chosen_step"), str(summary.get("criterion"))
    if seeds > 1:
        text += " The result is the mean of the seeds' images."
    elif chosen is not None:
        how = _CHOSEN_BY.get(criterion, f"by {criterion}")
        text += f" The image of step {chosen:,} was chosen, {how}."
    if summary.get("refined"):
        whose = "Each of them" if seeds > 1 else "It"
        ending = "filling" if summary.get("filled_share") is not None else "denoising"
        ending = summary.get("ending", ending)
        if ending == "agreement":
            text += (
                f" {whose} was made to agree with what was measured, as far as the measurements"
                " that were held out of the fit say it should."
            )
        elif ending == "compression":
            text += (
                f" {whose} was averaged with what non-local means make of the degraded picture,"
                " and brought to what may have been compressed to it."
            )
        elif ending == "denoising":
            text += (
                f" {whose} was refined: it has a share, the less the farther it is off, or none, in"
                " what filters without training make of the degraded picture (non-local means,"
                " Wiener, non-local Bayes)."
            )
        else:
            text += (
                f" {whose} was refined by what filters without training make of the known pixels"
                " (Wiener, non-local Bayes)."
            )
    return text


def _header(heading: str, summary: Mapping[str, Any], size: tuple[int, int]) -> Element:
    note = note_of(summary)
    before = (summary.get("degraded") or {}).get("psnr_true")
    metrics = summary.get("metrics") or {}
    after = (metrics.get("restored") or {}).get("psnr_true")
    facts: list[tuple[str, str]] = []
    if before is not None and after is not None:
        facts.append((f"{before:.2f} → {after:.2f} dB", "PSNR against the clean picture"))
    elif (held := chosen_figures(summary).get("psnr_heldout")) is not None:
        facts.append((f"{held:.2f} dB", "PSNR of the network on held-out pixels"))
    facts.append((f"{size[0]:,} × {size[1]:,}", "pixels"))
    if summary.get("filled_share") is not None:
        facts.append((f"{100 * summary['filled_share']:.1f}%", "of the picture filled"))
    if summary.get("seconds") is not None:
        facts.append(
            (
                in_words(summary["seconds"]),
                "of refinement" if summary.get("stop_reason") == "alone" else "of fitting",
            )
        )
    return tag(
        "header",
        tag("h1", heading),
        tag(
            "p",
            _ending(summary),
            class_="ending open" if summary.get("stop_reason") == "interrupted" else "ending",
        ),
        tag("p", f"Mind that {note}.", class_="ending open") if note else None,
        tag(
            "ul",
            [tag("li", tag("strong", value), " ", tag("span", what)) for value, what in facts],
            class_="facts",
        ),
    )


def _crops(png: bytes) -> Element | None:
    if not png:
        return None
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    note = "A large picture is shown reduced. These are some of its parts, pixel by pixel:"
    image = tag("img", src=source, alt="Parts of the picture before and after", class_="crops")
    return _section("At full size", [tag("p", note, class_="note"), image])


def _curves_note(drawn: Sequence[Element], summary: Mapping[str, Any]) -> Element:
    if not drawn:
        return tag("p", "Nothing was measured on the way.", class_="note")
    text = (
        "The quality at each logged step: of the moving average of the network’s outputs (avg)"
        + (", one line for each seed" if len(summary.get("seeds") or []) > 1 else "")
        + (" and of the output itself (out)" if len(summary.get("seeds") or []) < 2 else "")
        + ". The dotted line marks the chosen step."
    )
    if oracle := summary.get("oracle"):
        text += (
            f" The star is the oracle: the best average, {oracle['psnr_true_avg']:.2f} dB at step "
            f"{oracle['step_avg']:,}, which only the clean picture can tell."
        )
    return tag("p", text, class_="note")


def _command(command: Sequence[str]) -> Element | None:
    if not command:
        return None
    arguments: list[Child] = []
    for argument in command:  # each in an element of its own, so that lines break between them
        arguments += [" " if arguments else None, tag("span", shlex.quote(argument))]
    copy = tag(
        "p",
        tag("button", "Copy", type="button", id="copy"),
        tag("span", id="copied", role="status"),
        class_="js-only",
    )
    code = tag("pre", tag("code", arguments, id="command"))
    return _section("The command", [code, copy])


def _footer(summary: Mapping[str, Any]) -> Element:
    version = (summary.get("versions") or {}).get("dip_jax")
    return tag(
        "footer",
        f"dip_jax{f' {version}' if version else ''}. This file is complete in itself and loads "
        "nothing.",
    )
