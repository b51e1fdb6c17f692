"""How long the moving average should be where holes are filled.

    python -m benchmarks.holes                  makes benchmarks/results/holes.md

The average changes nothing in a fit, so averages of many lengths are taken beside the same fit, and
each is judged by what held-out pixels would have chosen among its own steps, and of them alone.
PSNRs are against the clean picture, of the seamless composite with the known pixels. The loss is
against the best of all steps of the same fit: of that average and the output, and of that average
alone.

Resumable: each finished fit is kept in a file of its own, and only what is missing is run.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.quality_plan import digest
from benchmarks.tables import kept, row, write_report
from dip_jax import composite, degrade, images, metrics, startup, tasks
from dip_jax.fit_state import Lane
from dip_jax.fitting import make_chunk, make_fit
from dip_jax.observation import Observation, observe
from dip_jax.stopping import Criterion, Judgement, View

AVERAGES = {  # weight of the past, share of the steps
    "0.99": (0.99, 0.0),
    "0.998": (0.998, 0.0),
    "share 1/4": (0.99, 0.25),
    "share 1/3": (0.99, 1 / 3),
    "share 0.4": (0.99, 0.4),
    "share 1/2": (0.99, 0.5),
}


class Case(NamedTuple):
    """One picture, reduced to `side` pixels, with one seed of the fit and one of its holes."""

    picture: str
    side: int
    seed: int
    holes: int


PICTURES = ("chelsea", "coffee", "astronaut", "rocket")
CASES = (
    *(
        Case(picture, side, seed, seed)
        for side in (96, 128)
        for picture in PICTURES
        for seed in (0, 1)
    ),
    *(Case(picture, 300, 0, 0) for picture in ("chelsea", "coffee")),
)


def watch_averages(observation: Observation, clean: np.ndarray, steps: int) -> Criterion:
    """A criterion that never stops, and notes two PSNRs in dB of every step.

    They are of the composite against the clean picture and of the image itself on held-out pixels;
    for the output and for each of `AVERAGES`.
    """
    h, w, _ = clean.shape
    everywhere = jnp.ones((h, w, 1))
    past, share = (jnp.array(column) for column in zip(*AVERAGES.values(), strict=True))

    def init(lane: Lane):
        n = len(AVERAGES)
        x = jnp.zeros((n, *lane.y.shape))
        return x, jnp.zeros(n), jnp.full((steps, n + 1, 2), jnp.nan)

    def update(carry, view: View):
        averages, length, curves = carry
        length = jnp.maximum(past * length + 1, length + share / (1 - share))
        averages += (view.x_out - averages) / length[:, None, None, None]

        def psnrs(x):
            given = composite.seamless(x[:h, :w], observation)
            true = metrics.psnr(given, jnp.asarray(clean), everywhere)
            return jnp.stack([true, metrics.psnr(x, view.lane.y, view.lane.held)])

        row = jnp.stack([psnrs(view.x_out), *(psnrs(averages[i]) for i in range(len(AVERAGES)))])
        curves = curves.at[view.step - 1].set(row)
        stay = Judgement(jnp.float32(0), jnp.float32(0), jnp.bool_(False))
        return (averages, length, curves), stay

    return Criterion(init, update)


def fit_case(case: Case) -> dict[str, Any]:
    """Fits one case with the defaults; gives what each average would have chosen."""
    config = tasks.defaults("hole_fill")
    steps = config["num_steps"]
    clean = images.to_float(images.sample(case.picture, case.side).pixels)
    h, w, channels = clean.shape
    rng = np.random.default_rng(case.holes)
    fill = degrade.holes_mask((h, w), rng, config["damage"]["share"])
    observation, _ = observe(degrade.erase(clean, fill, 0.0), fill)
    criterion = watch_averages(observation, clean, steps)
    fit = make_fit(tasks.fit_settings(config), criterion, channels)
    lane_key, state_key = jax.random.split(jax.random.key(case.seed))
    lane = jax.jit(fit.make_lane)(lane_key, observation, clean)
    state = jax.tree.map(jnp.copy, jax.jit(fit.init)(state_key, lane))
    state, _ = make_chunk(fit.step, steps)(state, lane, jnp.int32(steps))
    curves = np.asarray(state.criterion[2])
    true, heldout = curves[..., 0], curves[..., 1]
    result: dict[str, Any] = {"shape": [h, w, channels]}
    for i, label in enumerate(AVERAGES, start=1):
        chosen = int(np.nanargmax(heldout[:, i]))
        psnr = float(true[chosen, i])
        result[label] = {
            "psnr": psnr,
            "loss": float(np.nanmax(true[:, [0, i]])) - psnr,
            "loss_avg": float(np.nanmax(true[:, i])) - psnr,
            "step": chosen + 1,
        }
    return result


def table(work: Path) -> str:
    """One row for each case, one column for each average."""
    names = ["picture", "seed", "holes", *AVERAGES]
    lines = [row(names), row(["---"] * len(names))]
    columns: dict[str, list[list[float]]] = {label: [] for label in AVERAGES}
    of_config = digest([tasks.defaults("hole_fill"), list(AVERAGES)])
    for case in CASES:
        name = f"holes {case.picture} {case.side} {case.seed} {case.holes} {of_config}"
        result = kept(work, name, lambda c=case: fit_case(c))
        h, w, _ = result["shape"]
        cells = [f"{case.picture} {w}×{h}", str(case.seed), str(case.holes)]
        for label, column in columns.items():
            column.append([result[label][key] for key in ("psnr", "loss", "loss_avg")])
            cells.append(_cell(*column[-1]))
        lines.append(row(cells))
    means = [np.mean(column, axis=0) for column in columns.values()]
    worst = [np.max(column, axis=0) for column in columns.values()]
    lines.append(row(["mean", "", "", *(_cell(*values) for values in means)]))
    lines.append(row(["worst", "", "", *(f"{v[1]:.2f}, {v[2]:.2f}" for v in worst)]))
    return "\n".join(lines)


def _cell(psnr: float, loss: float, loss_avg: float) -> str:
    return f"{psnr:.2f} ({loss:.2f}, {loss_avg:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/holes"))
    args = parser.parse_args()
    startup.keep_compiled_programs()
    config = tasks.defaults("hole_fill")
    text = [
        "# How long the average should be where holes are filled",
        "",
        f"hole_fill with its defaults, {config['num_steps']} steps. Each cell: PSNR in dB of the "
        "composite that held-out pixels choose among the steps of that average; in brackets, what "
        "that loses against the best of the same fit's outputs and averages, and against the best "
        "of its averages alone. Seed: of the fit; holes: seed of the holes.",
        "",
        table(args.work),
        "",
    ]
    write_report("holes.md", "\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
