"""The table of time to quality, where fits were made with several seeds."""

import argparse

import pytest

pytest.importorskip("skimage")

from benchmarks.time_to_quality import report


def of(psnr, seconds, **said):
    return {"psnr": psnr, "seconds": seconds, "commit": "0123456789", **said}


def test_a_table_of_several_first_seeds_and_their_mean():
    """Two pictures, each with two first seeds; what is told is each picture's mean over these."""
    itself, limit = {"said": "ended by itself, 80 steps, "}, {"said": "finished: 100 steps, "}
    methods = {
        "degraded": [of(20, 0), of(22, 0)],
        "before": [of(30, 40, **limit), of(31, 40, **limit), of(28, 40, **limit), of(29, 40)],
        "default": [of(31, 10, **limit), of(32, 10, **itself), of(28, 10, **itself), of(28, 10)],
        "default, 4 seeds": [of(32, 30, **itself)] * 4,
        "refinement, no network": [of(29, 1), of(27, 1)],
    }
    lines, count = report(
        argparse.Namespace(),
        {"text_inpaint": methods},
        {"text_inpaint": {"before": 90, "default": 30}},
    )
    text = "\n".join(lines)
    assert count == 2
    assert "| default | 29.75 | 10.0 | 30.0 | 87 | 1 of 3 | 31.50, 28.00 |" in text
    assert "| default, 4 seeds | 32.00 | 30.0 |  |  |  |" in text
    assert "4.0 times as fast, cold 3.0 times; mean PSNR +0.25 dB" in text
    assert "of single pictures -0.50 to +1.00 dB" in text
    assert "default, 4 seeds: 3.0 times as long as one, +2.25 dB." in text
    assert "no network:" not in text
