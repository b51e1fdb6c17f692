"""What to hold out of the fit of measurements: single ones, squares, or whole rows or columns.

    python -m benchmarks.heldout --work=DIR

Every row is a picture of 128 pixels (Shepp and Logan's phantom: 96), measured by an operator and
fitted for all of its steps: `tomography` (30 parallel views, noise of 1 % of the largest value; a
column of the sinogram is a view), `fourier` (a third of the columns of the spectrum of a grey
picture, noise of sigma 2 of 255), `deblur` (a Gaussian of 1.6 pixels, noise of sigma 2 of 255),
`remove_jpeg` (quality 10; blocks of 8 pixels, which share a chroma by 16) and `super_resolve` (×4).

"Chosen" is the network's image that the held-out measurements choose, until they stop the fit;
"oracle" the best one of all steps, which only the clean picture can tell; "loss" what the choice
costs against it. "Result" is what a person gets: the chosen image, made to agree with the
measurements, which those that were held out have a say in too. Means over the seeds, whose chosen
steps are told.

Resumable: each finished fit is kept in a file of its own. It writes
`benchmarks/results/heldout.md`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

import jax.numpy as jnp
import numpy as np

from benchmarks.common.tables import kept, measured_with, table, write_report
from benchmarks.operators.measurements import (
    Image_,
    Measured,
    blurred,
    clean_picture,
    compressed,
    phantom,
    reduced,
    sinogram,
    spectrum,
)
from dip_jax.finish.ensemble import ended
from dip_jax.fit.criteria import Criterion, Judgement, View
from dip_jax.lanes.seeds import restore
from dip_jax.prepare.measured import observe_measured
from dip_jax.prepare.prepared import Prepared
from dip_jax.settings import build, tasks
from dip_jax.settings.ending import ending
from dip_jax.settings.fields import override


class Suite(NamedTuple):
    """An operator, and what is held out of what it measures.

    Attributes:
        task: whose settings are taken.
        measure: a clean picture.
        of_images: whether what is measured is an image.
        pictures: their names.
        choices: the kinds and the blocks that are compared, the first of them single values.
    """

    task: str
    measure: Callable[[Image_], Measured]
    of_images: bool
    pictures: tuple[str, ...]
    choices: tuple[tuple[str, int], ...]


PHOTOGRAPHS = ("coffee", "chelsea")
SINGLE = ("squares", 1)
SUITES = {
    "tomography": Suite("tomography", sinogram, False, ("phantom",), (SINGLE, ("columns", 1))),
    "fourier": Suite("restore", spectrum, False, PHOTOGRAPHS, (SINGLE, ("columns", 1))),
    "deblur": Suite("deblur", blurred, True, PHOTOGRAPHS, (SINGLE, ("squares", 4), ("squares", 8))),
    "remove_jpeg": Suite(
        "remove_jpeg", compressed, True, PHOTOGRAPHS, (SINGLE, ("squares", 8), ("squares", 16))
    ),
    "super_resolve": Suite(
        "super_resolve",
        lambda clean: reduced(clean, 4),
        True,
        PHOTOGRAPHS,
        (SINGLE, ("squares", 2), ("squares", 4)),
    ),
}


def going_on(inner: Criterion) -> Criterion:
    """Chooses as another criterion does, and goes on where that stops, for the oracle."""

    def init(lane: Any) -> Any:
        return inner.init(lane), jnp.bool_(False)

    def update(carry: Any, view: View) -> tuple[Any, Judgement]:
        state, stopped = carry
        state, verdict = inner.update(state, view)
        out, avg = (
            jnp.where(stopped, -jnp.inf, score) for score in (verdict.score_out, verdict.score_avg)
        )
        return (state, stopped | verdict.stop), Judgement(out, avg, jnp.bool_(False))

    return Criterion(init, update, f"going on {inner.label}")


def fitted(suite: Suite, clean: Image_, seed: int, changes: dict[str, Any]) -> dict[str, Any]:
    """One fit: PSNRs in dB and steps of what is chosen, of the oracle, and of the result."""
    config = override(tasks.defaults(suite.task), changes)
    y, operator = suite.measure(clean)
    prepared = Prepared(observe_measured(y, operator, clean.shape, of_images=suite.of_images))
    how = build.fitting(config)
    how["criterion"] = going_on(how["criterion"])
    [result] = restore(prepared.observation, seeds=(seed,), clean=clean, **how)
    given = np.clip(ended([result], prepared, ending(config), clean).image, 0, 1)
    oracle = max(("out", "avg"), key=lambda kind: result.oracle[f"psnr_true_{kind}"])
    return {
        "chosen": result.figures[result.chosen_image]["psnr_true"],
        "step": result.chosen_step,
        "oracle": result.oracle[f"psnr_true_{oracle}"],
        "oracle step": result.oracle[f"step_{oracle}"],
        "result": float(-10 * np.log10(np.mean((given - clean) ** 2))),
        "held": float(np.mean(result.held)) if result.held is not None else None,
        "steps": result.steps,
        "seconds": result.seconds,
    }


def clean_of(suite: str, picture: str, side: int) -> Image_:
    """A clean picture of a suite."""
    if picture == "phantom":
        return phantom(3 * side // 4)
    return clean_picture(Path(picture), side, colours=suite != "fourier")


def words(kind: str, block: int) -> str:
    """What is held out, in words."""
    if kind == "squares":
        return "single" if block == 1 else f"{block} × {block}"
    return kind if block == 1 else f"{block} {kind}"


def report(found: dict[str, dict[str, dict[str, list[dict[str, Any]]]]], seeds: int) -> str:
    """A table for every suite: by picture and by what is held out, a list over seeds."""
    lines = ["# What to hold out of measurements", ""]
    lines += ["\n\n".join((__doc__ or "").split("\n\n")[2:4]), "", f"Seeds: {seeds}.", ""]
    lines += [measured_with(), ""]
    for suite, pictures in found.items():
        rows = []
        means: dict[str, list[list[float]]] = {}
        for picture, choices in pictures.items():
            for choice, fits in choices.items():
                chosen, oracle, result = (
                    float(np.mean([fit[name] for fit in fits]))
                    for name in ("chosen", "oracle", "result")
                )
                figures = [chosen, oracle, oracle - chosen, result]
                means.setdefault(choice, []).append(figures)
                rows.append(
                    [
                        picture,
                        choice,
                        f"{chosen:.2f} ({', '.join(str(fit['step']) for fit in fits)})",
                        f"{oracle:.2f} ({', '.join(str(fit['oracle step']) for fit in fits)})",
                        f"{oracle - chosen:.2f}",
                        f"{result:.2f}",
                    ]
                )
        if len(pictures) > 1:
            rows += [
                ["**mean**", choice, *(f"**{m:.2f}**" for m in np.mean(figures, axis=0))]
                for choice, figures in means.items()
            ]
        names = ["", "held out", "chosen (steps)", "oracle (steps)", "loss", "result"]
        lines += [f"## {suite}", "", "PSNR in dB.", "", *table(names, rows), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--suites", default=",".join(SUITES), help="with commas between them (all)")
    add("--side", type=int, default=128, help="of the pictures in pixels (128)")
    add("--seeds", type=int, default=2, help="fits of each (2)")
    add("--draft", action="store_true", help="20 steps, and no report: only whether it works")
    add("--work", type=Path, default=Path("runs/benchmarks/heldout"), help="what is kept")
    args = parser.parse_args()
    startup.keep_compiled_programs()
    found: dict[str, dict[str, dict[str, list[dict[str, Any]]]]] = {}
    for name in args.suites.split(","):
        if name not in SUITES:
            parser.error(f"{name!r} is no suite; expected some of {', '.join(SUITES)}")
        for picture in SUITES[name].pictures:
            clean = clean_of(name, picture, args.side)
            for kind, block in SUITES[name].choices:
                choice = words(kind, block)
                changes = {"heldout.kind": kind, "heldout.block": block}
                changes |= {"num_steps": 20} if args.draft else {}
                for seed in range(args.seeds):
                    fit = kept(
                        args.work,
                        f"{name} {picture} {choice} {args.side} {seed}{' draft' * args.draft}",
                        lambda n=name, c=clean, s=seed, ch=changes: fitted(SUITES[n], c, s, ch),
                    )
                    fits = found.setdefault(name, {}).setdefault(picture, {})
                    fits.setdefault(choice, []).append(fit)
                    print(name, picture, choice, seed, fit, flush=True)
    text = report(found, args.seeds)
    if not args.draft:
        write_report("heldout.md", text)
    print(text)


if __name__ == "__main__":
    main()
