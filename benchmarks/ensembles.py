"""What the mean of several seeds gains, and whether their spread shows where it is wrong.

    python -m benchmarks.ensembles         makes benchmarks/results/ensembles.md

Each case is fitted with 8 seeds that stop by themselves; the means of 1, 2 and 4 of them are
averaged over the disjoint groups of the 8. A second fit of the same seeds holds the same pixels out
of all of them and runs on; from the moving averages that it records, it is worked out afterwards
where stopping by the held-out PSNR of the *mean* would have ended, and with what.

PSNRs are against the clean picture, over the whole picture, of what a person would get: in the
masked tasks the composite with the known pixels. "Oracle" is the best that the same members could
have given: their mean at the best recorded step of the fit that runs on.

Resumable: each finished fit is kept in a file of its own, and only what is missing is run.
"""

import argparse
import statistics
from pathlib import Path

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

from benchmarks.ensemble_fits import (
    Case,
    common_split,
    counts,
    each_stops_itself,
    lanes_cost,
)
from benchmarks.tables import header, kept, table, write_report

CASES = (
    Case("denoise", "chelsea", 1500),
    Case("reconstruct", "coffee", 2000),
    Case("text_inpaint", "astronaut", 1500),
)


def ensembles_table(args: argparse.Namespace) -> str:
    """The report."""
    gains, rankings = [], []
    for case in CASES:
        key = f"{case.task} {case.picture} {args.side} {args.seeds} seeds"
        key += f" {args.steps} steps" if args.steps else ""
        key += f" {args.channels} channels" if args.channels else ""
        alone = kept(args.work, f"{key} alone", lambda c=case: each_stops_itself(c, args))
        common = kept(args.work, f"{key} common", lambda c=case: common_split(c, args))
        picture = f"{case.picture} {alone['shape'][1]}×{alone['shape'][0]}"
        for n in map(str, counts(args)):
            gains.append(
                [
                    case.task,
                    picture,
                    f"{alone['degraded']:.2f}",
                    n,
                    f"{alone['means'][n]:.2f}",
                    f"{alone['means'][n] - alone['means']['1']:+.2f}",
                    f"{statistics.mean(alone['steps']):.0f}",
                    f"{common['means'][n]:.2f}",
                    f"{common['means'][n] - alone['means'][n]:+.2f}",
                    f"{common['ended'][n]:.0f}",
                    f"{common['oracle'][n]:.2f}",
                ]
            )
        for label, ranks in (("each stops itself", alone), ("common held-out", common)):
            rankings.append(
                [
                    case.task,
                    picture,
                    label,
                    f"{ranks['ranking']['rank_correlation']:.2f}",
                    *(
                        f"{255 * ranks['ranking'][name]:.1f}"
                        for name in ("most_certain", "all", "least_certain")
                    ),
                ]
            )
    gain_names = (
        "task|picture|degraded|seeds|each stops itself|gain over one|steps|"
        "common held-out, stopped by the mean|against each itself|steps|oracle"
    ).split("|")
    ranking_names = (
        "task|picture|members|rank correlation|most certain tenth|all|least certain tenth"
    )
    return "\n".join(
        [
            "# Ensembles of seeds",
            "",
            *header(args),
            "PSNR in dB of the mean; of less than all seeds, averaged over the disjoint groups. "
            "Held out in common: the same share of the pixels, the same for all members, and the "
            "mean's PSNR on them decides with the patience of the task; looked at every "
            f"{args.every} steps. Steps are those of one member. Oracle: the best mean of the same "
            "members at any of those looks, which only the clean picture can tell.",
            "",
            *table(gain_names, gains),
            "",
            "## Does the spread show where the mean is wrong?",
            "",
            "The standard deviation over the seeds against the error of their mean, over the "
            "pixels that the network gives (in the masked tasks those that are filled): Spearman's "
            "rank correlation, and the RMS error, of 255, of the tenths of the pixels with the "
            "least and the largest spread.",
            "",
            *table(ranking_names.split("|"), rankings),
            "",
            "## What lanes cost on a CPU",
            "",
            "A step of 4 lanes over a step of one, of the default denoising network with 32 "
            "channels, in turns; at most 4.2 wanted. The form on a CPU is the loop.",
            "",
            *cost_rows(args),
            "",
        ]
    )


def cost_rows(args: argparse.Namespace) -> list[str]:
    """The table of the lanes' cost."""
    rows = []
    for side in args.cost_sides:
        for form in args.cost_forms:
            cost = lanes_cost(side, form, args)
            rows.append(
                [
                    f"{side}²",
                    form,
                    f"{1e3 * cost['one']:.1f}",
                    f"{1e3 * cost['four']:.1f}",
                    f"{cost['ratio']:.2f} ({cost['lowest']:.2f} to {cost['highest']:.2f})",
                    "met" if cost["ratio"] <= 4.2 else "missed",
                ]
            )
    names = "size|form|one lane, ms|4 lanes, ms|ratio (lowest to highest)|4.2"
    return table(names.split("|"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--side", type=int, default=128, help="longer side in pixels (128)")
    add("--seeds", type=int, choices=(2, 4, 8), default=8, help="how many (8)")
    add("--steps", type=int, help="the most of each fit (1500 to 2000)")
    add("--patience", type=int, help="of the mean, in steps (that of the task)")
    add("--every", type=int, default=25, help="steps between two looks at the mean (25)")
    add("--channels", type=int, help="of the networks, for a trial (the task's)")
    add("--cost-sides", type=int, nargs="*", default=[128, 256], help="(128 256)")
    add("--cost-forms", nargs="*", choices=("loop", "vmap"), default=["loop"], help="(loop)")
    add("--work", type=Path, default=Path("runs/benchmarks/ensembles"))
    add("--name", default="ensembles", help="of the report (ensembles)")
    args = parser.parse_args()
    startup.keep_compiled_programs()
    text = ensembles_table(args)
    write_report(f"{args.name}.md", text)
    print(text)


if __name__ == "__main__":
    main()
