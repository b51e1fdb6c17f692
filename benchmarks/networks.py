"""The networks that can be chosen, beside each other: equal time, each stopping by itself.

    python -m benchmarks.networks --task=denoise      makes benchmarks/results/networks_denoise.md

Each network is fitted to three photographs with the settings below, which suit it, and may take so
many seconds a picture, compilation apart. It stops by the held-out PSNR before that if it can.
PSNRs are against the clean picture: of the network's chosen image (in the masked tasks with the
known pixels put in without a seam), and of what a person gets, which is refined.

Resumable: each finished fit is kept in a file of its own, and only what is missing is run.
"""

import argparse
from pathlib import Path
from typing import Any

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

import jax
import numpy as np

from benchmarks.common.samples import damaged
from benchmarks.common.tables import header, kept, table, write_report
from dip_jax.finish.ensemble import against_clean, is_refined, shown
from dip_jax.fit.fitting import make_fit
from dip_jax.forward.observation import observe
from dip_jax.lanes.seeds import restore
from dip_jax.settings import build, tasks
from dip_jax.settings.ending import ending
from dip_jax.settings.fields import override

PICTURES = ("astronaut", "chelsea", "coffee")
# What each network is fitted with where it differs from the task's settings.
SETTINGS: dict[str, dict[str, Any]] = {
    "hourglass": {},
    "deep_decoder": {
        "network.kind": "deep_decoder",
        "network.up": (64,),
        "network.upsampling": ("bilinear",),
        "input.kind": "noise",
        "input.depth": 64,
        "input.noise": 0.0,
    },
    "conv_decoder": {
        "network.kind": "conv_decoder",
        "network.up": (32,),
        "network.upsampling": ("bilinear",),
        "input.kind": "noise",
        "input.depth": 32,
        "input.noise": 0.0,
    },
    "unet": {
        "network.kind": "unet",
        "network.scales": 4,
        "network.down": (16, 32, 64, 128),
        "input.kind": "noise",
        "input.depth": 32,
    },
}


def fitted(kind: str, picture: str, args: argparse.Namespace) -> dict[str, Any]:
    """One fit, as figures."""
    config = override(tasks.defaults(args.task), SETTINGS[kind] | {"num_steps": args.steps})
    clean, y, fill = damaged(config, picture, args.side)
    observation, _ = observe(y, fill)
    settings, criterion = build.fit_settings(config), build.criterion(config)
    first: list[float] = []

    def out_of_time(log) -> bool:
        first.append(log.row["seconds"])  # the first holds the compilation
        return log.row["seconds"] - first[0] > args.seconds

    (result,) = restore(
        observation,
        settings=settings,
        criterion=criterion,
        num_steps=config["num_steps"],
        log_every=10,
        on_log=out_of_time,
    )
    fit = make_fit(settings, criterion, y.shape[2])
    lane = jax.eval_shape(fit.make_lane, jax.random.key(0), observation)
    params = jax.eval_shape(fit.init, jax.random.key(0), lane).params
    how = ending(config)

    def psnr(refined: bool) -> float:
        x = shown(result.x, observation, how, refined=refined, held=result.held)
        return against_clean(x, clean)["psnr_true"]

    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "steps": result.steps,
        "chosen": result.chosen_step,
        "reason": {"asked": "time", "num_steps": "limit"}.get(result.stop_reason, "itself"),
        "ms": 1000 / result.steps_per_second,
        "network": psnr(False),
        "refined": psnr(is_refined(how, observation)),
    }


def networks_table(args: argparse.Namespace) -> str:
    """Fits all that is missing, and gives the table."""
    rows = []
    for kind in SETTINGS:
        found = []
        for picture in PICTURES:
            name = f"{args.task} {picture} {args.side} {kind} {args.seconds} {args.steps}"
            found.append(kept(args.work, name, lambda k=kind, p=picture: fitted(k, p, args)))
            print(name, found[-1], flush=True)
        mean = {
            name: float(np.mean([one[name] for one in found]))
            for name in ("ms", "network", "refined")
        }
        rows.append(
            [
                kind,
                f"{found[0]['parameters']:,}",
                f"{mean['ms']:.0f}",
                ", ".join(str(one["steps"]) for one in found),
                ", ".join(one["reason"] for one in found),
                ", ".join(f"{one['network']:.2f}" for one in found),
                f"{mean['network']:.2f}",
                f"{mean['refined']:.2f}",
            ]
        )
    names = ["network", "parameters", "ms a step", "steps", "ended by"]
    names += [f"its image: {', '.join(PICTURES)}", "mean", "refined, mean"]
    lines = [
        f"# Networks beside each other: {args.task}",
        "",
        *header(args),
        "",
        f"At most {args.seconds:g} seconds of steps a picture; PSNR in dB over the whole picture, "
        "one seed. Settings: `SETTINGS` of benchmarks/networks.py.",
        "",
        *table(names, rows),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--task", choices=tasks.TASKS, default="denoise", help="(denoise)")
    add("--side", type=int, default=128, help="longer side in pixels (128)")
    add("--seconds", type=float, default=45.0, help="of steps a picture (45)")
    add("--steps", type=int, default=20000, help="the most of each fit (20000)")
    add("--work", type=Path, default=Path("runs/benchmarks/networks"), help="what is kept")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    startup.keep_compiled_programs()
    text = networks_table(args)
    write_report(f"networks_{args.task}.md", text)
    print(text)


if __name__ == "__main__":
    main()
