"""The gallery of the documentation: what every task does to a photograph, and its curves.

    python -m benchmarks.gallery              makes docs/gallery/, in a quarter of an hour or so

Every task is run as `dip-jax run` runs it, on a small sample of scikit-image, and what the page
says is what the run has measured. The last one is `restore` with an operator: magnetic resonance
imaging of the phantom. Beside the page stand the picture of the README and the figures of "How it
works", of a denoising fit that goes on far too long.

Resumable: each run has a work directory under `--work`, and a finished one is not run again.
`--draft` makes all with few steps, to try the drawing.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import dip_jax
from benchmarks.common.tables import commit, kept, machine, versions
from dip_jax import operators
from dip_jax.files import write_bytes
from dip_jax.fit.learning_rate import learning_rate
from dip_jax.forward.metrics import psnr
from dip_jax.pictures import reading, samples
from dip_jax.pictures.values import to_float
from dip_jax.report.progress import PlainProgress
from dip_jax.report.style import REFERENCES
from dip_jax.run.start import start
from dip_jax.settings import fields, tasks

PAGES = Path(__file__).parents[1] / "docs" / "gallery"
_QUALITY = 90  # of the JPEGs
_GAP = 6  # pixels between pictures

Rows = Sequence[Mapping[str, Any]]


class Shown(NamedTuple):
    """What is shown of a task: a title, what is done, and the fields that differ."""

    title: str
    words: str
    changes: dict[str, Any]


def _sample(name: str, side: int) -> dict[str, Any]:
    return {"sample.name": name, "sample.side": side}


SHOWN = {
    "denoise": Shown("Noise", "Gaussian noise of sigma 25 (of 255).", _sample("chelsea", 240)),
    "text_inpaint": Shown("Text", "Lines of text.", _sample("astronaut", 192)),
    "hole_fill": Shown("Holes", "Holes, a tenth of the picture.", _sample("coffee", 240)),
    "reconstruct": Shown(
        "Missing pixels", "Half of the pixels are missing.", _sample("rocket", 240)
    ),
    "super_resolve": Shown(
        "Super-resolution", "A quarter of the rows and columns.", _sample("astronaut", 256)
    ),
    "deblur": Shown(
        "Blur", "A Gaussian blur of 1.6 pixels, and noise of sigma 2.", _sample("camera", 192)
    ),
    "demosaic": Shown(
        "Demosaicing", "One colour at every pixel, as a sensor has it.", _sample("coffee", 192)
    ),
    "remove_jpeg": Shown("JPEG", "A JPEG of quality 10.", _sample("chelsea", 240)),
    "tomography": Shown(
        "Tomography", "A sinogram of 30 views, with noise of 1 %.", _sample("phantom", 128)
    ),
}
OVERVIEW = ("denoise", "text_inpaint", "hole_fill", "reconstruct")
TOO_LONG = _sample("chelsea", 144) | {
    "stop.criterion": "none",
    "schedule.kind": "constant",
    "num_steps": 3000,
    "log_every": 10,
    "preview_every": 10,
    "refine": False,
}
LOOKED_AT = (10, 50, 150, 600, 3000)  # steps of that fit

OWN = """import dip_jax
from dip_jax import operators

camera = operators.fourier(mask)  # true where there is a sample
image = dip_jax.restore(samples, camera, shape=(128, 128))"""


_SIDE = 128
LINES = (np.abs(np.arange(_SIDE) - _SIDE // 2) < 8) | (
    np.random.default_rng(0).random(_SIDE) < 0.16
)  # that are measured: those in the middle, and some of the others


class Done(NamedTuple):
    """A task, done: images `(h, w, c)` in [0, 1], the logged rows, and what was measured."""

    before: np.ndarray
    after: np.ndarray
    clean: np.ndarray
    rows: Rows
    chosen: int
    steps: int
    psnr_before: float | None
    psnr_after: float
    commit: str


def _image(pixels: np.ndarray, data_range: Any = None) -> np.ndarray:
    x = to_float(pixels, data_range)
    return x if x.ndim == 3 else x[..., None]


def _run(args: argparse.Namespace, name: str, task: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Runs a task in a work directory of its own, and gives its folder and its summary."""
    folder = args.work / name
    preset = "draft" if args.draft else ""
    config = fields.override(tasks.defaults(task, preset), changes)
    command = ["dip-jax", "run", task, *_words(changes)]

    def make() -> dict[str, Any]:
        start(config, folder, PlainProgress(name), command=command)
        return {"commit": commit()}

    at = kept(args.work, f"{name} at", make)
    return json.loads((folder / "summary.json").read_text()) | at | {"folder": folder}


