"""Large pictures: time and memory of scratches in one, what tiles cost, and what was foretold.

    python -m benchmarks.large
    python -m benchmarks.large --only=scratches --megapixels=100

Sections: `specks` (3,000 of 4 pixels in 6 megapixels), `scratches` (a photograph of scikit-image,
enlarged and given texture, with 20 scratches of 100 to 400 pixels and 5 spots, mended by the
command `dip-jax inpaint`, the whole command measured; the rival is biharmonic inpainting around the
same damage), `photographs` (five scratches and two spots in squares of photographs as they are),
`tiles` (one noisy picture fitted whole and in tiles of half its side: PSNR, and the error within 8
pixels of the tiles' borders in both), `sizes` (what the command foretells, and what it takes),
`denoise` (4 megapixels in tiles: in one go, killed and resumed, and by two processes), `hundred` (a
file of 100 megapixels in 16 bits, mended by the command).

Resumable: each section is kept in a file of its own. It writes `benchmarks/results/large.md`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

import dip_jax
from benchmarks.common.samples import add_pictures, chosen, opened
from benchmarks.common.tables import kept, measured_with, table, write_report
from benchmarks.large_denoising import measured, psnr
from dip_jax.api.array_fit import prepare
from dip_jax.api.parted_fit import PartedFit
from dip_jax.lanes import our_jax
from dip_jax.settings import estimates, parting

SECTIONS = ("specks", "scratches", "photographs", "tiles", "sizes", "denoise", "hundred")
PICTURES = ("astronaut", "camera", "chelsea", "coffee", "rocket")
_COMMAND = "import sys; from dip_jax.cli.command import main; sys.exit(main())"
_NEAR = 8  # pixels from a tile's border


def photograph(h: int, w: int) -> NDArray[np.uint8]:
    """A photograph enlarged, with texture at the size of its pixels."""
    from scipy import ndimage
    from skimage import data

    x = data.coffee().astype(np.float32) / 255
    zoomed = [
        ndimage.zoom(x[..., k], (h / x.shape[0], w / x.shape[1]), order=1)[:h, :w] for k in range(3)
    ]
    rng = np.random.default_rng(0)
    texture = rng.standard_normal((h, w)).astype(np.float32)
    texture = 3 * ndimage.gaussian_filter(texture, 2.0)
    image = np.stack(zoomed, axis=-1) + 0.06 * texture[..., None]
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def scratched(h: int, w: int, scratches: int = 20, spots: int = 5) -> NDArray[np.bool_]:
    """Bent scratches of 3 to 5 pixels, 100 to 400 long, and spots of 8 to 25 pixels' radius."""
    rng = np.random.default_rng(1)
    fill = np.zeros((h, w), bool)
    for _ in range(scratches):
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(100, 400)
        along = np.linspace(-0.5, 0.5, int(2 * length)) * length
        bend = rng.uniform(-0.1, 0.1) * along**2 / length
        y = rng.uniform(50, h - 50) + along * np.sin(angle) + bend * np.cos(angle)
        x = rng.uniform(50, w - 50) + along * np.cos(angle) - bend * np.sin(angle)
        inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
        r = int(rng.integers(1, 3))
        for i, j in zip(y[inside].astype(int), x[inside].astype(int), strict=True):
            fill[max(i - r, 0) : i + r + 1, max(j - r, 0) : j + r + 1] = True
    for _ in range(spots):
        y, x, r = rng.uniform(50, h - 50), rng.uniform(50, w - 50), rng.uniform(8, 25)
        rows, columns = np.ogrid[:h, :w]
        fill |= (rows - y) ** 2 + (columns - x) ** 2 < r * r
    return fill


