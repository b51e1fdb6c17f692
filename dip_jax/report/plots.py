"""The curves of a run as a picture.

Matplotlib takes long to import, so nothing imports this before the fit has ended.
"""

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from PIL import Image

from dip_jax.report.style import ORACLE_COLOUR, OUTPUTS, REFERENCE_LABELS, REFERENCES


def curves(
    rows: Sequence[Mapping[str, Any]],
    chosen_step: int | None,
    criterion: str,
    title: str,
    oracle: Mapping[str, float] | None = None,
) -> Image.Image:
    """PSNR in dB, and SSIM below it, against the step, as an RGB picture.

    Rows are those of `metrics.jsonl`: `step` and any of `psnr_{true,heldout,observed}_{avg,out}`
    and `ssim_{true,observed}_{avg,out}`, where absent, None and non-finite values are not drawn.
    One colour per reference, solid for avg and dashed for out; where rows have a `seed`, one line
    for the avg of each seed. `chosen_step` is a vertical line
    with the name of the `criterion` that chose it; the best `psnr_true_avg`, which only an oracle
    can choose, is marked: that of `oracle`, with `psnr_true_avg` and `step_avg` over all steps, or
    else that of the rows. The lower limit of y leaves out the bad values of the first steps.
    """
    with_ssim = any(_series(rows, key)[0].size for key in _keys("ssim"))
    figure = Figure(
        figsize=(10, 6.8 if with_ssim else 4.4),
        dpi=120,
        facecolor="white",
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
    )
    axes: list[Axes] = list(
        figure.subplots(
            2 if with_ssim else 1,
            sharex=True,
            squeeze=False,
            height_ratios=[3, 2] if with_ssim else [1],
        )[:, 0]
    )
    axes[0].set_title(textwrap.fill(title, 80), parse_math=False, fontsize=12, pad=22)
    _draw_measure(axes[0], rows, "psnr")
    axes[0].set_ylabel("PSNR (dB)")
    _mark_oracle(axes[0], rows, oracle)
    if with_ssim:
        _draw_measure(axes[1], rows, "ssim")
        axes[1].set_ylabel("SSIM")
    axes[-1].set_xlabel("step")
    _limit_steps(axes[-1], rows, chosen_step)
    if chosen_step is not None:
        _mark_chosen(axes, rows, chosen_step, criterion)

    entries: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        figure.legend(
            handles=list(entries.values()),
            labels=list(entries),
            loc="outside right upper",
            frameon=False,
            fontsize=9,
            handlelength=2.6,
        )
    figure.align_ylabels(axes)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))


def _keys(measure: str) -> list[str]:
    return [f"{measure}_{reference}_{output}" for reference in REFERENCES for output in OUTPUTS]


def _series(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps `(n,)` and values `(n,)` of the rows where `key` is a finite number, by step."""
    points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
    steps, values = np.asarray(points, np.float64).reshape(-1, 2).T
    kept = np.flatnonzero(np.isfinite(values))
    kept = kept[np.argsort(steps[kept], kind="stable")]
    return steps[kept], values[kept]


def _by_seed(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The rows of each seed, where they have one; else all of them together."""
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row.get("seed"), []).append(row)
    return list(groups.values())


def _draw_measure(axis: Axes, rows: Sequence[Mapping[str, Any]], measure: str) -> None:
    lowest, highest = math.inf, -math.inf
    seeds = _by_seed(rows)
    many = len(seeds) > 1
    for reference, colour in REFERENCES.items():
        for (output, dashes), own in itertools.product(OUTPUTS.items(), seeds):
            steps, values = _series(own, f"{measure}_{reference}_{output}")
            if not values.size or (many and output == "out"):
                continue
            axis.plot(
                steps,
                values,
                dashes,
                color=colour,
                linewidth=1.8 if output == "avg" and not many else 1.0,
                alpha=1.0 if output == "avg" and not many else 0.75,
                zorder=3 if output == "avg" else 2,
                marker=("o" if output == "avg" else "s") if values.size < 3 else None,
                markersize=4,
                label=f"{REFERENCE_LABELS[reference]}, {output}",
            )
            # Per curve, so that one curve far below the others is not cut off as a whole.
            lowest = min(lowest, float(np.percentile(values, 10)))
            highest = max(highest, float(values.max()))
    axis.grid(color="#E5E5E5", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    if highest < lowest:
        axis.text(
            0.5, 0.5, "nothing measured", transform=axis.transAxes, ha="center", color="#777777"
        )
        axis.set_yticks([])
        return
    margin = max(0.08 * (highest - lowest), 0.25 if measure == "psnr" else 0.01)
    axis.set_ylim(lowest - margin, highest + margin)


def _limit_steps(axis: Axes, rows: Sequence[Mapping[str, Any]], chosen_step: int | None) -> None:
    steps = [float(row["step"]) for row in rows]
    if chosen_step is not None:
        steps.append(float(chosen_step))
    if steps:
        margin = max(0.02 * (max(steps) - min(steps)), 1.0)
        axis.set_xlim(min(steps) - margin, max(steps) + margin)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _mark_oracle(
    axis: Axes, rows: Sequence[Mapping[str, Any]], oracle: Mapping[str, float] | None
) -> None:
    steps, values = _series(rows, "psnr_true_avg")
    if not values.size or len(_by_seed(rows)) > 1:
        return
    best = int(values.argmax())
    step, value = float(steps[best]), float(values[best])
    if oracle:
        step, value = oracle["step_avg"], oracle["psnr_true_avg"]
    axis.plot(
        step,
        value,
        "*",
        color=ORACLE_COLOUR,
        markeredgecolor="black",
        markeredgewidth=0.6,
        markersize=11,
        zorder=5,
        linestyle="none",
        label=f"oracle: {value:.2f} dB\nat step {step:.0f}",
    )
    axis.annotate(
        "oracle",
        (step, value),
        xytext=(0, -9),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=9,
        zorder=6,
        path_effects=[patheffects.withStroke(linewidth=3, foreground="white")],
    )


def _mark_chosen(
    axes: Sequence[Axes], rows: Sequence[Mapping[str, Any]], chosen_step: int, criterion: str
) -> None:
    steps, values = _series(rows, "psnr_true_avg")
    at = np.flatnonzero(steps == chosen_step)
    label = f"chosen: step {chosen_step}"
    if at.size:
        label = f"chosen: {values[at[-1]]:.2f} dB true\nat step {chosen_step}"
    for axis in axes:
        axis.axvline(chosen_step, color="black", linewidth=1.0, linestyle=":", label=label)
    # Above the frame, where it hides no data, and leaning inwards near the ends.
    low, high = axes[0].get_xlim()
    across = (chosen_step - low) / (high - low)
    axes[0].annotate(
        f"chosen by {criterion}: step {chosen_step}",
        (chosen_step, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="left" if across < 0.2 else "right" if across > 0.8 else "center",
        va="bottom",
        fontsize=9,
        parse_math=False,
    )