def _words(changes: Mapping[str, Any]) -> list[str]:
    return [f"--config.{name}={value}" for name, value in changes.items()]


def _rows(folder: Path) -> Rows:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def done(args: argparse.Namespace, task: str) -> Done:
    """A task of `SHOWN`."""
    changes = SHOWN[task].changes
    summary = _run(args, task, task, changes)
    folder = summary["folder"]
    before = reading.read(next(folder.glob("degraded.*")), any_values=True)
    after = reading.read(folder / summary["restored"], any_values=True)
    clean = _image(samples.sample(changes["sample.name"], changes["sample.side"]).pixels)
    low, high = float(before.pixels.min()), float(before.pixels.max())
    is_sinogram = before.pixels.dtype.kind == "f"
    return Done(
        _image(before.pixels, (low, high) if is_sinogram else None),
        _image(after.pixels, (0.0, 1.0) if is_sinogram else None),
        clean[: after.pixels.shape[0], : after.pixels.shape[1]],
        _rows(folder),
        summary["chosen_step"],
        summary["steps"],
        summary["degraded"].get("psnr_true"),
        summary["metrics"]["restored"]["psnr_true"],
        summary["commit"],
    )


def done_by_an_operator(args: argparse.Namespace) -> Done:
    """The phantom, restored from a part of the lines of its Fourier transform."""
    clean = _image(samples.sample(samples.PHANTOM, _SIDE).pixels)
    h, w = clean.shape[:2]
    mask = np.fft.ifftshift(np.repeat(LINES[:, None], w, axis=1))
    camera = operators.fourier(mask)
    measured = np.asarray(camera(jnp.asarray(clean)))
    zeros = np.abs(np.fft.ifft2(measured[..., 0], norm="ortho"))[..., None].astype(np.float32)

    def make() -> dict[str, Any]:
        restored, info = dip_jax.restore(
            measured,
            camera,
            shape=(h, w, 1),
            preset="draft" if args.draft else "",
            progress=PlainProgress("restore"),
            return_info=True,
        )
        np.save(args.work / "restore.npy", restored)
        rows = [{k: v for k, v in row.items() if v is not None} for row in info.history]
        return {
            "rows": json.loads(json.dumps(rows, default=float)),
            "chosen": info.chosen_steps[0],
            "steps": info.steps,
            "commit": commit(),
        }

    found = kept(args.work, "restore", make)
    after = np.load(args.work / "restore.npy")
    everywhere = jnp.ones_like(clean)
    return Done(
        np.clip(zeros, 0, 1),
        after,
        clean,
        found["rows"],
        found["chosen"],
        found["steps"],
        float(psnr(jnp.asarray(zeros), jnp.asarray(clean), everywhere)),
        float(psnr(jnp.asarray(after), jnp.asarray(clean), everywhere)),
        found["commit"],
    )


def _pil(x: np.ndarray, size: tuple[int, int] | None = None) -> Image.Image:
    """An image for the eye: enlarged by whole pixels where it has fewer than are shown."""
    picture = Image.fromarray(np.round(255 * np.clip(x, 0, 1)).astype(np.uint8).squeeze())
    picture = picture.convert("RGB")
    if size is None or picture.size == size:
        return picture
    return picture.resize(size, Image.Resampling.NEAREST)


