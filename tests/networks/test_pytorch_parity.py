"""The network agrees with the same one in plain PyTorch: live, or as PyTorch once computed it."""

import importlib.util
from collections.abc import Iterator
from functools import cache

import jax
import numpy as np
import pytest

from benchmarks.parity import cases, compare
from benchmarks.parity.cases import CASES, Case, Results
from dip_jax.networks.hourglass import Hourglass

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")

TOLERANCES = {"output": 1e-4, "gradients": 1e-4, "losses": 1e-3, "losses_float32": 1e-3}

by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
live = cache(compare.computed_by_pytorch)


def check(ours: Results, theirs: Results) -> None:
    found = compare.deviations(ours, theirs)
    assert len(found) == 3 + len(jax.tree.leaves(theirs.gradients))
    too_far = {k: v for k, v in found.items() if not v <= TOLERANCES[k.split("/")[0]]}
    assert not too_far


@pytest.mark.thorough
@by_name
def test_output_gradients_and_loss_curve_are_those_of_pytorch(case: Case) -> None:
    theirs = live(case) if HAS_TORCH else compare.stored(case)
    assert theirs.losses[-1] < 0.95 * theirs.losses[0]  # there is a curve to agree on
    check(compare.computed_by_jax(case), theirs)


@needs_torch
@by_name
def test_the_stored_arrays_are_what_pytorch_computes(case: Case) -> None:
    check(compare.stored(case), live(case))


def test_the_odd_sized_case_is_padded_with_unknown_pixels() -> None:
    (case,) = (case for case in CASES if case.name == "odd_size")
    given = cases.inputs(case)
    assert case.size == (45, 67) and given.y.shape == (48, 72, 3)
    assert given.known.sum() == 45 * 67 and given.known[:45, :67].all()


# Parameter counts of the published networks


@pytest.mark.parametrize("skip, count", [(0, 2_192_515), (4, 2_217_831), (128, 3_002_627)])
def test_parameter_counts(skip: int, count: int) -> None:
    five = (128,) * 5
    architecture = Hourglass(
        down=five,
        up=five,
        skip=(skip,) * 5,
        down_kernel=(3,) * 5,
        up_kernel=(3,) * 5,
        skip_kernel=(1,) * 5,
        upsampling=("bilinear",) * 5,
    )
    shapes = cases.parameter_shapes(architecture, (64, 64, 32), 3)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count
    if HAS_TORCH:
        import torch

        from benchmarks.common import pytorch_baseline

        with torch.device("meta"):
            model = pytorch_baseline.Hourglass(architecture, 32, 3)
        assert sum(parameter.numel() for parameter in model.parameters()) == count


# The baseline's own loop


@pytest.fixture
def one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@needs_torch
def test_baseline_reads_back_the_layout_that_it_loads() -> None:
    from benchmarks.common import pytorch_baseline

    case = CASES[0]
    params = cases.inputs(case).params
    model = pytorch_baseline.Hourglass(case.architecture, case.depth, case.channels)
    pytorch_baseline.load(model, params)
    # The gradient of half the sum of squares is the parameters themselves.
    for parameter in model.parameters():
        (parameter.square().sum() / 2).backward()
    jax.tree.map(np.testing.assert_allclose, pytorch_baseline.gradients(model), params)

    for wrong in (
        {layer: entries for layer, entries in params.items() if layer != "out"},
        {**params, "out": {**params["out"], "bias": np.zeros(1, np.float32)}},
    ):
        with pytest.raises(ValueError, match="out"):
            pytorch_baseline.load(model, wrong)


@needs_torch
@pytest.mark.parametrize("channels_last", [False, True])
def test_baseline_average_and_noise(channels_last: bool, one_thread: None) -> None:
    from benchmarks.common import pytorch_baseline

    case = CASES[1]
    given = cases.inputs(case)
    z, y, known = (pytorch_baseline.to_nchw(x) for x in given[1:])

    def fit(seed: int, input_noise: float) -> tuple[pytorch_baseline.Fit, list[np.ndarray]]:
        outs: list[np.ndarray] = []
        model = pytorch_baseline.Hourglass(case.architecture, case.depth, case.channels)
        pytorch_baseline.load(model, given.params)
        result = pytorch_baseline.fit(
            model,
            z,
            y,
            known,
            steps=4,
            lr=0.01,
            input_noise=input_noise,
            seed=seed,
            average=0.9,
            callback=lambda step, out, avg, loss: outs.append(pytorch_baseline.to_hwc(out)),
            channels_last=channels_last,
        )
        return result, outs

    result, outs = fit(0, 0.03)
    expected = 0.729 * outs[0] + 0.081 * outs[1] + 0.09 * outs[2] + 0.1 * outs[3]
    np.testing.assert_allclose(pytorch_baseline.to_hwc(result.avg), expected, atol=1e-6)
    np.testing.assert_array_equal(pytorch_baseline.to_hwc(result.out), outs[-1])
    np.testing.assert_allclose(fit(0, 0.03)[0].losses, result.losses, rtol=1e-5)
    assert abs(fit(1, 0.03)[0].losses[0] - result.losses[0]) > 1e-5
    assert abs(fit(0, 0.0)[0].losses[0] - result.losses[0]) > 1e-5
