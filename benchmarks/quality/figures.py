"""How good an image is: the figures of one method on one picture.

PSNR and SSIM are those of the floats, rounded to no 8 bits, over the whole picture.
"""

import statistics
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from benchmarks.ensembles.figures import psnr
from benchmarks.quality.plan import Pixels
from dip_jax.forward import metrics

Entry = dict[str, Any]
Images = dict[str, Pixels]
FIGURES = ("psnr", "spread", "ssim", "oracle_psnr", "oracle_ssim", "seconds", "steps")


def ssim(x: Pixels, clean: Pixels) -> float:
    """The mean structural similarity, as `dip_jax.forward.metrics` defines it."""
    return float(metrics.ssim(jnp.asarray(x, jnp.float32), jnp.asarray(clean, jnp.float32)))


def entry(
    method: str,
    kind: str,
    x: Pixels,
    oracle: Pixels,
    clean: Pixels,
    seconds: float | None = None,
    steps: float | None = None,
) -> Entry:
    """The figures of a method on a picture.

    Args:
        method: its name.
        kind: which of its images; empty where it has but one.
        x: what it gives without the clean picture.
        oracle: the best that the clean picture could have picked.
        clean: the clean picture.
        seconds: for `x`, where they are known.
        steps: for `x`, where it has any.
    """
    return mean_entry(method, kind, [x], [oracle], clean, seconds, steps)


def mean_entry(
    method: str,
    kind: str,
    xs: Sequence[Pixels],
    oracles: Sequence[Pixels],
    clean: Pixels,
    seconds: float | None = None,
    steps: float | None = None,
) -> Entry:
    """The same for several images, of which the figures are averaged.

    Their `spread` is the standard deviation of the PSNR in dB; None of a single image.
    """
    psnrs = [psnr(x, clean) for x in xs]
    return {
        "method": method,
        "image": kind,
        "psnr": statistics.mean(psnrs),
        "spread": statistics.stdev(psnrs) if len(psnrs) > 1 else None,
        "ssim": statistics.mean(ssim(x, clean) for x in xs),
        "oracle_psnr": statistics.mean(psnr(x, clean) for x in oracles),
        "oracle_ssim": statistics.mean(ssim(x, clean) for x in oracles),
        "seconds": seconds,
        "steps": steps,
    }


def means(per_picture: Sequence[Sequence[Entry]]) -> list[Entry]:
    """Over the pictures, of every method and kind that all of them have, in their order."""
    found = []
    for first in per_picture[0] if per_picture else ():
        key = (first["method"], first["image"])
        same = [e for entries in per_picture for e in entries if (e["method"], e["image"]) == key]
        if len(same) == len(per_picture):
            average = {name: _mean([e.get(name) for e in same]) for name in FIGURES}
            found.append({"method": key[0], "image": key[1], **average})
    return found


def without_oracle(entry: Entry) -> Entry:
    """The figures of what has nothing that the clean picture could choose."""
    return entry | {"oracle_psnr": None, "oracle_ssim": None}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known and len(known) == len(values) else None