def commanded(*arguments: str) -> dict[str, Any]:
    """Seconds and the largest memory of a command `dip-jax`, and what it said."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *arguments], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)  # its own memory, not that of all before
    seconds = time.perf_counter() - begin
    if status:
        raise SystemExit(said)
    return {"seconds": seconds, "gigabytes": used.ru_maxrss / 1e6, "said": said.splitlines()}


def scratches(args: argparse.Namespace) -> dict[str, Any]:
    """Of a photograph of so many megapixels."""
    side = round((args.megapixels * 1e6 / 6) ** 0.5)
    h, w = 2 * side, 3 * side
    return _mended(args, photograph(h, w), scratched(h, w))


def specks(args: argparse.Namespace) -> dict[str, Any]:
    """Of 6 megapixels with 3,000 specks of 4 pixels."""
    h, w = 2000, 3000
    rng, fill = np.random.default_rng(3), np.zeros((h, w), bool)
    for y, x in zip(rng.integers(5, h - 5, 3000), rng.integers(5, w - 5, 3000), strict=True):
        fill[y - 2 : y + 2, x - 2 : x + 2] = True
    return _mended(args, photograph(h, w), fill)


def _mended(
    args: argparse.Namespace, clean: NDArray[np.uint8], fill: NDArray[np.bool_]
) -> dict[str, Any]:
    """What the command makes of a picture without some pixels, and biharmonic inpainting of it."""
    damaged = np.where(fill[..., None], np.uint8(255), clean)
    args.work.mkdir(parents=True, exist_ok=True)
    names = [str(args.work / name) for name in ("photo.tif", "mask.tif", "mended.tif")]
    Image.fromarray(damaged).save(names[0])
    Image.fromarray((255 * fill).astype(np.uint8)).save(names[1], compression="tiff_lzw")
    del damaged
    found = commanded("inpaint", names[0], "--mask", names[1], "-o", names[2], "--force")
    mended = np.asarray(Image.open(names[2]))
    found |= {
        "shape": fill.shape,
        "share": float(fill.mean()),
        "psnr": psnr(mended[fill], clean[fill]),
        "biharmonic": psnr(_biharmonic(clean, fill)[fill], clean[fill]),
        "same": bool((mended[~fill] == clean[~fill]).all()),
        "parts": "; ".join(
            line.split("; --set")[0]
            for line in found["said"]
            if "around the damage" in line or "smooth" in line
        ),
        "foretold": next(line for line in found["said"] if "for all steps" in line),
    }
    return found


def hundred(args: argparse.Namespace) -> dict[str, Any]:
    """Of a file of 100 megapixels in 16 bits: time, memory, and whether known pixels are kept."""
    h, w = 8164, 12246
    deep = 257 * photograph(h, w).astype(np.uint16)
    fill = scratched(h, w)
    deep[fill] = 65535
    args.work.mkdir(parents=True, exist_ok=True)
    names = [str(args.work / name) for name in ("deep.tif", "deep-mask.tif", "deep-mended.tif")]
    tifffile.imwrite(names[0], deep, photometric="rgb")
    Image.fromarray((255 * fill).astype(np.uint8)).save(names[1], compression="tiff_lzw")
    found = commanded("inpaint", names[0], "--mask", names[1], "-o", names[2], "--force")
    mended = tifffile.imread(names[2])
    same = mended.dtype == np.uint16 and bool((mended[~fill] == deep[~fill]).all())
    bytes_of_file = os.path.getsize(names[0])
    for name in names:
        os.unlink(name)
    foretold = next(line for line in found["said"] if "for all steps" in line)
    return found | {"shape": [h, w], "same": same, "bytes": bytes_of_file, "foretold": foretold}


def _biharmonic(clean: NDArray[np.uint8], fill: NDArray[np.bool_]) -> NDArray[Any]:
    """By scikit-image, in the same squares: of a whole picture of this size it takes hours."""
    from skimage.restoration import inpaint_biharmonic

    from dip_jax.prepare.parts import around_damage

    plan = around_damage(fill, np.inf)
    assert plan is not None
    result = clean.astype(np.float32)
    for part in plan.parts:
        here = fill[part.place]
        image = clean[part.place].astype(np.float32) / 255
        made = inpaint_biharmonic(np.where(here[..., None], 0, image), here, channel_axis=-1)
        result[part.place][here] = np.clip(255 * made[here], 0, 255)
    return result


def photographs(args: argparse.Namespace) -> dict[str, Any]:
    """Scratches and spots in photographs that were not enlarged."""
    found = {}
    for path in chosen(args, PICTURES):
        picture = opened(path).convert("RGB")
        left, top = ((n - args.side) // 2 for n in picture.size)
        clean = np.asarray(picture.crop((left, top, left + args.side, top + args.side)))
        fill = scratched(*clean.shape[:2], 5, 2)
        damaged = np.where(fill[..., None], np.uint8(255), clean)
        begin = time.perf_counter()
        mended, info = dip_jax.inpaint(
            damaged, fill, options={"parts.kind": "damage"}, return_info=True
        )
        found[path.stem] = {
            "seconds": time.perf_counter() - begin,
            "parts": len(info.parts),
            "biharmonic": psnr(_biharmonic(clean, fill)[fill], clean[fill]),
            "psnr": psnr(mended[fill], clean[fill]),
        }
    return found


def tiles(args: argparse.Namespace) -> dict[str, Any]:
    """One noisy picture whole and in tiles."""
    from skimage import data

    clean = data.astronaut()
    noise = 25 * np.random.default_rng(0).standard_normal(clean.shape)
    noisy = np.rint(np.clip(clean + noise, 0, 255)).astype(np.uint8)
    side, steps = clean.shape[0] // 2, args.steps
    found: dict[str, Any] = {"steps": steps, "side": side}
    near = np.zeros(clean.shape[:2], bool)
    images = {}
    for kind in ("tiles", "whole"):
        begin = time.perf_counter()
        options = {"parts.kind": kind, "parts.side": side}
        images[kind], info = dip_jax.denoise(
            noisy, num_steps=steps, options=options, return_info=True
        )
        found[f"seconds, {kind}"] = time.perf_counter() - begin
        found[f"psnr, {kind}"] = psnr(images[kind], clean)
        for made in info.parts:
            _mark_borders(near, made.part)
    for kind, image in images.items():
        found[f"psnr near borders, {kind}"] = psnr(image[near], clean[near])
    return found


def _mark_borders(near: NDArray[np.bool_], part: Any) -> None:
    """Marks what is near the borders of a tile that are not the picture's."""
    h, w = near.shape
    rows, columns = part.place
    for at in (part.top, part.top + part.height):
        if 0 < at < h:
            near[max(at - _NEAR, 0) : at + _NEAR, columns] = True
    for at in (part.left, part.left + part.width):
        if 0 < at < w:
            near[rows, max(at - _NEAR, 0) : at + _NEAR] = True


