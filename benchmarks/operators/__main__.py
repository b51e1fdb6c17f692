"""Pictures that an operator measured: what the network finds, beside what needs none.

    python -m benchmarks.operators --data=DIR --pictures=a.png,b.png --suites=deblur,demosaic

Suites: `super_resolve` (Pillow's LANCZOS makes the picture smaller, and the model is the default,
lanczos2; whole pictures, cropped at the centre to multiples of 32; PSNR of the luma, without a rim
of 4 pixels, as is published), `deblur` (a Gaussian of 1.6 pixels, noise of sigma 2 of 255),
`demosaic`, `remove_jpeg` (quality 10) and `tomography` (the phantom of scikit-image, parallel beams
in 30 views, noise of 1 % of the largest value). The others take a square in the middle of each
picture, and all of its colours.

The rivals are given what they need: the kernel, and that of a few parameters which is nearest to
the clean picture on average over the suite. "Agreement alone" is this project's last step without
its network: the best rival made to agree with what was measured; for a JPEG non-local means are
projected; demosaicing has none. The network is not told anything, and stops by itself.

Resumable: each finished picture is kept in a file of its own. It writes
`benchmarks/results/operators.md`.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

import jax.numpy as jnp
import numpy as np
from PIL import Image
from skimage import restoration
from skimage.transform import iradon, iradon_sart

import dip_jax
from benchmarks.common.samples import add_pictures, chosen
from benchmarks.common.tables import kept, measured_with, table, write_report
from benchmarks.operators.measurements import (
    ANGLES,
    KERNEL,
    QUALITY,
    as_picture,
    blurred,
    clean_picture,
    compressed,
    phantom,
    reduced,
    sinogram,
)
from benchmarks.operators.rivals import Image_, agreeing, bilinear, malvar, total_variation
from dip_jax import operators

PICTURES = ("astronaut", "camera", "chelsea", "coffee", "rocket")
SUITES = ("super_resolve", "deblur", "demosaic", "remove_jpeg", "tomography")
_BORDER = 24  # pixels

Rivals = dict[str, np.ndarray]


def luma(x: Image_) -> Image_:
    """The Y of ITU-R BT.601, as the published figures of super-resolution are taken."""
    if x.shape[2] == 1:
        return x[..., 0]
    return (16 + x @ np.array([65.481, 128.553, 24.966])) / 255


def psnr(x: Image_, clean: Image_, rim: int = 0) -> float:
    """In dB, without a rim of so many pixels."""
    inside = slice(rim, -rim or None)
    return float(-10 * np.log10(np.mean((x[inside, inside] - clean[inside, inside]) ** 2)))


def per_channel(function: Callable[[Image_], Image_], x: Image_) -> Image_:
    """A function of grey pictures, of each channel."""
    return np.stack([function(x[..., i]) for i in range(x.shape[2])], axis=2)


def best_of(make: Callable[[float], Image_], parameters: tuple[float, ...]) -> Rivals:
    """A rival with each of its parameters."""
    return {f"{parameter:g}": make(parameter) for parameter in parameters}


def super_resolve(clean: Image_, args: argparse.Namespace) -> tuple[Any, ...]:
    """What was measured, by what, its rivals by name and parameter, and this project's call."""
    h, w, _ = clean.shape
    y, operator = reduced(clean, args.factor, args.sigma)
    small = as_picture(y)

    def enlarged(how: Image.Resampling) -> Image_:
        pixels = np.asarray(small.resize((w, h), how), np.float32)
        return pixels.reshape(clean.shape) / 255

    rivals = {
        "bicubic": {"": enlarged(Image.Resampling.BICUBIC)},
        "Lanczos": {"": enlarged(Image.Resampling.LANCZOS)},
        "total variation": best_of(
            lambda weight: total_variation(y, operator, clean.shape, weight),
            (1e-4, 5e-4, 2e-3, 5e-3, 2e-2),
        ),
    }
    options = {"preset": args.preset, "return_info": True}
    return y, operator, rivals, lambda: dip_jax.super_resolve(y, args.factor, **options)


