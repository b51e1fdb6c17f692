"""What a person gets, and after how long: the presets, the state before, and what needs no network.

    python -m benchmarks.time_to_quality --data=DIR --pictures=a.png,b.png --before=CHECKOUT

Every picture is cropped to a square in its middle, damaged as each task's sample is, and restored
by the command `dip-jax`, in a process of its own: the seconds are those of the whole command, from
its start to the picture in a file. Those of the first picture are measured twice: cold, with no
compiled program kept, and warm. `--before` is a checkout of an older commit, which is run in the
same way with the same interpreter, turn by turn with this one. `--first-seeds=0,1,2` makes all of
it with each of these seeds, and `--ensemble=4` with the mean of so many from each on as well.

Beside them stand, in this process and so without a start: non-local means and the biharmonic
surface of scikit-image, their results refined as those of the network are but with no network at
all, and BM3D where it is installed. Non-local means and BM3D are told the noise. With `--pytorch`
there is PyTorch too: the task's network with the published settings, for as many steps as
published, which takes minutes.

Resumable: what has been measured is kept in files of its own. It writes
`benchmarks/results/time_to_quality.md` and `.png`.
"""

import argparse
import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.common.prepared import nonlocal_means, refinement_alone
from benchmarks.common.samples import add_pictures, chosen, damage, opened
from benchmarks.common.tables import (
    RESULTS,
    commit,
    is_kept,
    kept,
    measured_with,
    table,
    write_report,
)
from benchmarks.quality import plan
from dip_jax.pictures.values import to_float
from dip_jax.settings import tasks

HERE = Path(__file__).parents[1]
PICTURES = ("astronaut", "camera", "chelsea", "coffee", "rocket")
TASKS = {
    "denoise": "denoise",
    "text_inpaint": "inpaint",
    "hole_fill": "fill-hole",
    "reconstruct": "reconstruct",
}  # and what the command calls them
SUITE_OF = {suite.task: name for name, suite in plan.SUITES.items()}
COMMANDS = {"before": (), "default": (), "draft": ("--draft",)}
_SIGMA = 25 / 255


class Damaged(NamedTuple):
    """A damaged picture: `clean` and `y`, `(h, w, c)` in [0, 1], and `fill`, `(h, w)` or None."""

    clean: np.ndarray
    y: np.ndarray
    fill: np.ndarray | None

    def psnr(self, x: np.ndarray) -> float:
        """Over the whole picture, as 8 bits."""
        x = np.round(255 * np.clip(x, 0, 1)) / 255
        return float(-10 * np.log10(np.mean((x - self.clean) ** 2)))


