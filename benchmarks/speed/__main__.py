"""How fast a step is, beside the same step in PyTorch, taking turns on the same machine.

    python -m benchmarks.speed              makes benchmarks/results/speed.md and speed.json
    python -m benchmarks.speed --quick      some of it, in about two minutes: speed_quick.md

On a GPU, PyTorch and `dip_jax` are timed in TF32 and bfloat16 as well, and a denoising that stops
by itself is timed from start to end.
"""

import argparse
import os

from benchmarks.speed import plan
from benchmarks.speed.measure import measure_all
from dip_jax.settings import tasks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cores = len(os.sched_getaffinity(0))
    add = parser.add_argument
    add("--quick", action="store_true", help="two networks at 128² with 1 and 4 lanes")
    add("--tasks", nargs="+", choices=tasks.TASKS, help="networks (all)")
    add("--sizes", nargs="+", type=int, help="sides in pixels, up to 512 (128 256 512)")
    add("--lanes", nargs="+", type=int, help="fits at once (1 4 8)")
    add("--all", action="store_true", help="also what is left out to save time")
    add("--rounds", type=int, help="turns of each program (3 to 7)")
    add("--steps", type=int, help="steps per turn (1 to 40)")
    add("--minutes", type=float, help="nothing new is begun after so many (25, or 1.25)")
    add("--threads", type=int, default=cores, help=f"cores ({cores})")
    add("--channels", type=int, default=128, help="of the networks, for a trial (128)")
    add("--no-start-up", action="store_true", help="leave out the start of the command")
    add("--name", help="of the report (speed, or speed_quick)")
    args = parser.parse_args()
    args.tasks = args.tasks or (["denoise", "hole_fill"] if args.quick else list(tasks.TASKS))
    args.sizes = args.sizes or ([128] if args.quick else [128, 256, 512])
    args.lanes = args.lanes or ([1, 4] if args.quick else [1, 4, 8])
    args.minutes = args.minutes or (1.25 if args.quick else 25.0)
    if max(args.sizes) > plan.LARGEST:
        parser.error(f"--sizes: {max(args.sizes)} is too large, expected up to 512")
    if not 1 <= args.threads <= cores:
        parser.error(f"--threads is {args.threads}, expected 1 to {cores}")
    print(measure_all(args))


if __name__ == "__main__":
    main()