def deblur(clean: Image_, args: argparse.Namespace) -> tuple[Any, ...]:
    """As `super_resolve`."""
    y, operator = blurred(clean)

    def padded(function: Callable[[Image_], Image_]) -> Image_:
        """For rivals that take what is beyond the border for periodic or black."""
        wide = np.pad(y, ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0)), mode="symmetric")
        return per_channel(function, wide)[_BORDER:-_BORDER, _BORDER:-_BORDER]

    rivals = {
        "Wiener": best_of(
            lambda b: padded(lambda c: restoration.wiener(c, KERNEL, b)),
            (0.001, 0.003, 0.01, 0.03, 0.1),
        ),
        "Richardson-Lucy": best_of(
            lambda n: padded(lambda c: restoration.richardson_lucy(c, KERNEL, int(n))),
            (10, 20, 40, 80, 160),
        ),
        "total variation": best_of(
            lambda weight: total_variation(y, operator, clean.shape, weight),
            (2e-4, 5e-4, 1e-3, 2e-3, 5e-3),
        ),
    }
    options = {"preset": args.preset, "return_info": True}
    return y, operator, rivals, lambda: dip_jax.deblur(y, KERNEL, **options)


def demosaic(clean: Image_, args: argparse.Namespace) -> tuple[Any, ...]:
    """As `super_resolve`."""
    operator = operators.bayer("RGGB")
    y = np.asarray(operator(jnp.asarray(clean)))
    raw = y[..., 0]
    rivals = {"bilinear": {"": bilinear(raw)}, "Malvar": {"": malvar(raw)}}
    options = {"preset": args.preset, "return_info": True}
    return y, None, rivals, lambda: dip_jax.demosaic(raw, "RGGB", **options)


def remove_jpeg(clean: Image_, args: argparse.Namespace) -> tuple[Any, ...]:
    """As `super_resolve`."""
    y, operator = compressed(clean)
    rivals = {
        "as decoded": {"": y},
        "total variation": best_of(
            lambda w: restoration.denoise_tv_chambolle(y, w, channel_axis=-1).reshape(y.shape),
            (0.01, 0.02, 0.03, 0.05, 0.08),
        ),
        "non-local means": best_of(
            lambda h: restoration.denoise_nl_means(
                y, h=h, patch_size=5, patch_distance=6, channel_axis=-1
            ).reshape(y.shape),
            (0.015, 0.02, 0.03, 0.04, 0.055, 0.07),
        ),
    }
    options = {"preset": args.preset, "return_info": True}
    # The decoded values, not those of a file: the result is not rounded.
    return y, operator, rivals, lambda: dip_jax.remove_jpeg(y, QUALITY, **options)


