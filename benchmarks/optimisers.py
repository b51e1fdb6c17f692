"""Adam and Muon beside each other, after so many steps each.

    python -m benchmarks.optimisers --data=DIR --pictures=a.png,b.png
    python -m benchmarks.optimisers --tasks=reconstruct --fits=adam:300,muon:150

Squares from the middle of each picture, damaged as each task's sample is, and restored with the
default settings but for the optimiser and the number of steps, which is that of the schedule. PSNRs
in dB are against the clean picture: of the moving average of the network's outputs at the last
step, and of the result, which is refined.

Resumable: each finished fit is kept in a file of its own. It writes
`benchmarks/results/optimisers.md`.
"""

import argparse
from pathlib import Path

import numpy as np

import dip_jax
from benchmarks.common.samples import add_pictures, chosen
from benchmarks.common.tables import kept, measured_with, table, write_report
from benchmarks.time_to_quality import PICTURES, Damaged, damaged

RESTORE = {
    "denoise": dip_jax.denoise,
    "text_inpaint": dip_jax.inpaint,
    "hole_fill": dip_jax.fill_hole,
    "reconstruct": dip_jax.reconstruct,
}
FITS = {
    "denoise": "adam:300,muon:300",
    "text_inpaint": "adam:350,muon:300,muon:350",
    "hole_fill": "adam:400,muon:400",
    "reconstruct": "adam:600,muon:300",
}
TASKS = "text_inpaint,reconstruct"


def fitted(given: Damaged, task: str, optimiser: str, steps: int, seed: int) -> dict[str, float]:
    """The PSNRs of one fit."""
    network: list[float] = []
    images = (given.y.astype(np.float32),) + (() if given.fill is None else (given.fill,))

    def see(step: dip_jax.FitStep) -> None:
        if step.step == step.num_steps:
            network.append(given.psnr(np.asarray(step.preview, np.float64)))

    result = RESTORE[task](
        *images,
        seeds=[seed],
        num_steps=steps,
        options={"optimiser": optimiser, "stop.patience": 0, "parts.kind": "whole"},
        callback=see,
    )
    return {"network": network[-1], "result": given.psnr(np.asarray(result, np.float64))}


def of_one(
    args: argparse.Namespace, where: Path, task: str, optimiser: str, steps: int, seed: int
) -> tuple[float, float]:
    """The PSNRs of the network and of the result, measured if they have not been."""
    name = f"{task} {where.stem} {args.side} {optimiser} {steps} {seed}"
    given = damaged(where, task, args.side)
    found = kept(args.work, name, lambda: fitted(given, task, optimiser, steps, seed))
    return found["network"], found["result"]


def main() -> None:
    """Measures what is missing, and writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_pictures(parser, side=128, work="optimisers")
    parser.add_argument("--tasks", default=TASKS, help=f"with commas between them ({TASKS})")
    parser.add_argument("--fits", help="optimisers and steps, for all tasks (those of each)")
    parser.add_argument("--seeds", default="0", help="of the fits, each on its own (0)")
    args = parser.parse_args()
    places, seeds = chosen(args, PICTURES), [int(seed) for seed in args.seeds.split(",")]
    lines = [
        "# Adam and Muon",
        "",
        f"`python -m benchmarks.optimisers`, {measured_with()}",
        "",
        f"Squares of {args.side} pixels from the middle of {len(places)} pictures; PSNR in dB,",
        f"the mean over {len(seeds)} seeds. `network` is the moving average of its outputs after",
        "all steps.",
        "",
    ]
    for task in args.tasks.split(","):
        rows = []
        for fit in (args.fits or FITS[task]).split(","):
            optimiser, _, steps = fit.partition(":")
            found = np.array(
                [
                    [of_one(args, where, task, optimiser, int(steps), seed) for seed in seeds]
                    for where in places
                ]
            ).mean(axis=1)
            network, result = found.mean(axis=0)
            each = ", ".join(f"{psnr:.2f}" for psnr in found[:, 1])
            rows.append([optimiser, steps, f"{network:.2f}", f"{result:.2f}", each])
            print(task, *rows[-1], flush=True)
        names = ["optimiser", "steps", "network", "result", "each"]
        lines += [f"## {task}", "", *table(names, rows), ""]
    write_report("optimisers.md", "\n".join(lines))


if __name__ == "__main__":
    main()
