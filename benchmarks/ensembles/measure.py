"""The table of what seeds gain, and what they cost."""

import argparse
import statistics

from benchmarks.common.tables import header, kept, table
from benchmarks.ensembles.fits import Case, common_split, counts, each_stops_itself, lanes_cost

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
