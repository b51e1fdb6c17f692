"""Damage of other kinds than white noise of one strength, and what is done about it.

    python -m benchmarks.damages --data=DIR      makes benchmarks/results/damages.md

Each picture of the folder (by default three photographs of scikit-image) is cropped to a square
and reduced, damaged in every way below, and restored from Python on default settings: with all that
a picture is looked at for, and with none of it (`adapt.…=False`). Beside it stand non-local means,
given the deviation of the noise that there is. PSNRs are against the clean picture, on the scale
that the damaged one has.

Resumable: each finished fit is kept in a file of its own, and only what is missing is run.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

import numpy as np
from PIL import Image
from skimage.restoration import denoise_nl_means

import dip_jax
from benchmarks.common.samples import add_pictures, chosen, opened
from benchmarks.common.tables import kept, measured_with, table, write_report
from dip_jax.pictures.values import to_float
from dip_jax.settings import tasks

PICTURES = ("astronaut", "chelsea", "coffee")
BAR = 0.21  # of the rows, at the top and at the bottom


class Damaged(NamedTuple):
    """A damaged picture.

    Attributes:
        pixels: `(h, w, c)`, as they are given.
        black: the value that stands for 0.
        white: the value that stands for 1.
        rows: that count.
    """

    pixels: np.ndarray
    black: float = 0
    white: float = 255
    rows: slice = slice(None)

    def image(self, pixels: np.ndarray) -> np.ndarray:
        return (pixels.astype(np.float64) - self.black) / (self.white - self.black)


def _bytes(x: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(x, 0, 1)).astype(np.uint8)


def _even(sigma: float) -> Callable[[np.ndarray, np.random.Generator], Damaged]:
    return lambda x, rng: Damaged(_bytes(x + rng.normal(0, sigma / 255, x.shape)))


def _photons(count: int) -> Callable[[np.ndarray, np.random.Generator], Damaged]:
    return lambda x, rng: Damaged(_bytes(rng.poisson(x * count) / count))


def _speckle(x: np.ndarray, rng: np.random.Generator) -> Damaged:
    return Damaged(_bytes(x * (1 + rng.normal(0, 0.25, x.shape))))


def _stripes(axis: int) -> Callable[[np.ndarray, np.random.Generator], Damaged]:
    def damage(x: np.ndarray, rng: np.random.Generator) -> Damaged:
        shape = [1, 1, 1]
        shape[axis] = x.shape[axis]
        return Damaged(_bytes(x + rng.normal(0, 15 / 255, shape)))

    return damage


def _bars(value: int) -> Callable[[np.ndarray, np.random.Generator], Damaged]:
    def damage(x: np.ndarray, rng: np.random.Generator) -> Damaged:
        pixels = _even(22)(x, rng).pixels
        bar = round(BAR * len(x))
        pixels[:bar], pixels[-bar:] = value, value
        return Damaged(pixels, rows=slice(bar, len(x) - bar))

    return damage


def _inside(x: np.ndarray, rng: np.random.Generator) -> Damaged:
    return _bars(0)(x, rng)._replace(pixels=_even(22)(x, np.random.default_rng(0)).pixels)


def _narrow(x: np.ndarray, rng: np.random.Generator) -> Damaged:
    y = np.clip(x + rng.normal(0, 25 / 255, x.shape), 0, 1)
    return Damaged(np.round(100 + 900 * y).astype(np.uint16), 100, 1000)


DAMAGES: dict[str, Callable[[np.ndarray, np.random.Generator], Damaged]] = {
    "even noise, σ 25": _even(25),
    "even noise, σ 3": _even(3),
    "speckle, 0.25": _speckle,
    "20 photons": _photons(20),
    "200 photons": _photons(200),
    "columns' offsets, σ 15": _stripes(1),
    "rows' offsets, σ 15": _stripes(0),
    "σ 22, rows between the bars, without bars": _inside,
    "the same, black bars": _bars(0),
    "the same, white bars": _bars(255),
    "σ 25, 100 to 1000 of 65535": _narrow,
}


def psnr(x: np.ndarray, clean: np.ndarray, rows: slice) -> float:
    return float(-10 * np.log10(np.mean((np.clip(x, 0, 1) - clean)[rows] ** 2)))


def clean_picture(where: Path, side: int) -> np.ndarray:
    """`(side, side, c)` in [0, 1]: the middle of a picture, reduced."""
    image = opened(where)
    shorter = min(image.size)
    left, top = ((length - shorter) // 2 for length in image.size)
    image = image.crop((left, top, left + shorter, top + shorter))
    return to_float(np.asarray(image.resize((side, side), Image.Resampling.LANCZOS)))


def fitted(where: Path, damage: str, side: int) -> dict[str, Any]:
    """What becomes of one picture and one damage."""
    clean = clean_picture(where, side).astype(np.float64)
    damaged = DAMAGES[damage](clean, np.random.default_rng(0))
    y = damaged.image(damaged.pixels)
    noise = float(np.sqrt(np.mean((y - clean)[damaged.rows] ** 2)))
    means = denoise_nl_means(
        y, patch_size=5, patch_distance=9, h=0.6 * noise, sigma=noise, channel_axis=-1
    )
    found: dict[str, Any] = {
        "damaged": psnr(y, clean, damaged.rows),
        "nlm": psnr(means, clean, damaged.rows),
    }
    nothing = {f"adapt.{name}": False for name in tasks.defaults("denoise")["adapt"]}
    for name, options in (("plain", nothing), ("ours", {})):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            result, info = dip_jax.denoise(damaged.pixels, options=options, return_info=True)
        found[name] = psnr(damaged.image(result), clean, damaged.rows)
        found[f"{name} steps"] = info.steps
    found["remarks"] = list(info.remarks)
    return found


def damages_table(args: argparse.Namespace) -> str:
    """Fits all that is missing, and gives the table."""
    pictures = chosen(args, PICTURES)
    rows = []
    for damage in DAMAGES:
        found = []
        for where in pictures:
            name = f"{where.stem} {args.side} {damage}"
            found.append(kept(args.work, name, lambda w=where, d=damage: fitted(w, d, args.side)))
            print(name, found[-1], flush=True)
        of = ("damaged", "nlm", "plain", "ours")
        mean = [float(np.mean([one[name] for one in found])) for name in of]
        rows.append(
            [
                damage,
                *[f"{value:.2f}" for value in mean],
                ", ".join(f"{one['ours']:.2f}" for one in found),
                ", ".join(f"{one['ours'] - one['nlm']:+.2f}" for one in found),
            ]
        )
    names = ["damage", "damaged", "non-local means", "not looked at", "dip_jax"]
    names += ["each picture", "each, over non-local means"]
    lines = [
        "# Damage of other kinds than white noise of one strength",
        "",
        measured_with(),
        "",
        f"{', '.join(where.stem for where in pictures)}: {args.side} x {args.side} pixels, one "
        "seed, default settings; mean PSNR in dB. What the damages are is in `DAMAGES` of "
        "benchmarks/damages.py.",
        "",
        *table(names, rows),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_pictures(parser, side=96, work="damages")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    startup.keep_compiled_programs()
    text = damages_table(args)
    write_report("damages.md", text)
    print(text)


if __name__ == "__main__":
    main()
