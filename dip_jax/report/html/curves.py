"""The curves of a report: SVG of any width, whose values can be read off step by step.

Positions are shares of the frame, so that the same SVG fits a phone and a desktop with text of the
same size. `report.js` moves the cursor; without it the values at the chosen step are shown.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from matplotlib.ticker import MaxNLocator

from dip_jax.report.html.markup import tag
from dip_jax.report.html.readings import MEASURES, Line, cells_of, table
from dip_jax.report.style import OUTPUTS, REFERENCE_LABELS, REFERENCES

Rows = Sequence[Mapping[str, Any]]

_TICKS = [1, 2, 2.5, 5, 10]
_STAR = " ".join(
    f"{r * math.sin(k * math.pi / 5):.2f},{-r * math.cos(k * math.pi / 5):.2f}"
    for k, r in enumerate([8.0, 3.4] * 5)
)


def curves(rows: Rows, summary: Mapping[str, Any]) -> list[Element]:
    """PSNR, and SSIM below it, against the step, with a table of the values at one step.

    Args:
        rows: of `metrics.jsonl`; where they have a `seed`, one line for the average of each.
        summary: of `summary.json`, of which `chosen_step`, `lanes` and `oracle` are marked.

    Returns:
        The elements; none where nothing was measured.
    """
    lines = _lines(rows)
    if not lines:
        return []
    steps = sorted({int(step) for line in lines for step in line.steps})
    many = len({line.seed for line in lines}) > 1
    chosen = _chosen_steps(summary)
    oracle = None if many else summary.get("oracle")
    marked = [*steps, *chosen.values(), *([oracle["step_avg"]] if oracle else [])]
    low, high = min(marked), max(marked)
    low, high = (low, high) if low < high else (low - 1, high + 1)
    at = steps.index(min(steps, key=lambda s: abs(s - chosen[""]))) if "" in chosen else -1

    present = [name for name in MEASURES if any(line.measure == name for line in lines)]
    plots: list[Element] = []
    for name in present:
        own = [line for line in lines if line.measure == name]
        plot = _Plot(name, own, (low, high), oracle if name == "psnr" else None)
        plots.append(plot.draw(chosen, first=not plots, last=name == present[-1], at=steps[at]))
    cells = cells_of(lines, steps, many)
    data = {"steps": steps, "low": low, "high": high, "cells": cells}
    control = tag(
        "div",
        tag("label", "Step ", tag("output", f"{steps[at]:,}", id="step-value"), for_="step"),
        tag(
            "input",
            type="range",
            id="step",
            min=0,
            max=len(steps) - 1,
            value=at % len(steps),
            aria_valuetext=f"step {steps[at]}",
        ),
        class_="step js-only",
    )
    values = tag(
        "div",
        table(lines, cells, steps, at, many),
        class_="values",
    )
    # A browser does not run JSON; with < written as \u003c no text in it can end the element.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return [
        tag(
            "div",
            tag("div", plots, control, class_="plots"),
            values,
            class_="curves",
        ),
        tag("script", text, type="application/json", id="curves-data"),
    ]


def _lines(rows: Rows) -> list[Line]:
    """What is drawn: of each reference the average and the output, or the average of each seed."""
    seeds: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        seeds.setdefault(row.get("seed"), []).append(row)
    outputs = ["avg"] if len(seeds) > 1 else list(OUTPUTS)
    lines = []
    for measure in MEASURES:
        for reference in REFERENCES:
            for output in outputs:
                for seed, own in seeds.items():
                    key = f"{measure}_{reference}_{output}"
                    points = sorted(
                        (row["step"], row[key])
                        for row in own
                        if row.get(key) is not None and math.isfinite(row[key])
                    )
                    if points:
                        x, y = np.array(points, np.float64).T
                        lines.append(Line(measure, reference, output, seed, x, y))
    return lines


def _chosen_steps(summary: Mapping[str, Any]) -> dict[str, int]:
    """The chosen step under "", or that of each seed under its name."""
    if summary.get("chosen_step") is not None:
        return {"": int(summary["chosen_step"])}
    lanes = summary.get("lanes") or []
    return {f"seed {lane['seed']}": int(lane["chosen_step"]) for lane in lanes}


class _Plot:
    """The frame of one measure, in which everything has its place as a share of the frame."""

    def __init__(
        self,
        measure: str,
        lines: Sequence[Line],
        steps: tuple[int, int],
        oracle: Mapping[str, float] | None,
    ) -> None:
        self._label, self._decimals = MEASURES[measure]
        self._lines, self._steps = lines, steps
        self._star: tuple[float, float] | None = None
        if oracle and any(line.reference == "true" for line in lines):
            self._star = oracle["step_avg"], oracle["psnr_true_avg"]
        # Without the bad values of the first steps, which would squash the rest; per line, so that
        # one far below the others is not cut off as a whole.
        low = min(float(np.percentile(line.values, 10)) for line in lines)
        high = max(float(line.values.max()) for line in lines)
        high = max(high, self._star[1]) if self._star else high
        margin = max(0.08 * (high - low), 0.25 if measure == "psnr" else 0.01)
        self._low, self._high = low - margin, high + margin

    def _x(self, step: float) -> float:
        return (step - self._steps[0]) / (self._steps[1] - self._steps[0])

    def _y(self, value: float) -> float:
        return 1 - (value - self._low) / (self._high - self._low)

    def draw(self, chosen: Mapping[str, int], *, first: bool, last: bool, at: int) -> Element:
        paths = [
            tag("path", d=self._path(line), class_=f"line {line.reference} {line.output}")
            for line in reversed(self._lines)  # so that the first, the true one, lies on top
        ]
        several = len({line.seed for line in self._lines}) > 1
        svg = tag(
            "svg",
            self._grid(last),
            tag(
                "svg",
                paths,
                viewBox="0 0 1000 1000",
                preserveAspectRatio="none",
                width="100%",
                height="100%",
                class_="several" if several else None,
            ),
            tag(
                "line",
                x1=_percent(self._x(at)),
                x2=_percent(self._x(at)),
                y1="0",
                y2="100%",
                class_="cursor js-only",
            ),
            [self._mark_chosen(name, step, first) for name, step in chosen.items()],
            self._mark_oracle() if self._star else None,
            class_="plot",
            role="img",
            aria_label=self._describe(chosen),
        )
        return tag(
            "figure", tag("figcaption", self._label), svg, class_=f"chart{' last' if last else ''}"
        )

    def _path(self, line: Line) -> str:
        points = [
            f"{1000 * self._x(step):.1f} {1000 * self._y(value):.1f}"
            for step, value in zip(line.steps, line.values, strict=True)
        ]
        return f"M{points[0]}h0L{'L'.join(points)}"  # "h0": a single point shows as a dot

    def _grid(self, last: bool) -> list[Element]:
        parts = []
        decimals = 0
        values = [
            value
            for value in MaxNLocator(5, steps=_TICKS).tick_values(self._low, self._high)
            if self._low <= value <= self._high
        ]
        while any(abs(round(value, decimals) - value) > 1e-9 for value in values) and decimals < 6:
            decimals += 1
        for value in values:
            y = _percent(self._y(value))
            parts.append(tag("line", x1="0", x2="100%", y1=y, y2=y, class_="grid"))
            text = f"{value:.{decimals}f}"
            parts.append(tag("text", text, x="-8", y=y, dy="0.35em", class_="tick left"))
        parts.append(tag("line", x1="0", x2="100%", y1="100%", y2="100%", class_="axis"))
        for step in (
            MaxNLocator(4, integer=True, steps=_TICKS).tick_values(*self._steps) if last else ()
        ):
            if self._steps[0] <= step <= self._steps[1]:
                x = _percent(self._x(step))
                parts.append(tag("text", f"{step:,.0f}", x=x, y="100%", dy="1.5em", class_="tick"))
        return parts

    def _mark_chosen(self, name: str, step: int, first: bool) -> list[Element]:
        x = _percent(self._x(step))
        marks = [tag("line", x1=x, x2=x, y1="0", y2="100%", class_="chosen", data_step=step)]
        if first and not name:
            text = f"chosen: step {step:,}"
            marks.append(
                tag("text", text, x=x, y="-8", class_=f"mark {_side(self._x(step))}".strip())
            )
        return marks

    def _mark_oracle(self) -> list[Element]:
        assert self._star is not None
        step, value = self._star
        x, y = _percent(self._x(step)), _percent(self._y(value))
        side = f"mark {_side(self._x(step))}".strip()
        return [
            tag("svg", tag("polygon", points=_STAR), x=x, y=y, class_="oracle", overflow="visible"),
            tag("text", f"oracle: {value:.2f}", x=x, y=y, dy="1.9em", class_=side),
        ]

    def _describe(self, chosen: Mapping[str, int]) -> str:
        ends = [
            f"{REFERENCE_LABELS[line.reference]} {line.output}"
            f"{'' if line.seed is None else f' of seed {line.seed}'} ends at "
            f"{line.values[-1]:.{self._decimals}f}"
            for line in self._lines
        ]
        marks = [f"{name} chosen step {step}".strip() for name, step in chosen.items()]
        return f"{self._label} against the step: {'; '.join([*ends, *marks])}."


def _percent(share: float) -> str:
    return f"{100 * share:.3f}%"


def _side(across: float) -> str:
    """Which way a label leans, to stay within the frame."""
    return "right" if across < 0.2 else "left" if across > 0.8 else ""
