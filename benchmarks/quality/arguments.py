"""What may be asked of `benchmarks.quality`, and what was, in words."""

import argparse
from pathlib import Path

from benchmarks.common import tables
from benchmarks.quality.plan import SCALES, SUITES

METHODS = ("classical", "dip_jax", "pytorch")


def shown_arguments(args: argparse.Namespace) -> list[str]:
    """Those that were given, without the places of files."""
    words = []
    for name, value in vars(args).items():
        if name in ("work", "out", "name") or value == arguments([]).__dict__[name]:
            continue
        for each in value if name in ("row", "set") else [value]:
            if name == "methods":
                each = ",".join(each)
            elif name in ("data", "row"):
                path, *rest = str(each).split(",")
                each = ",".join([Path(path).name, *rest])
            words.append(f"--{name.replace('_', '-')}={each}")
    return words


def arguments(given: list[str], description: str | None = None) -> argparse.Namespace:
    """Those of a command line, or of none: the defaults."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--suite", choices=tuple(SUITES), help="one of them (all)")
    add("--scale", choices=tuple(SCALES), default="cpu", help="(cpu)")
    add("--data", type=Path, help="folder of clean pictures (photographs of scikit-image)")
    add("--mask-polarity", choices=("keep", "fill"), default="keep", help="of white (keep)")
    add("--row", action="append", default=[], metavar="FILE[,side=N][,NAME=VALUE]")
    add("--side", type=int, help="longer side of the pictures")
    add("--pictures", type=int, help="how many, the first by name")
    add("--seeds", type=int, choices=(1, 2, 4, 8, 16, 32))
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="of dip_jax's settings")
    add("--baseline-steps", type=int, help="of PyTorch (the published ones)")
    add("--methods", type=lambda text: text.split(","), default=METHODS, help=",".join(METHODS))
    add("--work", type=Path, default=Path("runs/benchmarks/quality"), help="what is kept")
    add("--name", default="quality", help="of the reports (quality)")
    add("--out", type=Path, default=tables.RESULTS, help="folder of the reports")
    args = parser.parse_args(given)
    if unknown := set(args.methods) - set(METHODS):
        parser.error(f"--methods: {', '.join(unknown)}; expected some of {', '.join(METHODS)}")
    return args
