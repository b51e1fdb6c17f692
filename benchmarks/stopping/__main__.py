"""How near to the best point a fit stops by itself, and what holding pixels out costs.

    python -m benchmarks.stopping               makes benchmarks/results/stopping.md
    python -m benchmarks.stopping --study       makes benchmarks/results/stopping_study.md
    python -m benchmarks.stopping --cost        makes benchmarks/results/stopping_cost.md

Each case is fitted for a fixed number of steps with held-out pixels, and once more with all of
them. The criteria look at every step of the same run, inside the step, so each is judged by what it
would have chosen. PSNRs are against the clean picture, over the whole picture, of what the run
would have given: in the masked tasks that is the composite with the known pixels. "Oracle" is the
highest of them in the run.

Resumable: each finished fit is kept in a file of its own, and only what is missing is run.
"""

import argparse
from pathlib import Path

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

from benchmarks.common.tables import write_report
from benchmarks.stopping.tables import cost_table, main_table, study_table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=128, help="longer side in pixels (128)")
    parser.add_argument("--study", action="store_true", help="the study behind the defaults")
    parser.add_argument("--cost", action="store_true", help="time and memory of a step")
    parser.add_argument("--wmv-patience", type=int, default=1000, help="P of ES-WMV (1000)")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/stopping"))
    args = parser.parse_args()
    startup.keep_compiled_programs()
    make, name = main_table, "stopping.md"
    if args.study:
        make, name = study_table, "stopping_study.md"
    elif args.cost:
        make, name = cost_table, "stopping_cost.md"
    table = make(args)
    write_report(name, table)
    print(table)


if __name__ == "__main__":
    main()
