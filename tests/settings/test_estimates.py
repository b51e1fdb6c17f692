"""The arithmetic by the compiler's own count, what fits by the count of memory, and the words."""

import ast
import functools
import re

import jax
import numpy as np
import plain
import pytest

from dip_jax.errors import PYTHON, InputError, speaking
from dip_jax.forward.observation import observe
from dip_jax.networks.hourglass import hourglass
from dip_jax.settings import build, estimates, tasks


def noisy(h, w, c=3, seed=0):
    x = 0.5 + 0.1 * np.random.default_rng(seed).normal(size=(h, w, c))
    return observe(np.clip(x, 0, 1).astype(np.float32))[0]


@pytest.mark.parametrize("preset", ["", "paper"])
@pytest.mark.parametrize("task", tasks.TASKS)
def test_the_arithmetic_is_what_the_compiler_counts(task, preset):
    settings = build.fit_settings(tasks.defaults(task, preset))
    z = jax.ShapeDtypeStruct((96, 128, settings.input_depth), np.float32)
    network = hourglass(settings.architecture, 3)
    params = jax.eval_shape(network.init, jax.random.key(0), z)
    # Of the plain form: the network's own leaves out a part of the arithmetic.
    plain_form = jax.jit(functools.partial(plain.hourglass, settings.architecture))
    flops = plain_form.lower(params, z).cost_analysis()["flops"]
    adds = settings.architecture.cost(90, 120, settings.input_depth, 3).multiply_adds
    # A multiply-add is two operations; normalisation and activation are not counted here.
    assert 0.7 * flops < 2 * adds < 1.02 * flops


def test_time_grows_with_steps_seeds_and_pixels():
    config = tasks.defaults("denoise") | {"refined_steps": 0}
    refined = estimates.seconds_of(config, (96, 128, 3))[0]
    config |= {"refine": False}  # which goes by the pixels, and not by the steps
    low, high = estimates.seconds_of(config, (96, 128, 3))
    assert low < refined < 2 * low
    assert 0 < low < high < 5 * low
    steps = config["num_steps"]
    half = estimates.seconds_of(config | {"num_steps": steps // 2}, (96, 128, 3))[0]
    start = 2 * half - low
    for more in (config | {"num_steps": 2 * steps}, config | {"seeds": 2}):
        assert estimates.seconds_of(more, (96, 128, 3))[0] - start == pytest.approx(
            2 * (low - start)
        )
    assert estimates.seconds_of(config, (192, 256, 3))[0] - start == pytest.approx(
        4 * (low - start)
    )


def test_the_size_that_is_named_fits_and_the_picture_does_not():
    config = tasks.defaults("denoise")
    picture = noisy(600, 900)
    needed = estimates.memory_of(config, picture, None)
    estimates.check_memory(config, picture, available=1.01 * needed)
    with pytest.raises(InputError, match="900 x 600 pixels takes about") as caught:
        estimates.check_memory(config, picture, available=0.6 * needed)
    w, h = map(int, re.search(r"crop the picture to (\d+) x (\d+)", str(caught.value)).groups())
    assert 0.4 * needed < estimates.memory_of(config, noisy(h, w), None) <= 0.6 * needed
    assert w / h == pytest.approx(900 / 600, rel=0.1)
    for name in ("down", "up"):
        channels = re.search(rf"network\.{name}=\"(\([\d, ]+\))", str(caught.value))[1]
        config["network"][name] = ast.literal_eval(channels)
    assert estimates.memory_of(config, picture, None) <= 0.6 * needed


def test_where_nothing_fits_no_size_is_named():
    with pytest.raises(InputError, match="use a machine with more") as caught:
        estimates.check_memory(tasks.defaults("denoise"), noisy(64, 64), available=1e6)
    assert "crop" not in str(caught.value)


def test_the_advice_names_time_and_memory():
    (line,) = estimates.advice(tasks.defaults("denoise"), noisy(96, 96))
    assert re.fullmatch(
        r"[\d.]+ to [\d.]+ (seconds|minutes|hours) for all steps, and about [\d.]+ GB of memory; "
        "a rough estimate",
        line,
    )


def test_the_memory_that_is_named_counts_the_compiler_and_too_little_is_told(monkeypatch):
    config, picture = tasks.defaults("denoise"), noisy(200, 300)
    fit = estimates.memory_of(config, picture, None)
    # The peak of the sample's first start was measured: 2.6 GB.
    monkeypatch.setattr(estimates, "device_bytes", lambda device: int(fit))
    line, warning = estimates.advice(config, picture)
    named = float(re.search(r"about ([\d.]+) GB", line)[1])
    assert named == pytest.approx(2.6, rel=0.3)
    assert warning.startswith(f"{fit / 1e9:.1f} GB of memory are free")


def test_the_hint_is_for_denoising_by_held_out_pixels():
    x = np.asarray(noisy(160, 160).y)
    blocks = np.repeat(np.repeat(x[::8, ::8], 8, axis=0), 8, axis=1) + 0.01 * x
    blocks = observe(blocks)[0]
    config = tasks.defaults("denoise")
    (hint,) = estimates.hints(config, blocks)
    assert "JPEG" in hint
    assert "--config.stop.criterion=wmv with --config.num_steps=3000 may fit better" in hint
    assert hint in estimates.advice(config, blocks)
    with speaking(PYTHON):
        (hint,) = estimates.hints(config, blocks)
        assert "criterion='wmv' with num_steps=3000 may fit better" in hint
        assert hint in estimates.advice(config, blocks)
    assert not estimates.hints(config, noisy(160, 160))
    config["stop"]["criterion"] = "wmv"
    assert not estimates.hints(config, blocks)
    assert not estimates.hints(tasks.defaults("reconstruct"), blocks)
