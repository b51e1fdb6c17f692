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
from pathlib import Path

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

from benchmarks.common.tables import write_report
from benchmarks.ensembles.measure import ensembles_table


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
