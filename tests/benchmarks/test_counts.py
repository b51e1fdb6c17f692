"""The parts of the benchmarks that only count and judge."""

import numpy as np
import pytest

from benchmarks.common import arithmetic
from benchmarks.common.tables import table
from benchmarks.ensembles.figures import mean_over_groups, ranking, stopped_by_mean
from benchmarks.speed import plan, report
from dip_jax.networks.hourglass import Hourglass
from dip_jax.settings import build, tasks


def test_the_published_denoising_network_needs_464_gigaoperations_at_512():
    settings = build.fit_settings(plan.configuration("denoise"))
    count = arithmetic.step_operations(settings.architecture, 32, 3, 512, 512)
    assert count / 1e9 == pytest.approx(464, abs=1)


def test_the_operations_of_a_small_network_by_hand():
    a = Hourglass((2,), (3,), (1,), (3,), (3,), (1,), ("nearest",))
    # Per coarse pixel: 9·5·2 down, 9·2·2 deep; per fine pixel: 5·1 skip, 9·(1 + 2)·3 up, 3·3, 3·1.
    by_hand = 3 * 2 * (16 * (90 + 36) + 64 * (5 + 81 + 9 + 3))
    assert arithmetic.step_operations(a, 5, 1, 8, 8) == by_hand


def test_the_configuration_of_a_trial_changes_channels_and_keeps_the_skips():
    skips = {task: plan.configuration(task, 16)["network"]["skip"] for task in tasks.TASKS}
    assert skips == {
        "denoise": (4,),
        "text_inpaint": (16,),
        "hole_fill": (0,),
        "reconstruct": (4,),
    }


def test_what_the_targets_speak_of_is_timed_first():
    order = plan.units(["denoise"], [128, 256, 512], [1, 8], "cpu")
    assert [(unit.size, unit.lanes) for unit in order[:2]] == [(256, 1), (512, 1)]
    assert len(order) == 6
    assert (order[-1].size, order[-1].lanes) == (512, 8)


def test_nothing_that_a_target_speaks_of_is_left_out():
    for platform, size, names in (
        (
            "cpu",
            256,
            ("dip_jax", "dip_jax, single steps", "PyTorch channels_last", "torch.compile"),
        ),
        ("cuda", 512, ("dip_jax", "PyTorch channels_last TF32", "torch.compile TF32")),
    ):
        found = plan.variants(platform)
        timed, left = plan.chosen(found, plan.Unit("denoise", size, 1), platform, False)
        assert set(names) <= {v.name for v in timed}
        assert {v.name for v in timed + left} == {v.name for v in found}


def test_means_of_independent_errors_gain_three_decibels_with_each_doubling():
    rng = np.random.default_rng(0)
    clean = np.full((64, 64, 3), 0.5, np.float32)
    members = clean + 0.1 * rng.standard_normal((8, *clean.shape))
    for n in (1, 2, 4, 8):
        expected = 20 + 10 * np.log10(n)
        assert mean_over_groups(members, clean, n) == pytest.approx(expected, abs=0.1)


def test_a_spread_as_large_as_the_error_ranks_it_perfectly():
    size = np.linspace(0.01, 0.2, 400).reshape(20, 20, 1)
    clean = np.zeros((20, 20, 1))
    members = np.stack([2 * size, 0 * size])  # mean and standard deviation are both `size`
    found = ranking(members, clean, np.ones((20, 20), bool))
    assert found["rank_correlation"] == pytest.approx(1)
    assert found["most_certain"] < found["all"] < found["least_certain"]
    some = ranking(members, clean, size[..., 0] > 0.1)
    assert some["most_certain"] > 0.1


def test_stopping_by_a_score_ends_a_patience_after_its_maximum():
    scores, steps = [1, 3, 2, 2.5, 2, 9], [10, 20, 30, 40, 50, 60]
    assert stopped_by_mean(scores, steps, 30) == (1, 4)
    assert stopped_by_mean(scores, steps, 100) == (5, 5)


def result(variant, seconds, **changes):
    return {
        "task": "denoise",
        "size": 256,
        "lanes": 1,
        "variant": variant,
        "side": "dip_jax" if variant.startswith("dip_jax") else "pytorch",
        "precision": "float32",
        "operations": 1e9,
        "bytes": 1e9,
        "seconds": [seconds, 0.9 * seconds, 1.1 * seconds],
        "peak": 1e9,
        "rest": 0.0,
        "compile": 1.0,
    } | changes


def test_targets_are_met_or_missed_by_the_median_and_never_left_out():
    results = [
        result("dip_jax", 1.0),
        result("PyTorch channels_last", 1.31),
        result("torch.compile", 0.99),
        result("dip_jax", 1.0, size=512, error="no memory"),
    ]
    lines = report.cpu_targets(results, ["denoise"])
    assert [line.rsplit(": ", 1)[1] for line in lines[:2]] == ["**met**", "**missed**"]
    assert "1.31" in lines[0] and "0.99" in lines[1]
    assert len(lines) == 4 and all("not measured" in line for line in lines[2:])
    assert report.not_measured(results) == ["- dip_jax, no memory: denoise 512²"]


def test_the_table_compares_with_the_fastest_pytorch():
    results = [result("dip_jax", 0.5), result("PyTorch", 2.0), result("torch.compile", 1.0)]
    rates = {"dip_jax": {"float32": 2e9}, "pytorch": {"float32": 4e9}}
    rows = [line.split(" | ") for line in report.speed_table(results, rates)[2:]]
    assert [row[5] for row in rows] == ["2.00", "0.50", "1.00"]
    assert rows[0][7] == "50%"  # 2 GFLOP/s of 4


def test_gpu_targets_count_a_lane_step_of_eight_lanes():
    results = [
        result("dip_jax TF32", 1.0, lanes=8, precision="tf32"),
        result("PyTorch channels_last TF32", 3.5, precision="tf32"),
    ]
    stopped = {
        "float32": {"seconds": 9.0, "fit_seconds": 7.0, "steps": 1400, "psnr": 30.0},
        "bfloat16": {"seconds": 5.0, "fit_seconds": 3.0, "steps": 1400, "psnr": 29.8},
    }
    lines = report.gpu_targets(results, ["denoise"], stopped)
    assert "3.50" in lines[2] and lines[2].endswith("**met**")
    assert [line.rsplit(": ", 1)[-1].endswith("**met**") for line in lines[3:]] == [
        False,
        True,
        False,
    ]


def test_a_table_is_markdown():
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