def damaged(where: Path, task: str, side: int) -> Damaged:
    """A picture with the damage of a task's sample."""
    image = opened(where)
    left, top = ((length - side) // 2 for length in image.size)
    clean = np.asarray(image.crop((left, top, left + side, top + side)))
    clean = to_float(clean if clean.ndim == 3 else clean[..., None])
    y, fill = damage(tasks.defaults(task), clean)
    return Damaged(clean.astype(np.float64), np.round(255 * y) / 255, fill)


def _write(path: Path, x: np.ndarray) -> None:
    Image.fromarray(np.round(255 * x).astype(np.uint8).squeeze()).save(path)


def commanded(
    given: Damaged, task: str, checkout: Path, words: Sequence[str], cache: Path
) -> dict[str, Any]:
    """What the command of a checkout makes of a picture.

    Args:
        given: the picture.
        task: of `TASKS`.
        checkout: whose code is run.
        words: more options of the command.
        cache: where compiled programs are kept.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "y.png", given.y)
        command = [sys.executable, "-m", "dip_jax", TASKS[task], str(folder / "y.png")]
        if given.fill is not None:
            _write(folder / "mask.png", given.fill.astype(float))
            command += ["--mask", str(folder / "mask.png")]
        command += [*words, "-o", str(folder / "x.png")]
        environment = os.environ | {"PYTHONPATH": str(checkout), "XDG_CACHE_HOME": str(cache)}
        begin = time.perf_counter()
        ran = subprocess.run(
            command, cwd=checkout, env=environment, check=True, capture_output=True, text=True
        )
        seconds = time.perf_counter() - begin
        x = np.asarray(Image.open(folder / "x.png")) / 255
    return {
        "psnr": given.psnr(x.reshape(given.y.shape)),
        "seconds": seconds,
        "said": next(line for line in ran.stdout.splitlines() if re.search(r"\d+ steps, ", line)),
    }


def _timed(given: Damaged, make: Callable[[], np.ndarray]) -> dict[str, Any]:
    """What a function makes, and the time of its second call: the first one compiles."""
    make()
    return _timed_once(given, make)


def without_network(given: Damaged) -> dict[str, Callable[[], np.ndarray]]:
    """The methods that have none, by name."""
    from skimage import restoration

    def alone() -> np.ndarray:
        return refinement_alone(given.y, given.fill)

    if given.fill is not None:
        fill = given.fill
        return {
            "biharmonic": lambda: restoration.inpaint_biharmonic(given.y, fill, channel_axis=-1),
            "refinement, no network": alone,
        }

    found: dict[str, Callable[[], np.ndarray]] = {
        "non-local means": lambda: nonlocal_means(given.y, _SIGMA),
        "refinement, no network": alone,
    }
    if importlib.util.find_spec("bm3d") is not None:
        import bm3d

        of = bm3d.bm3d_rgb if given.y.shape[2] == 3 else bm3d.bm3d
        found["BM3D"] = lambda: np.asarray(of(given.y.squeeze(), _SIGMA)).reshape(given.y.shape)
    return found


def as_published(given: Damaged, task: str, steps: int) -> np.ndarray:
    """The average of outputs after so many steps of PyTorch, the known values put in."""
    from benchmarks.common.pytorch_baseline import to_hwc  # here, because they need PyTorch
    from benchmarks.quality.baseline import Baseline

    picture = plan.Picture("", given.clean.astype("f4"), given.y.astype("f4"), given.fill)
    config = plan.baseline_configuration(plan.SUITES[SUITE_OF[task]], tasks.defaults(task))
    h, w, _ = picture.y.shape
    return picture.given(to_hwc(Baseline(picture, config).fit(steps).avg)[:h, :w])


def _timed_once(given: Damaged, make: Callable[[], np.ndarray]) -> dict[str, Any]:
    """What a function makes, and its time."""
    begin = time.perf_counter()
    x = make()
    seconds = time.perf_counter() - begin
    return {"psnr": given.psnr(np.asarray(x, np.float64)), "seconds": seconds}


Found = dict[str, dict[str, list[dict[str, Any]]]]


def measured(args: argparse.Namespace) -> tuple[Found, dict[str, dict[str, float]]]:
    """All results, by task and method, in the order of the pictures; and the cold seconds."""
    pictures = chosen(args, PICTURES)
    checkouts = {"before": args.before, "default": HERE, "draft": HERE}
    found: Found = {task: {} for task in args.tasks.split(",")}
    cold: dict[str, dict[str, float]] = {task: {} for task in found}

    def keep(name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        at = {"commit": commit()}
        result = kept(args.work, f"{name} {args.side}", lambda: make() | at)
        print(name, result, flush=True)
        return result

    commands = {name: (name, words) for name, words in COMMANDS.items()}
    if args.ensemble > 1:
        for name in ("before", "default"):
            more = (*COMMANDS[name], "--seeds", str(args.ensemble))
            commands[f"{name}, {args.ensemble} seeds"] = name, more
    for task, methods in found.items():
        for where in pictures:
            given = damaged(where, task, args.side)
            methods.setdefault("degraded", []).append({"psnr": given.psnr(given.y), "seconds": 0})
            for name, (of, words) in commands.items():
                checkout = checkouts[of]
                if checkout is None:
                    continue
                cache = (args.work / f"programs {task} {name}").resolve()

                def run(
                    seed=0, given=given, task=task, checkout=checkout, words=words, cache=cache
                ) -> dict[str, Any]:
                    more = ("--seed", str(seed)) if seed else ()
                    return commanded(given, task, checkout.resolve(), (*words, *more), cache)

                if where == pictures[0]:
                    key = f"{task} {name} {where.stem} cold"
                    if not is_kept(args.work, f"{key} {args.side}"):
                        shutil.rmtree(cache, ignore_errors=True)
                    cold[task][name] = keep(key, run)["seconds"]
                for seed in args.first_seeds:
                    key = f"{task} {name} {where.stem}" + (f" seed {seed}" if seed else "")
                    result = keep(key, functools.partial(run, seed))
                    methods.setdefault(name, []).append(result)
            for name, make in without_network(given).items():
                result = keep(f"{task} {name} {where.stem}", functools.partial(_timed, given, make))
                methods.setdefault(name, []).append(result)
            if args.pytorch:
                steps = plan.SUITES[SUITE_OF[task]].published_steps
                fitted = functools.partial(as_published, given, task, steps)
                name = f"PyTorch, {steps} steps"
                result = keep(
                    f"{task} {name} {where.stem}", functools.partial(_timed_once, given, fitted)
                )
                methods.setdefault(name, []).append(result)
    return found, cold


def _mean(results: Sequence[dict[str, Any]], of: str) -> float:
    return float(np.mean([one[of] for one in results]))


def _psnrs(results: Sequence[dict[str, Any]], pictures: int) -> list[float]:
    """Of each picture, the mean over its seeds."""
    return list(np.reshape([one["psnr"] for one in results], (pictures, -1)).mean(axis=1))


def report(
    args: argparse.Namespace, found: Found, cold: dict[str, dict[str, float]]
) -> tuple[list[str], int]:
    """The tables' lines, and how many pictures they are of."""
    lines: list[str] = []
    count = 0
    for task, methods in found.items():
        rows = []
        count = len(methods["degraded"])
        for name, results in methods.items():
            said = [one["said"] for one in results if "said" in one]
            fits = [line for line in said if "no network" not in line]
            several = _of_one(name)  # of several a line tells the sum
            steps = [int(number) for line in said for number in re.findall(r"(\d+) steps", line)]
            rows.append(
                [
                    name,
                    f"{_mean(results, 'psnr'):.2f}",
                    f"{_mean(results, 'seconds'):.1f}" if results[0]["seconds"] else "",
                    f"{cold[task][name]:.1f}" if name in cold[task] else "",
                    f"{np.mean(steps):.0f}" if steps and not several else "",
                    ""
                    if several or not fits
                    else f"{sum('itself' not in line for line in fits)} of {len(fits)}",
                    ", ".join(f"{psnr:.2f}" for psnr in _psnrs(results, count)),
                ]
            )
        names = ["method", "PSNR, dB", "seconds", "cold", "steps", "made all steps", "each"]
        now = [one for name, results in methods.items() if name != "degraded" for one in results]
        at = {one.get("commit", "an unknown commit") for one in now}
        lines += [f"## {task}", "", f"Measured at {', '.join(sorted(at))}.", ""]
        lines += [*table(names, rows), ""]
        lines += _compared(methods, cold[task], count)
        lines += _of_seeds(methods)
    return lines, count


def _of_one(name: str) -> str | None:
    """The command that so many seeds are given to; None if the name is not that of several."""
    several = re.fullmatch(r"(.*), \d+ seeds", name)
    return several[1] if several else None


def _of_seeds(methods: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What several seeds cost and gain."""
    lines = []
    for name, results in methods.items():
        of = _of_one(name)
        if of:
            times = _mean(results, "seconds") / _mean(methods[of], "seconds")
            gain = _mean(results, "psnr") - _mean(methods[of], "psnr")
            lines += [f"{name}: {times:.1f} times as long as one, {gain:+.2f} dB.", ""]
    return lines


def _compared(
    methods: dict[str, list[dict[str, Any]]], cold: dict[str, float], count: int
) -> list[str]:
    if "before" not in methods:
        return []
    before, after = methods["before"], methods["default"]
    differences = np.subtract(_psnrs(after, count), _psnrs(before, count))
    return [
        f"Against before: {_mean(before, 'seconds') / _mean(after, 'seconds'):.1f} times as fast, "
        f"cold {cold['before'] / cold['default']:.1f} times; mean PSNR "
        f"{np.mean(differences):+.2f} dB, of single pictures {min(differences):+.2f} to "
        f"{max(differences):+.2f} dB.",
        "",
    ]


def plot(found: Found) -> Path:
    """The mean PSNR against the mean seconds, a panel for each task."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(found), 4), dpi=110, layout="constrained")
    for axes, (task, methods) in zip(
        np.atleast_1d(figure.subplots(1, len(found))), found.items(), strict=True
    ):
        for name, results in methods.items():
            if name == "degraded":
                continue
            at = _mean(results, "seconds"), _mean(results, "psnr")
            ours = (_of_one(name) or name) in COMMANDS
            axes.semilogx(*at, "o" if ours else "s", color="C0" if ours else "0.5")
            # The best of both kinds are near each other.
            beside, align = ((5, 5), "left") if ours else ((-5, 5), "right")
            if name in ("BM3D", "non-local means", "biharmonic", "before", "draft"):
                beside, align = (5, -12), "left"
            elif name == "default":  # beside a draft
                beside, align = (0, 7), "center"
            axes.annotate(name, at, xytext=beside, textcoords="offset points", fontsize=8, ha=align)
        axes.set_title(task)
        axes.set_xlabel("seconds, warm")
        axes.margins(0.25)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("PSNR (dB)")
    path = RESULTS / "time_to_quality.png"
    figure.savefig(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_pictures(parser, side=128, work="time_to_quality")
    parser.add_argument("--tasks", default=",".join(TASKS), help="with commas between them (all)")
    parser.add_argument("--before", type=Path, help="a checkout of an older commit")
    parser.add_argument(
        "--first-seeds", default="0", help="of each fit, with commas between them (0)"
    )
    parser.add_argument("--pytorch", action="store_true", help="PyTorch as published as well")
    parser.add_argument("--ensemble", type=int, default=1, help="so many seeds as well (1)")
    args = parser.parse_args()
    args.first_seeds = [int(seed) for seed in args.first_seeds.split(",")]
    args.work.mkdir(parents=True, exist_ok=True)
    found, cold = measured(args)
    tables, count = report(args, found, cold)
    before = f" The checkout of before is at {_commit_of(args.before)}." if args.before else ""
    lines = [
        "# What a person gets, and after how long",
        "",
        f"{count} pictures of {args.side} x {args.side} pixels, {_said_of_seeds(args)}. Seconds "
        "are means; of the commands they are of the whole command, of the others of the method "
        f"alone. `--draft` is the preset `draft`.{before}",
        "",
        measured_with(),
        "",
        *tables,
        "![PSNR against seconds](time_to_quality.png)",
        "",
    ]
    write_report("time_to_quality.md", "\n".join(lines))
    print("\n".join(lines))
    print(plot(found))


def _said_of_seeds(args: argparse.Namespace) -> str:
    if len(args.first_seeds) == 1:
        return "one seed"
    return f"{len(args.first_seeds)} seeds, of which each figure but the cold seconds is the mean"


def _commit_of(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "--short=10", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