def sizes(args: argparse.Namespace) -> dict[str, Any]:
    """What is foretold and what it takes, from a cold start, of five sizes."""
    found = {}
    cases = [("denoise", 128, 128), ("denoise", 200, 300), ("denoise", 384, 384)]
    cases += [("inpaint", 1000, 1500), ("inpaint", 3000, 4500)]
    for task, h, w in cases:
        x = photograph(h, w)
        mask = None
        if task == "inpaint":
            mask = scratched(h, w, 8, 2)
            x = np.where(mask[..., None], np.uint8(255), x)
        else:
            noise = 25 * np.random.default_rng(0).standard_normal(x.shape)
            x = np.rint(np.clip(x + noise, 0, 255)).astype(np.uint8)
        args.work.mkdir(parents=True, exist_ok=True)
        names = [str(args.work / f"size{end}.tif") for end in ("", "_mask", "_result")]
        Image.fromarray(x).save(names[0])
        masked = []
        if mask is not None:
            Image.fromarray((255 * mask).astype(np.uint8)).save(names[1])
            masked = ["--mask", names[1]]
        cache = args.work / "cache" / f"{task}{h}"
        os.environ["XDG_CACHE_HOME"] = str(cache.absolute())  # a cold start
        run = commanded(task, names[0], *masked, "-o", names[2], "--force")
        name = "text_inpaint" if task == "inpaint" else task
        with our_jax.as_needed():
            fit = prepare(name, x, mask)
            config = {**fit.config, "seeds": 1}
            seconds = (
                parting.seconds_of(config, fit.division)
                if isinstance(fit, PartedFit)
                else estimates.seconds_of_all(config, fit.shapes)
            )
        low, high = seconds or (0.0, 0.0)
        parts = len(fit.shapes) if isinstance(fit, PartedFit) else 1
        found[f"{task}, {w} x {h}"] = {"low": low, "high": high, "parts": parts} | run
    return found


def denoise(args: argparse.Namespace) -> dict[str, Any]:
    """4 megapixels in tiles, with the preset draft, in three ways."""
    return measured(photograph(2000, 2000), args.work / "denoise")


