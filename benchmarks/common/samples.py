"""The pictures of the benchmarks: samples that are damaged as the task's own sample is."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dip_jax.pictures import damage as pictures_damage
from dip_jax.pictures import samples
from dip_jax.pictures.values import to_float
from dip_jax.settings.tasks import defaults


def damaged(
    config: Mapping[str, Any], picture: str, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """A sample, and its damage by the task and the `damage` of a configuration.

    Args:
        config: of a task, as `tasks.defaults` gives it.
        picture: the name of the sample.
        side: of its longer side, in pixels.

    Returns:
        The clean picture `(h, w, c)`, the damaged one, and `(h, w)` True where it is to be filled;
        None where all of it is known.
    """
    clean = to_float(samples.sample(picture, side).pixels)
    return (clean, *damage(config, clean))


def damage(config: Mapping[str, Any], clean: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The damage of a clean picture `(h, w, c)` in [0, 1], as `damaged` gives it."""
    how = config["damage"]
    rng = np.random.default_rng(how["seed"])
    kind = defaults(config["task"])["degrade"]
    return pictures_damage.damaged(clean, kind, rng, sigma=how["sigma"], share=how["share"])


def add_pictures(parser: argparse.ArgumentParser, *, side: int, work: str) -> None:
    """The options of a benchmark that takes squares of any pictures, and keeps what it has done.

    Args:
        parser: of its command line.
        side: of the squares in pixels, by default.
        work: the folder of what is kept, by default, among those of the benchmarks.
    """
    add = parser.add_argument
    add("--data", type=Path, help="a folder of clean pictures (photographs of scikit-image)")
    add("--pictures", default="", help="names of files in it, with commas between them")
    add("--side", type=int, default=side, help=f"of the square in pixels ({side})")
    add("--work", type=Path, default=Path("runs/benchmarks") / work, help="what is kept")


def chosen(args: argparse.Namespace, names: Sequence[str]) -> list[Path]:
    """The pictures of the options of `add_pictures`; without any, the samples of these names."""
    if not args.data:
        return [Path(name) for name in names]
    return [args.data / name for name in args.pictures.split(",")]


def opened(where: Path) -> Image.Image:
    """One of the `chosen`: a file, or a sample, whose name has no suffix."""
    if where.suffix:
        return Image.open(where)
    return Image.fromarray(samples.sample(str(where)).pixels)