def _square(x: np.ndarray, side: int) -> np.ndarray:
    """The middle of an image."""
    top, left = ((n - side) // 2 for n in x.shape[:2])
    return x[top : top + side, left : left + side]


def _sheet(
    rows: Sequence[Sequence[Image.Image]], labels: Sequence[str], enlarged: int = 1
) -> Image.Image:
    """Pictures in rows, a label above each column."""
    rows = [
        [one.resize((one.width * enlarged, one.height * enlarged), Image.Resampling.LANCZOS)
         for one in row]
        for row in rows
    ]  # fmt: skip
    font = ImageFont.load_default(13)
    top = 20
    width = sum(one.width for one in rows[0]) + _GAP * (len(rows[0]) - 1)
    height = top + sum(row[0].height for row in rows) + _GAP * (len(rows) - 1)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    y = top
    for row in rows:
        x = 0
        for one, label in zip(row, labels, strict=True):
            if y == top:
                draw.text((x + 2, 2), label, fill="black", font=font)
            sheet.paste(one, (x, y))
            x += one.width + _GAP
        y += row[0].height + _GAP
    return sheet


def _save_jpeg(sheet: Image.Image, name: str) -> None:
    sheet.save(PAGES / name, quality=_QUALITY, subsampling=0, optimize=True)


def _figure(width: float = 7.2, height: float = 2.5) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.grid(color="#E5E5E5", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("step")
    return figure, axes


def _save_png(figure: Any, name: str) -> None:
    path = PAGES / name
    figure.savefig(path, facecolor="white")
    with Image.open(path) as drawn:  # few colours: in a palette it is a third as large
        smaller = drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    smaller.save(path, optimize=True)


_CURVES = {
    "true": "against the clean picture",
    "heldout": "on held-out pixels",
    "observed": "against the damaged picture",
}


def _draw(axes: Any, rows: Rows, outputs: Sequence[str]) -> None:
    for reference, words in _CURVES.items():
        for output in outputs:
            name = f"psnr_{reference}_{output}"
            points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
            steps, values = np.asarray(points, float).reshape(-1, 2).T
            finite = np.isfinite(values)
            if finite.any():
                axes.plot(steps[finite], values[finite], color=REFERENCES[reference], label=words)
                axes.set_ylabel("PSNR (dB)")


def curves(of: Done, name: str) -> None:
    """The PSNRs of the moving average against the step, with the chosen one."""
    figure, axes = _figure()
    _draw(axes, of.rows, ["avg"])
    axes.axvline(of.chosen, color="black", linewidth=1, linestyle=":", label="chosen step")
    lowest = np.concatenate([line.get_ydata()[1:] for line in axes.lines[:-1]])
    axes.set_ylim(bottom=float(np.percentile(lowest, 8)) - 1)
    figure.legend(loc="outside right", frameon=False, fontsize=8)
    _save_png(figure, name)


def shown(of: Done, task: str) -> None:
    """What a task does, and its curves."""
    h, w = of.clean.shape[:2]
    size = None if task == "tomography" else (w, h)
    pictures = [_pil(of.before, size), _pil(of.after), _pil(of.clean)]
    pictures[0] = pictures[0].resize((pictures[0].width * h // pictures[0].height, h), 0)
    names = ["sinogram" if task == "tomography" else "before", "after", "clean"]
    _save_jpeg(_sheet([pictures], names, 2 if w < 160 else 1), f"{task}.jpg")
    curves(of, f"{task}_curves.png")


def overview(found: Mapping[str, Done]) -> None:
    """The picture of the README: four tasks, before and after."""
    side = 160
    before = [_pil(_square(found[task].before, side)) for task in OVERVIEW]
    after = [_pil(_square(found[task].after, side)) for task in OVERVIEW]
    _save_jpeg(
        _sheet([before, after], [SHOWN[task].title.lower() for task in OVERVIEW]), "overview.jpg"
    )


def of_a_fit_that_goes_on(args: argparse.Namespace) -> None:
    """The figures of "How it works"."""
    changes = TOO_LONG | ({"num_steps": 60} if args.draft else {})
    summary = _run(args, "too_long", "denoise", changes)
    rows = _rows(summary["folder"])
    figure, axes = _figure(height=3.2)
    _draw(axes, rows, ["out"])
    axes.set_ylim(bottom=18)
    axes.legend(frameon=False, fontsize=8)
    _save_png(figure, "overfitting.png")
    clean = samples.sample(TOO_LONG["sample.name"], TOO_LONG["sample.side"]).pixels
    steps = [min(step, changes["num_steps"]) for step in LOOKED_AT]
    previews = [
        Image.open(summary["folder"] / "preview" / f"step_{step:06d}.png").convert("RGB")
        for step in steps
    ]
    noisy = Image.open(summary["folder"] / "degraded.png").convert("RGB")
    labels = ["noisy", *[f"step {step}" for step in steps], "clean"]
    pictures = [noisy, *previews, Image.fromarray(clean)]
    side = min(pictures[0].size)
    pictures = [_middle(one, side) for one in pictures]
    _save_jpeg(_sheet([pictures], labels), "fit.jpg")


def _middle(one: Image.Image, side: int) -> Image.Image:
    left, top = (one.width - side) // 2, (one.height - side) // 2
    return one.crop((left, top, left + side, top + side))


def of_the_learning_rate() -> None:
    """The default learning rate against the step."""
    config = tasks.defaults("denoise")
    schedule, steps = config["schedule"], config["num_steps"]
    rate = learning_rate(
        schedule["kind"], config["learning_rate"], schedule["peak"], schedule["rise"]
    )
    figure, axes = _figure(height=2)
    at = np.arange(0, steps, 4)
    axes.plot(at, [float(rate(jnp.int32(step), jnp.int32(steps))) for step in at], color="C0")
    axes.set_ylabel("learning rate")
    _save_png(figure, "learning_rate.png")


def page(found: Mapping[str, Done]) -> str:
    """The page, in Markdown."""
    here, of = machine(), versions()
    commits = ", ".join(sorted({one.commit for one in found.values()}))
    lines = [
        "# Gallery",
        "",
        "Every picture and figure on this page is made by `python -m benchmarks.gallery` from the "
        "sample photographs of scikit-image. The command below a picture damages it and restores "
        "it. Which step is taken is decided without the clean picture. PSNR is over the whole "
        "picture. The curves are those of the network alone (the moving average of its outputs), "
        "before its image is refined; where an operator measured the picture, they are those of "
        "measurements in place of pixels.",
        "",
        f"Made at commit {commits} on {here['cpu']}, {here['cores']} cores, {here['system']}; "
        f"python {of['python']}, jax {of['jax']}.",
        "",
    ]
    for task, one in found.items():
        title, words, changes = SHOWN.get(task, RESTORED)
        before = "" if one.psnr_before is None else f"Before: {one.psnr_before:.2f} dB. "
        lines += [
            f"## {title}",
            "",
            f"{words} {before}After: {one.psnr_after:.2f} dB, in {one.steps} steps (step "
            f"{one.chosen} chosen).",
            "",
            f"![{title}: before, after and clean]({task}.jpg)",
            "",
            f"![{title}: PSNR against the step]({task}_curves.png)",
            "",
        ]
        if task in SHOWN:
            command = " ".join(["dip-jax run", task, *_words(changes)])
            lines += ["```bash", command, "```", ""]
        else:
            lines += ["<!-- not run: its arrays are not given -->", "```python", OWN, "```", ""]
    return "\n".join(lines)


RESTORED = Shown(
    "Any operator",
    f"Magnetic resonance imaging of the phantom, from {LINES.mean():.0%} of the lines of its "
    "Fourier transform; before is the inverse transform, with zeros for the other lines.",
    {},
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--work", type=Path, default=Path("runs/benchmarks/gallery"), help="what is kept"
    )
    parser.add_argument("--draft", action="store_true", help="few steps, to try the drawing")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    PAGES.mkdir(parents=True, exist_ok=True)
    startup.keep_compiled_programs()
    found = {}
    for task in SHOWN:
        found[task] = done(args, task)
        shown(found[task], task)
    found["restore"] = done_by_an_operator(args)
    shown(found["restore"], "restore")
    overview(found)
    of_the_learning_rate()
    of_a_fit_that_goes_on(args)
    write_bytes(PAGES / "index.md", page(found).encode())
    size = sum(path.stat().st_size for path in PAGES.iterdir())
    print(f"{PAGES}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
