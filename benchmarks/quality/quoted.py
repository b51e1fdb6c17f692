"""Published figures of other methods on the same pictures: quoted, not measured here.

The eleven grey pictures of Heide, Heidrich, Wetzstein, "Fast and Flexible Convolutional Sparse
Coding", CVPR 2015, with pixels missing at random. Deep Image Prior: Ulyanov, Vedaldi, Lempitsky,
CVPR 2018, by picture for half of the pixels; all other figures are means of the eleven, of Quan,
Chen, Pang, Ji, "Self2Self With Dropout", CVPR 2020. Which pixels were missing is not published.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common.tables import table

Results = Mapping[str, Any]

_SIDES = {
    "barbara": 512,
    "boat": 512,
    "cameraman": 256,
    "couple": 512,
    "fingerprint": 512,
    "hill": 512,
    "house": 256,
    "lena": 512,
    "man": 512,
    "montage": 256,
    "peppers": 256,
}
_DEEP_IMAGE_PRIOR = {
    "barbara": 32.22,
    "boat": 33.06,
    "cameraman": 29.80,
    "couple": 32.52,
    "fingerprint": 32.84,
    "hill": 32.77,
    "house": 39.16,
    "lena": 36.16,
    "man": 32.20,
    "montage": 34.54,
    "peppers": 33.05,
}
_MEANS = {0.5: (33.48, 35.14), 0.7: (28.50, 31.06), 0.9: (24.34, 25.91)}  # of all eleven


def quoted(results: Results) -> list[str]:
    """A table of what is published for pictures of a suite; nothing where there is none.

    Args:
        results: of a suite, as `quality` writes them as JSON.
    """
    if results["suite"] != "reconstruct":
        return []
    share = results["config"]["damage"]["share"]
    own = {
        name: psnr
        for picture in results["pictures"]
        if (name := _name(picture)) and (psnr := _result(picture["entries"])) is not None
    }
    if share not in _MEANS or not own:
        return []
    published = _DEEP_IMAGE_PRIOR if share == 0.5 else {}
    rows = [
        [name, f"{x:.2f}", f"{published[name]:.2f}" if published else "–", "–"]
        for name, x in sorted(own.items())
    ]
    of_these = f"{np.mean([published[name] for name in own]):.2f}" if published else "–"
    of_all, of_self2self = (f"{x:.2f}" for x in _MEANS[share])
    if len(own) == len(_SIDES):
        rows.append(["**mean**", f"{np.mean(list(own.values())):.2f}", of_all, of_self2self])
    else:
        rows.append(["**mean of these**", f"{np.mean(list(own.values())):.2f}", of_these, "–"])
        rows.append(["mean of all eleven", "–", of_all, of_self2self])
    names = ["picture", "dip_jax, 1 seed, dB", "Deep Image Prior, dB", "Self2Self, dB"]
    return [
        "Quoted from what is published for the same pictures; which pixels were missing is not. "
        "Deep Image Prior: Ulyanov, Vedaldi, Lempitsky, CVPR 2018; Self2Self: Quan, Chen, Pang, "
        "Ji, CVPR 2020, who give the mean of the eleven alone.",
        "",
        *table(names, rows),
    ]


def _name(picture: Mapping[str, Any]) -> str | None:
    """What one of the eleven is called, if it is that in full size."""
    name = re.sub(r"_\d+$", "", picture["name"].lower())
    side = _SIDES.get(name)
    return name if picture["shape"] == [side, side, 1] else None


def _result(entries: Sequence[Mapping[str, Any]]) -> float | None:
    """That of one seed."""
    return next((e["psnr"] for e in entries if e["image"] == "result"), None)
