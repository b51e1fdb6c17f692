"""The figures of an ensemble: the PSNR of means, and how well the spread ranks the error."""

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

Images = NDArray[np.float32]


def psnr(x: Images, clean: Images) -> float:
    """In dB, over the whole picture; 120 of one that is the clean picture itself."""
    return float(-10 * np.log10(max(np.mean(np.square(x - clean)), 1e-12)))


def groups(count: int, size: int) -> list[slice]:
    """The disjoint groups of so many members each."""
    return [slice(i, i + size) for i in range(0, count - size + 1, size)]


def mean_over_groups(members: Images, clean: Images, size: int) -> float:
    """The PSNR in dB of the mean of `size` members, averaged over the disjoint groups.

    Args:
        members: `(n, h, w, c)`.
        clean: `(h, w, c)`.
        size: members of a mean.
    """
    means = [members[group].mean(axis=0) for group in groups(len(members), size)]
    return statistics.mean(psnr(x, clean) for x in means)


def ranking(members: Images, clean: Images, judged: NDArray[np.bool_]) -> dict[str, float]:
    """How well the spread over the members ranks the error of their mean.

    Args:
        members: `(n, h, w, c)`.
        clean: `(h, w, c)`.
        judged: `(h, w)`, the pixels that count.

    Returns:
        "rank_correlation" (Spearman's) of standard deviation and absolute error over pixels, each
        the root mean square over channels; "most_certain" and "least_certain", the RMS error of the
        tenths of the pixels with the least and the largest spread, and "all", that of all of them.
    """
    spread = np.sqrt(np.mean(members.var(axis=0), axis=2))[judged]
    error = np.sqrt(np.mean(np.square(members.mean(axis=0) - clean), axis=2))[judged]
    order, tenth = np.argsort(spread, kind="stable"), max(1, spread.size // 10)

    def rms(chosen: NDArray[Any]) -> float:
        return float(np.sqrt(np.mean(np.square(error[chosen]))))

    return {
        "rank_correlation": float(spearmanr(spread, error).statistic),
        "most_certain": rms(order[:tenth]),
        "least_certain": rms(order[-tenth:]),
        "all": rms(order),
    }


def stopped_by_mean(
    scores: Sequence[float], steps: Sequence[int], patience: int
) -> tuple[int, int]:
    """Where a fit ends that stops when its score has had no new maximum for `patience` steps.

    Args:
        scores: one for each recorded step.
        steps: those steps, ascending.
        patience: in steps.

    Returns:
        The index of the score chosen, and that of the last one that was looked at.
    """
    best = 0
    for i, step in enumerate(steps):
        if scores[i] > scores[best]:
            best = i
        if step - steps[best] >= patience:
            return best, i
    return best, len(steps) - 1
