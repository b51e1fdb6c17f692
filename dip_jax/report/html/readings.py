"""The values along the curves, as a table of one step."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from dip_jax.report.html.markup import tag
from dip_jax.report.style import OUTPUTS, REFERENCE_LABELS

MEASURES = {"psnr": ("PSNR (dB)", 2), "ssim": ("SSIM", 3)}  # the axis' label, decimals


class Line(NamedTuple):
    measure: str
    reference: str
    output: str
    seed: Any
    steps: np.ndarray
    values: np.ndarray


def cells_of(lines: Sequence[Line], steps: Sequence[int], many: bool) -> dict[str, list[str]]:
    """The text of every cell of the table, for every step; of several seeds, their extremes."""
    found: dict[str, dict[int, list[float]]] = {}
    for line in lines:
        by_step = found.setdefault(f"{line.measure}_{line.reference}_{line.output}", {})
        for step, value in zip(line.steps, line.values, strict=True):
            by_step.setdefault(int(step), []).append(float(value))
    ends = {"lowest": min, "highest": max} if many else {"": max}
    return {
        f"{key}{end and '_' + end}": [
            f"{pick(by_step[step]):.{MEASURES[key[:4]][1]}f}" if step in by_step else "–"
            for step in steps
        ]
        for key, by_step in found.items()
        for end, pick in ends.items()
    }


def table(
    lines: Sequence[Line],
    cells: Mapping[str, Sequence[str]],
    steps: Sequence[int],
    at: int,
    many: bool,
) -> Element:
    names = ["avg_lowest", "avg_highest"] if many else list(OUTPUTS)
    heads = ["lowest", "highest"] if many else list(OUTPUTS)
    measured = dict.fromkeys((line.measure, line.reference) for line in lines)
    body = []
    for measure, reference in measured:
        keys = [f"{measure}_{reference}_{name}" for name in names]
        body.append(
            tag(
                "tr",
                tag(
                    "th",
                    tag("span", class_=f"swatch {reference}"),
                    f"{measure.upper()} {REFERENCE_LABELS[reference]}",
                    scope="row",
                ),
                [tag("td", cells[key][at] if key in cells else "–", data_cell=key) for key in keys],
            )
        )
    return tag(
        "table",
        tag(
            "caption",
            "Values at step ",
            tag("span", f"{steps[at]:,}", id="values-step"),
            ", over the seeds" if many else None,
        ),
        tag(
            "thead",
            tag(
                "tr",
                tag("td"),
                [
                    tag("th", None if many else _sample(name), head, scope="col")
                    for name, head in zip(names, heads, strict=True)
                ],
            ),
        ),
        tag("tbody", body),
    )


def _sample(output: str) -> Element:
    line = tag("path", d="M1 4H27", class_=f"line {output}")
    return tag("svg", line, class_="sample", width=28, height=8, aria_hidden="true")