def _report(args: argparse.Namespace, found: dict[str, dict[str, Any]]) -> str:
    lines = ["# What large pictures took", "", measured_with(), ""]
    damages = {"specks": "3,000 specks", "scratches": "20 scratches and 5 spots"}
    for name, damage in damages.items():
        if name not in found:
            continue
        one = found[name]
        h, w = one["shape"]
        lines += [
            f"## {name.capitalize()} in {h * w / 1e6:.0f} megapixels",
            "",
            f"{w} x {h} pixels, {damage} ({100 * one['share']:.2f}% of the "
            "pixels), the command `dip-jax inpaint` as a whole.",
            "",
            *table(
                ["seconds", "peak memory, GB", "filled, dB", "biharmonic, dB", "known pixels"],
                [
                    [
                        f"{one['seconds']:.0f}",
                        f"{one['gigabytes']:.1f}",
                        f"{one['psnr']:.2f}",
                        f"{one['biharmonic']:.2f}",
                        "identical" if one["same"] else "CHANGED",
                    ]
                ],
            ),
            "",
            f"It said: {one['parts']} … {one['foretold']}",
            "",
        ]
    if one := found.get("photographs"):
        rows = [
            [name, f"{run['biharmonic']:.2f}", f"{run['psnr']:.2f}", str(run["parts"])]
            for name, run in one.items()
        ]
        means = [np.mean([run[key] for run in one.values()]) for key in ("biharmonic", "psnr")]
        rows.append(["**mean**", *(f"**{mean:.2f}**" for mean in means), ""])
        lines += [
            "## Scratches and spots in photographs as they are",
            "",
            f"Squares of {args.side} pixels from the middle, five scratches and two spots, PSNR in "
            "dB of what is filled.",
            "",
            *table(["", "biharmonic", "`dip_jax.inpaint`", "parts"], rows),
            "",
        ]
    if one := found.get("tiles"):
        lines += [
            "## Tiles against the whole",
            "",
            f"astronaut, 512 x 512, noise of sigma 25, tiles of {one['side']} pixels, "
            f"{one['steps']} steps; near borders: within {_NEAR} pixels of a tile's border.",
            "",
            *table(
                ["", "PSNR, dB", "near borders, dB", "seconds"],
                [
                    [
                        kind,
                        f"{one[f'psnr, {kind}']:.2f}",
                        f"{one[f'psnr near borders, {kind}']:.2f}",
                        f"{one[f'seconds, {kind}']:.0f}",
                    ]
                    for kind in ("whole", "tiles")
                ],
            ),
            "",
        ]
    if one := found.get("sizes"):
        rows = []
        for name, run in one.items():
            middle = (run["low"] * run["high"]) ** 0.5
            rows.append(
                [
                    name,
                    str(run["parts"]),
                    f"{run['low']:.0f} to {run['high']:.0f}",
                    f"{run['seconds']:.0f}",
                    f"{run['seconds'] / middle:.2f}",
                    f"{run['gigabytes']:.1f}",
                ]
            )
        names = ["", "parts", "foretold, s", "took, s", "over the middle", "peak memory, GB"]
        lines += [
            "## Foretold and taken",
            "",
            "The whole command from a cold start, against what it foretells; the middle is the "
            "geometric mean.",
            "",
            *table(names, rows),
            "",
        ]
    if one := found.get("denoise"):
        h, w = one["shape"]
        rows = [
            [
                way,
                f"{run['seconds']:.0f}",
                f"{run['gigabytes']:.1f}",
                f"{one['psnr'][n]:.2f}",
                ("yes" if one["same"][n] else "no") if n else "",
            ]
            for n, (way, run) in enumerate(one["ways"].items())
        ]
        lines += [
            "## 4 megapixels of noise",
            "",
            f"{w} x {h} pixels, noise of sigma 25 ({one['degraded']:.2f} dB), `dip-jax run "
            f"denoise:draft` in {one['tiles']} tiles with a work directory. The second run was "
            f"killed (SIGKILL) when {one['ways']['killed, and resumed']['killed_after']} tiles "
            "were done, and the same command went on; its seconds are those of both. Memory is "
            "that of the larger process.",
            "",
            *table(["", "seconds", "peak memory, GB", "PSNR, dB", "the same to the bit"], rows),
            "",
        ]
    if one := found.get("hundred"):
        h, w = one["shape"]
        lines += [
            "## 100 megapixels in 16 bits",
            "",
            f"{w} x {h} pixels in colour, a TIFF of {one['bytes'] / 1e9:.2f} GB, 20 scratches and "
            f"5 spots, the command `dip-jax inpaint` as a whole: {one['seconds']:.0f} s, "
            f"{one['gigabytes']:.1f} GB, known pixels "
            f"{'identical' if one['same'] else 'NOT identical'}. It said: {one['foretold']}",
            "",
        ]
    return "\n".join(lines)


def main() -> None:
    """Measures what is missing, and writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas")
    parser.add_argument("--megapixels", type=float, default=24, help="of `scratches` (24)")
    parser.add_argument("--steps", type=int, default=200, help="of `tiles` (200)")
    add_pictures(parser, side=256, work="large")
    args = parser.parse_args()
    makers = {
        "specks": specks,
        "scratches": scratches,
        "photographs": photographs,
        "tiles": tiles,
        "sizes": sizes,
        "denoise": denoise,
        "hundred": hundred,
    }
    wanted = args.only.split(",")
    if unknown := set(wanted) - set(SECTIONS):
        parser.error(f"--only has {', '.join(unknown)}; expected some of {', '.join(SECTIONS)}")
    found = {}
    for name in SECTIONS:
        if name in wanted:
            found[name] = kept(args.work, name, lambda name=name: makers[name](args))
    print(json.dumps(found, indent=1)[:3000])
    print(write_report("large.md", _report(args, found)))


if __name__ == "__main__":
    main()