def tomography(clean: Image_, args: argparse.Namespace) -> tuple[Any, ...]:
    """As `super_resolve`."""
    y, operator = sinogram(clean)

    def back_projected(name: str) -> Image_:
        return np.clip(iradon(y[..., 0], ANGLES, filter_name=name), 0, 1)[..., None]

    def sart(times: float) -> Image_:
        x = None
        for _ in range(int(times)):
            x = iradon_sart(y[..., 0].astype(float), ANGLES, image=x)
        return np.clip(x, 0, 1)[..., None]

    filters = ("ramp", "shepp-logan", "cosine", "hamming", "hann")
    rivals = {
        "back-projection": {name: back_projected(name) for name in filters},
        "SART": best_of(sart, (1, 2, 4, 8, 16)),
        "total variation": best_of(
            lambda weight: total_variation(y, operator, clean.shape, weight),
            (0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
        ),
    }
    options = {"preset": args.preset, "return_info": True, "shape": clean.shape}
    return y, operator, rivals, lambda: dip_jax.restore(y, operator, **options)


def measured(suite: str, where: Path, args: argparse.Namespace) -> dict[str, Any]:
    """One picture: the PSNRs of all, and the seconds of this project."""
    if suite == "tomography":
        clean = phantom(args.side)
    else:
        colours = True if suite == "demosaic" else None
        clean = clean_picture(where, None if suite == "super_resolve" else args.side, colours)
    y, operator, rivals, call = globals()[suite](clean, args)

    def judged(x: Image_) -> float:
        if suite == "super_resolve":
            return psnr(luma(x), luma(clean), 4)
        return psnr(x, clean, 4)

    found: dict[str, Any] = {
        name: {parameter: judged(x) for parameter, x in images.items()}
        for name, images in rivals.items()
    }
    begin = time.perf_counter()
    x, info = call()
    found["seconds"] = time.perf_counter() - begin
    x = np.asarray(x, np.float32).reshape(clean.shape)
    alone = np.mean([result.x for result in info.results], axis=0)
    found |= {"network alone": judged(alone), "result": judged(x), "steps": info.steps}
    found["ended"] = info.stop_reason
    if operator is not None:
        start = max((images[p] for images in rivals.values() for p in images), key=judged)
        if suite == "tomography":
            found["agreement alone"] = None
        else:
            found["agreement alone"] = judged(
                np.asarray(operator.consistent(start, y))
                if suite == "remove_jpeg"
                else agreeing(np.asarray(start, np.float32), y, operator)
            )
    if args.pictures_to:
        shown = [clean, *(max(i.values(), key=judged) for i in rivals.values()), alone, x]
        row = np.concatenate([np.broadcast_to(a, (*a.shape[:2], 3)) for a in shown], axis=1)
        args.pictures_to.mkdir(parents=True, exist_ok=True)
        pixels = np.rint(255 * np.clip(row, 0, 1)).astype(np.uint8)
        Image.fromarray(pixels).save(args.pictures_to / f"{suite}-{where.stem}.png")
    return found


def report(found: dict[str, dict[str, dict[str, Any]]], args: argparse.Namespace) -> str:
    """The table of every suite."""
    lines = ["# What operators measured", "", (__doc__ or "").split("\n\n")[2], ""]
    lines += [(__doc__ or "").split("\n\n")[3], "", measured_with(), ""]
    for suite, pictures in found.items():
        first = next(iter(pictures.values()))
        rivals = [name for name, value in first.items() if isinstance(value, dict)]
        best = {
            name: max(
                first[name], key=lambda p, n=name: np.mean([o[n][p] for o in pictures.values()])
            )
            for name in rivals
        }
        names = [*rivals, *(["agreement alone"] if first.get("agreement alone") else [])]
        names += ["network alone", "result"]

        def value(one: dict[str, Any], name: str, best: dict[str, str] = best) -> float:
            return one[name][best[name]] if name in best else one[name]

        rows = [
            [
                picture,
                *(f"{value(one, name):.2f}" for name in names),
                f"{one['seconds']:.0f}",
                str(one["steps"]),
            ]
            for picture, one in pictures.items()
        ]
        if len(rows) > 1:
            means = [np.mean([value(o, name) for o in pictures.values()]) for name in names]
            seconds = np.mean([one["seconds"] for one in pictures.values()])
            rows.append(["**mean**", *(f"**{m:.2f}**" for m in means), f"{seconds:.0f}", ""])
        titles = [f"{name} ({best[name]})" if best.get(name) else name for name in names]
        noisy = f", noise of sigma {args.sigma:g} of 255" if args.sigma else ""
        factor = f", ×{args.factor}{noisy}" if suite == "super_resolve" else ""
        lines += [f"## {suite}{factor}", "", "PSNR in dB.", ""]
        lines += [*table(["", *titles, "seconds", "steps"], rows), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_pictures(parser, side=128, work="operators")
    parser.add_argument("--suites", default=",".join(SUITES), help="with commas between them (all)")
    parser.add_argument("--factor", type=int, default=4, help="of super-resolution (4)")
    parser.add_argument("--sigma", type=float, default=0.0, help="of noise before that, of 255 (0)")
    parser.add_argument("--preset", default="", help="of every task (none)")
    parser.add_argument("--pictures-to", type=Path, help="a folder for what is compared")
    parser.add_argument("--name", default="operators", help="of the report (operators)")
    args = parser.parse_args()
    startup.keep_compiled_programs()
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for suite in args.suites.split(","):
        if suite not in SUITES:
            parser.error(f"{suite!r} is no suite; expected some of {', '.join(SUITES)}")
        places = [Path("phantom")] if suite == "tomography" else chosen(args, PICTURES)
        if suite == "demosaic":  # a camera's mosaic is of a colour picture
            places = [one for one in places if one.stem != "camera"]
        for where in places:
            name = f"{suite} {args.factor} {where.stem} {args.side} {args.sigma:g} {args.preset}"
            make = lambda s=suite, w=where: measured(s, w, args)  # noqa: E731
            found.setdefault(suite, {})[where.stem] = kept(args.work, name, make)
            print(name, found[suite][where.stem], flush=True)
    text = report(found, args)
    write_report(f"{args.name}.md", text)
    print(text)


if __name__ == "__main__":
    main()
