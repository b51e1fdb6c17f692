"""What a run leaves behind to look at: JSON, metrics, the comparison and the curves.

Images are float arrays `(h, w, c)` with values in [0, 1] and c = 1 or 3. PSNRs are in dB. Every
whole file is written atomically: whoever opens it sees the old one or the new one, never a half.
"""

import io
import itertools
import json
import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageFont

from dip_jax.errors import InputError
from dip_jax.files import to_utf8, write_atomically, write_bytes

# Okabe and Ito's palette, which colour-blind readers can tell apart.
REFERENCES = {"true": "#009E73", "heldout": "#0072B2", "observed": "#D55E00"}
REFERENCE_LABELS = {"true": "true", "heldout": "held-out", "observed": "observed"}
OUTPUTS = {"avg": "-", "out": "--"}
ORACLE_COLOUR = "#E69F00"

PANEL_PIXELS = 224  # a picture whose longer side is shorter than this is enlarged
COLUMN_PIXELS = 160  # the narrowest column that still has room for a label

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def plain(value: Any) -> Any:
    """`value` in the types that strict JSON knows."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype.kind == "f":
            return plain(array.astype(np.float64).tolist())
        if array.dtype.kind in "biuU":
            return plain(array.tolist())
    raise TypeError(f"JSON cannot hold a {type(value).__name__}: {value!r}")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as strict JSON with indent 2, atomically.

    Mappings, sequences, paths, and NumPy (or other array-like) scalars and arrays are accepted;
    NaN and infinity become null. Raises `TypeError` for anything else that JSON does not know.
    """
    text = json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    write_bytes(path, to_utf8(text))


def write_metrics(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write all of `metrics.jsonl`, one JSON object per row and line, atomically."""
    write_bytes(path, b"".join(_metrics_line(row) for row in rows))


def append_metrics(path: str | os.PathLike[str], row: Mapping[str, Any]) -> None:
    """Append one line to `metrics.jsonl`, whole and at once, for whoever follows the file."""
    line = _metrics_line(row)
    with open(path, "ab") as file:
        file.write(line)
        file.flush()


def write_picture(path: str | os.PathLike[str], picture: Image.Image) -> None:
    """Write `picture` (of `comparison` or `curves`) as PNG, atomically."""
    write_atomically(path, lambda file: picture.save(file, format="PNG"))


def comparison(panels: Sequence[tuple[str, np.ndarray]]) -> Image.Image:
    """The panels side by side on white, each with its label above, as an RGB picture.

    A panel is `(label, image)`, image `(h, w, c)` in [0, 1], c = 1 or 3; values outside are
    clipped. Pixels are shown as they are, rounded to 8 bits; a small image is enlarged by a whole
    factor, pixel by pixel. A label wraps, and shrinks if need be, to stay within its panel.
    Raises `InputError` if there are no panels or an image has another shape.
    """
    if not panels:
        raise InputError("a comparison has no panels; expected at least one (label, image)")
    pictures = [_enlarged(_to_uint8(image, label)) for label, image in panels]
    columns = [max(picture.width, COLUMN_PIXELS) for picture in pictures]

    gap = max(12, min(columns) // 24)
    font_size = int(np.clip(min(columns) / 15, 14, 64))
    labels = [
        _fit_label(label, column, font_size)
        for (label, _), column in zip(panels, columns, strict=True)
    ]
    head = max(height for _, _, height in labels)

    top = gap + head + font_size // 2
    width = sum(columns) + gap * (len(columns) + 1)
    canvas = Image.new("RGB", (width, top + max(p.height for p in pictures) + gap), "white")
    draw = ImageDraw.Draw(canvas)
    left = gap
    for picture, column, (text, font, height) in zip(pictures, columns, labels, strict=True):
        centre = left + column / 2
        label_at = (centre, gap + head - height)
        draw.multiline_text(label_at, text, "black", font, anchor="ma", align="center")
        corner = (left + (column - picture.width) // 2, top)
        end = (corner[0] + picture.width, corner[1] + picture.height)
        draw.rectangle((corner[0] - 1, corner[1] - 1, *end), outline="#BBBBBB")
        canvas.paste(picture, corner)
        left += column + gap
    return canvas


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
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi="figure", facecolor="white")
    return Image.open(png).convert("RGB")


def _metrics_line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(plain(row), allow_nan=False, ensure_ascii=False).encode() + b"\n"


def _to_uint8(image: np.ndarray, label: str) -> np.ndarray:
    """An image `(h, w, c)` in [0, 1] as uint8 `(h, w, 3)`."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise InputError(
            f"panel {label!r} has shape {image.shape}; expected (h, w, 1) or (h, w, 3)"
        )
    values = np.clip(np.nan_to_num(image.astype(np.float64)), 0.0, 1.0)
    bytes_ = np.round(values * 255.0).astype(np.uint8)
    return np.broadcast_to(bytes_, (*image.shape[:2], 3))


def _enlarged(pixels: np.ndarray) -> Image.Image:
    factor = math.ceil(PANEL_PIXELS / max(pixels.shape[:2]))
    return Image.fromarray(np.ascontiguousarray(pixels.repeat(factor, 0).repeat(factor, 1)))


def _fit_label(label: str, width: int, font_size: int) -> tuple[str, Font, int]:
    """The label in lines no wider than `width` pixels, its font, and its height in pixels."""
    for size in range(font_size, 9, -1):
        font = ImageFont.load_default(size)
        text = _wrapped(label, width, font)
        if text.count("\n") < 2 and _text_size(text, font)[0] <= width:
            break
    while _text_size(text, font)[0] > width or text.count("\n") > 2:
        label = label[:-1]
        text = _wrapped(label + "...", width, font)
    return text, font, _text_size(text, font)[1]


def _wrapped(label: str, width: int, font: Font) -> str:
    lines: list[str] = []
    for word in label.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _text_size(longer, font)[0] <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def _text_size(text: str, font: Font) -> tuple[int, int]:
    """Width and height in pixels; the height counts descenders so that labels share a baseline."""
    lines = text.split("\n")
    width = math.ceil(max(font.getlength(line) for line in lines))
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    height = draw.multiline_textbbox((0, 0), "\n".join(["Ag"] * len(lines)), font, anchor="la")[3]
    return width, math.ceil(height)


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
