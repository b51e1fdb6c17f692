"""Denoising at several noise levels, in colour and in grey: the patches alone, beside BM3D.

    python -m benchmarks.noise_levels
    python -m benchmarks.noise_levels --data=DIR --pictures=a.png,b.png --fits

Squares from the middle of each picture, with noise that is clipped to [0, 1]. `--fits` adds what a
person gets, a whole fit with the default settings and one seed: minutes per picture. BM3D has a row
where it is installed, and is told the noise level; this project measures it.

Resumable: each figure is kept in a file of its own. It writes
`benchmarks/results/noise_levels.md`.
"""

import argparse
from pathlib import Path

import numpy as np

import dip_jax
from benchmarks.common.samples import add_pictures, chosen, damage
from benchmarks.common.tables import kept, measured_with, table, write_report
from benchmarks.ensembles.figures import psnr
from benchmarks.operators.measurements import clean_picture
from benchmarks.quality.classical import DENOISING, Method, installed
from benchmarks.quality.plan import Picture
from dip_jax.settings.fields import override
from dip_jax.settings.tasks import defaults

PICTURES = ("astronaut", "camera", "chelsea", "coffee", "rocket")
_WITHOUT_NETWORK = ("BM3D", "refinement alone")
_WITH_IT = "result"


def noisy(where: Path, side: int, sigma: int, *, grey: bool) -> Picture:
    """A square from the middle of a picture, with noise of sigma, of 255."""
    clean = clean_picture(where, side, colours=not grey)
    y, _ = damage(override(defaults("denoise"), {"damage.sigma": float(sigma)}), clean)
    return Picture(where.stem, clean, y, None)


def figure(picture: Picture, sigma: int, method: Method | None) -> dict[str, float]:
    """The PSNR in dB of a method without a network, or of a whole fit."""
    if method is None:
        x = dip_jax.denoise(picture.y)
    else:
        x = np.clip(method.run(picture, sigma / 255), 0, 1)
    return {"psnr": float(psnr(np.asarray(x, np.float32), picture.clean))}


def main() -> None:
    """Measures what is missing, and writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_pictures(parser, side=256, work="noise_levels")
    parser.add_argument("--fits", action="store_true", help="whole fits too")
    parser.add_argument("--sigmas", default="5,10,15,25,50", help="with commas between them")
    args = parser.parse_args()
    methods: dict[str, Method | None] = {
        method.name: method
        for method in DENOISING
        if method.name in _WITHOUT_NETWORK and installed(method)
    }
    if args.fits:
        methods[_WITH_IT] = None
    places = chosen(args, PICTURES)
    lines = [
        "# Noise levels",
        "",
        f"`python -m benchmarks.noise_levels`, {measured_with()}",
        "",
        f"Squares of {args.side} pixels from the middle, noise of sigma (of 255) clipped to",
        "[0, 1]; PSNR in dB. BM3D is told sigma; `refinement alone` is this project's patches with",
        "no network, which measure it.",
        "",
    ]
    for grey in (False, True):
        rows, means = [], []
        for sigma in map(int, args.sigmas.split(",")):
            of_method = {
                name: [
                    kept(
                        args.work,
                        f"{where.stem}-{args.side}-{'grey' if grey else 'colour'}-{sigma}-{name}",
                        lambda p=where, s=sigma, g=grey, m=method: figure(
                            noisy(p, args.side, s, grey=g), s, m
                        ),
                    )["psnr"]
                    for where in places
                ]
                for name, method in methods.items()
            }
            means.append([str(sigma), *(f"{np.mean(of_method[name]):.2f}" for name in methods)])
            rows += [
                [where.stem, str(sigma), *(f"{of_method[name][i]:.2f}" for name in methods)]
                for i, where in enumerate(places)
            ]
        lines += ["## Grey" if grey else "## Colour", "", "Mean of the pictures:", ""]
        lines += [*table(["sigma", *methods], means), "", "Each picture:", ""]
        lines += [*table(["picture", "sigma", *methods], sorted(rows, key=_order)), ""]
    print(write_report("noise_levels.md", "\n".join(lines)))


def _order(row: list[str]) -> tuple[str, int]:
    return row[0], int(row[1])


if __name__ == "__main__":
    main()
