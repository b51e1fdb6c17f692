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
from io import BytesIO
from pathlib import PurePath
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from PIL import Image

from dip_jax import reporting
from dip_jax.errors import InputError
from dip_jax.files import write_bytes
from dip_jax.markup import Child, document, tag
from dip_jax.pictures.values import from_float
from dip_jax.report_curves import curves
from dip_jax.report_figures import chosen_figures, count, duration, figures, run, seeds

LONGEST_SIDE = 2048  # pixels; a larger picture is reduced to it

_DONE = {
    "denoise": "Noise removed from",
    "text_inpaint": "Text removed from",
    "hole_fill": "Holes filled in",
    "reconstruct": "Missing pixels rebuilt in",
}
_CHOSEN_BY = {
    "heldout": "by its PSNR on held-out pixels",
    "wmv": "where the outputs were calmest (ES-WMV)",
    "oracle": "by the clean picture",
    "none": "as the last one",
}
_PICTURES = {
    "degraded": "What was given.",
    "restored": "The result.",
    "clean": "The undamaged picture, which psnr_true and ssim_true compare with.",
}


def report_html(
    *,
    panels: Sequence[tuple[str, np.ndarray]],
    rows: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    command: Sequence[str] = (),
) -> str:
    """The report of one run as HTML.

    Args:
        panels: `(label, image)` as for `reporting.comparison`, images `(h, w, 1)` or `(h, w, 3)` in
            [0, 1] and all of one size: the degraded one, the restored one, and what else there is.
            They are embedded as PNG with 8 bits, without loss up to `LONGEST_SIDE`.
        rows: of `metrics.jsonl`; they may be none.
        summary: as in `summary.json`. What is missing is left out.
        command: the arguments of the command line that was run; none leaves it out.

    Raises:
        InputError: fewer than two panels, or images that are of another shape or differ in size.
    """
    summary, rows = reporting.plain(summary), reporting.plain(list(rows))
    _check(panels)
    style = ":root{" + _colours() + "}\n" + _resource("report.css")
    script = _resource("report.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    heading = _heading(summary)
    h, w = np.asarray(panels[0][1]).shape[:2]
    drawn = curves(rows, summary)
    main = tag(
        "main",
        _header(heading, summary, (w, h)),
        _viewer(),
        _gallery(panels, summary),
        _section("Curves", [_curves_note(drawn, summary), *drawn]),
        _section("Figures", figures(summary)),
        _section("Seeds", seeds(summary)),
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
) -> None:
    """Write `report_html` to `path`, all of it or nothing."""
    html = report_html(panels=panels, rows=rows, summary=summary, command=command)
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
    return files("dip_jax").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _colours() -> str:
    colours = reporting.REFERENCES | {"oracle": reporting.ORACLE_COLOUR}
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def _section(title: str, children: Sequence[Element]) -> Element | None:
    return tag("section", tag("h2", title), children) if children else None


def _heading(summary: Mapping[str, Any]) -> str:
    name = PurePath(str(summary.get("image") or "picture")).name
    name += f", page {summary['page']}" if summary.get("page") else ""
    task = summary.get("task")
    return f"{_DONE[task]} {name}" if task in _DONE else f"{name} restored"


def _ending(summary: Mapping[str, Any]) -> str:
    """How the run ended, in one or two sentences."""
    steps, reason = summary.get("steps"), summary.get("stop_reason")
    seeds = len(summary.get("seeds") or [0])
    made = count(steps, "step") if steps is not None else "some steps"
    made += f" of {count(seeds, 'seed')}" if seeds > 1 else ""
    sentence = {
        "criterion": f"The run stopped by itself after {made}.",
        "num_steps": f"The run made all of its {made}.",
        "diverged": f"The fit kept falling apart and was ended after {made}.",
        "interrupted": f"The run was interrupted after {made}; the same command goes on from here.",
    }
    text = sentence.get(str(reason), f"The run ended after {made}.")
    chosen, criterion = summary.get("chosen_step"), str(summary.get("criterion"))
    if seeds > 1:
        text += " The result is the mean of the seeds' images."
    elif chosen is not None:
        how = _CHOSEN_BY.get(criterion, f"by {criterion}")
        text += f" The image of step {chosen:,} was chosen, {how}."
    if summary.get("refined"):
        of, names = "the known pixels", "Wiener, non-local Bayes"
        if summary.get("task") == "denoise":
            of, names = "the degraded picture", f"non-local means, {names}"
        whose = "Each of them" if seeds > 1 else "It"
        text += f" {whose} was refined by what filters without training make of {of} ({names})."
    return text


def _header(heading: str, summary: Mapping[str, Any], size: tuple[int, int]) -> Element:
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
        facts.append((duration(summary["seconds"]), "of fitting"))
    return tag(
        "header",
        tag("h1", heading),
        tag(
            "p",
            _ending(summary),
            class_="ending open" if summary.get("stop_reason") == "interrupted" else "ending",
        ),
        tag(
            "ul",
            [tag("li", tag("strong", value), " ", tag("span", what)) for value, what in facts],
            class_="facts",
        ),
    )


def _viewer() -> Element:
    """The before/after slider; `report.js` gives it the gallery's pictures."""
    sizes = [("fit", "Fit"), ("1", "100%"), ("2", "200%"), ("4", "400%")]
    return tag(
        "section",
        tag("h2", "Before and after", class_="hidden"),
        tag(
            "div",
            tag(
                "div",
                tag("img", id="right", alt=""),
                tag("img", id="left", alt=""),
                tag("span", class_="divider"),
                id="frame",
            ),
            id="stage",
        ),
        tag(
            "div",
            tag("span", id="left-name", class_="end", aria_hidden="true"),
            tag(
                "input",
                type="range",
                id="split",
                min=0,
                max=100,
                value=50,
                aria_label="How much of the picture on the left is shown",
            ),
            tag("span", id="right-name", class_="end", aria_hidden="true"),
            class_="split",
        ),
        tag(
            "fieldset",
            tag("legend", "Size"),
            [
                tag(
                    "label",
                    tag("input", type="radio", name="size", value=value, checked=value == "fit"),
                    tag("span", text),
                )
                for value, text in sizes
            ],
            class_="sizes",
        ),
        id="viewer",
        class_="js-only",
    )


def _gallery(panels: Sequence[tuple[str, np.ndarray]], summary: Mapping[str, Any]) -> Element:
    figures = []
    for i, (label, image) in enumerate(panels):
        name, _, rest = label.partition(" ")
        data, size, reduced = _embedded(image)
        note = _PICTURES.get(name)
        if name == "uncertainty":
            note, rest = _uncertainty_note(summary), ""
        choice = tag(
            "input",
            type="radio",
            name="with",
            value=i,
            checked=i == 0,
            aria_label=f"Compare {name} with restored",
            class_="js-only",
        )
        title = tag("strong", name[:1].upper() + name[1:])
        figures.append(
            tag(
                "figure",
                tag(
                    "label" if i != 1 else "div",
                    tag(
                        "img",
                        src=data,
                        alt=f"{name} picture{rest and ', '}{rest}",
                        width=size[0],
                        height=size[1],
                        data_name=name,
                    ),
                    tag(
                        "span",
                        choice if i != 1 else None,
                        title,
                        " ",
                        tag("span", rest),
                        class_="name",
                    ),
                ),
                tag("figcaption", note, f" Reduced to {size[0]} × {size[1]}." if reduced else None),
            )
        )
    written = summary.get("restored")
    where = f", and {written} beside this file holds the result whole" if written else ""
    return tag(
        "section",
        tag("h2", "Pictures"),
        tag("p", "Choose what the restored picture is compared with.", class_="note js-only"),
        tag("div", figures, class_="gallery"),
        tag("p", f"Shown with 8 bits per channel{where}.", class_="note"),
        id="pictures",
    )


def _embedded(image: np.ndarray) -> tuple[str, tuple[int, int], bool]:
    """A picture as the data URI of a PNG, its size, and whether it was reduced to that."""
    x = np.nan_to_num(np.asarray(image, np.float64))
    picture = Image.fromarray(from_float(x, np.uint8, 2 if x.shape[2] == 1 else 3))
    reduced = max(picture.size) > LONGEST_SIDE
    if reduced:
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    png = BytesIO()
    picture.save(png, format="PNG")
    data = base64.b64encode(png.getvalue()).decode()
    return f"data:image/png;base64,{data}", picture.size, reduced


def _uncertainty_note(summary: Mapping[str, Any]) -> str:
    white = (summary.get("uncertainty") or {}).get("white")
    note = "The standard deviation over the seeds. Black: they agree."
    return note if white is None else f"{note} White: {255 * white:.1f} of 255, or more."


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
