"""How long the moving average of a task should be.

    python -m benchmarks.averages --task=denoise      makes benchmarks/results/averages_denoise.md

The average changes nothing in a fit, so averages of many lengths are taken beside the same fit, and
each is judged as the task's own is: by what its criterion chooses until it stops the fit.
PSNRs are against the clean picture, of what a person gets, but for refinement;
the loss is against the best of the same fit up to its end: of that average and the output, and of
that average alone.

Resumable: each finished fit is kept in a file of its own, and only what is missing is run.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

import jax.numpy as jnp
import numpy as np

from benchmarks.common.beginning import begin, make_chunk
from benchmarks.common.tables import commit, kept, machine, table, write_report
from benchmarks.ensembles.figures import stopped_by_mean
from benchmarks.quality.fits import scoring
from benchmarks.quality.plan import SUITES, Picture, digest, photographs
from dip_jax.fit.criteria import Criterion, Judgement, View
from dip_jax.fit.fitting import make_fit
from dip_jax.fit.lane import Lane
from dip_jax.forward import metrics
from dip_jax.forward.observation import observe
from dip_jax.settings import build, tasks
from dip_jax.settings.fields import override, parsed

AVERAGES = {  # weight of the past, share of the steps
    "0.99": (0.99, 0.0),
    "0.995": (0.995, 0.0),
    "0.998": (0.998, 0.0),
    "share 0.1": (0.99, 0.1),
    "share 0.2": (0.99, 0.2),
    "share 0.3": (0.99, 0.3),
    "share 0.5": (0.99, 0.5),
}
SUITE_OF = {suite.task: suite for suite in SUITES.values()}


class Case(NamedTuple):
    """One picture, reduced to `side` pixels, with one seed of the fit, and of the damage."""

    picture: str
    side: int
    seed: int


def watch_averages(picture: Picture, config: dict[str, Any]) -> Criterion:
    """A criterion that never stops, and notes four figures of every step for each of `AVERAGES`.

    They are, of the output and of that average: the PSNR in dB of what a person gets against the
    clean picture, and the score that the task's own criterion gives.
    """
    score = scoring(config, picture.clean.shape[:2])
    past, share = (jnp.array(column) for column in zip(*AVERAGES.values(), strict=True))
    own = build.criterion(config)

    def init(lane: Lane):
        n = len(AVERAGES)
        x = jnp.zeros((n, *lane.y.shape))
        return x, jnp.zeros(n), jnp.full((config["num_steps"], n, 4), jnp.nan)

    def update(carry, view: View):
        averages, length, curves = carry
        length = jnp.maximum(past * length + 1, length + share / (1 - share))
        averages += (view.x_out - averages) / length[:, None, None, None]

        def true(x):
            return score(x, view.lane)

        of_out = true(view.x_out)

        def figures(x_avg):
            heldout = view.psnr_heldout[0], metrics.psnr(x_avg, view.lane.y, view.lane.held)
            seen = view._replace(x_avg=x_avg, psnr_heldout=heldout)
            _, judgement = own.update(own.init(view.lane), seen)
            return jnp.stack([of_out, true(x_avg), judgement.score_out, judgement.score_avg])

        row = jnp.stack([figures(averages[i]) for i in range(len(AVERAGES))])
        curves = curves.at[view.step - 1].set(row)
        stay = Judgement(jnp.float32(0), jnp.float32(0), jnp.bool_(False))
        return (averages, length, curves), stay

    return Criterion(init, update)


def fit_case(case: Case, config: dict[str, Any]) -> dict[str, Any]:
    """Fits one case to its last step; gives what each average would have chosen."""
    damaged_so = override(config, {"damage.seed": case.seed})
    (picture,) = photographs(SUITE_OF[config["task"]], [case.picture], damaged_so, case.side)
    criterion, steps = watch_averages(picture, config), config["num_steps"]
    fit = make_fit(build.fit_settings(config), criterion, picture.y.shape[2])
    observation, _ = observe(picture.y, picture.fill)
    lane, state = begin(fit, observation, steps, case.seed, picture.clean)
    state, _ = make_chunk(fit.step, steps)(state, lane, jnp.int32(steps))
    curves = np.asarray(state.criterion[2])[: int(state.step)]
    result: dict[str, Any] = {"shape": list(picture.y.shape)}
    for i, label in enumerate(AVERAGES):
        true, scores = np.nan_to_num(curves[:, i], nan=-np.inf).reshape(-1, 2, 2).swapaxes(0, 1)
        patience = config["stop"]["patience"] or steps
        best, last = stopped_by_mean(scores.max(axis=1), range(len(scores)), patience)
        psnr = float(true[best, int(scores[best].argmax())])
        result[label] = {
            "psnr": psnr,
            "loss": float(true[: last + 1].max()) - psnr,
            "loss_avg": float(true[: last + 1, 1].max()) - psnr,
            "steps": last + 1,
        }
    return result


def comparison(args: argparse.Namespace, config: dict[str, Any]) -> str:
    """One row for each case, one column for each average."""
    rows = []
    names = ("psnr", "loss", "loss_avg", "steps")
    columns: dict[str, list[list[float]]] = {label: [] for label in AVERAGES}
    suite = SUITE_OF[args.task]
    pictures = dict.fromkeys((*suite.samples, *suite.others))
    for case in (
        Case(picture, side, seed)
        for side in args.sides
        for picture in pictures
        for seed in range(args.seeds)
    ):
        name = f"{args.task} {case.picture} {case.side} {case.seed} "
        result = kept(
            args.work, name + digest([config, AVERAGES]), lambda c=case: fit_case(c, config)
        )
        h, w, _ = result["shape"]
        cells = [f"{case.picture} {w}×{h}", str(case.seed)]
        for label, column in columns.items():
            column.append([result[label][key] for key in names])
            cells.append(_cell(column[-1]))
        rows.append(cells)
    rows.append(["mean", "", *(_cell(np.mean(column, 0)) for column in columns.values())])
    return "\n".join(table(["picture", "seed", *AVERAGES], rows))


def _cell(values: Any) -> str:
    psnr, loss, loss_avg, steps = values
    return f"{psnr:.2f} ({loss:.2f}, {loss_avg:.2f}; {steps:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--task", choices=tasks.TASKS, default="denoise", help="(denoise)")
    add("--sides", type=int, nargs="+", default=[128], help="of the pictures, in pixels (128)")
    add("--seeds", type=int, default=1, help="of each picture (1)")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="of the settings")
    add("--work", type=Path, default=Path("runs/benchmarks/averages"), help="what is kept")
    args = parser.parse_args()
    startup.keep_compiled_programs()
    config = override(tasks.defaults(args.task), parsed(args.set))
    text = [
        f"# How long the average should be: {args.task}",
        "",
        f"Default settings{', '.join(['', *args.set])}; at most {config['num_steps']} steps, "
        f"patience {config['stop']['patience']}. {machine()['cpu']}, commit {commit()}.",
        "",
        "Averages by the weight of the past, or by their mean age as a share of the steps made. "
        "Each cell: PSNR in dB of what held-out pixels choose; in brackets, what that loses "
        "against the best of the outputs and averages up to the end of the fit, and against the "
        "best of the averages alone, and the steps that the fit makes with it.",
        "",
        comparison(args, config),
        "",
    ]
    write_report(f"averages_{args.task}.md", "\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
