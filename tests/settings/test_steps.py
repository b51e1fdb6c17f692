"""How many steps a picture gets: few where patches do the most of it, unless a person says."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dip_jax.api.array_fit import prepare
from dip_jax.forward.observation import observe
from dip_jax.pictures import samples
from dip_jax.pictures.values import to_float
from dip_jax.run.workdir import as_begun, check_workdir, make_workdir
from dip_jax.settings import estimates, tasks
from dip_jax.settings.steps import fewest, with_steps

ALL, FEW = (tasks.defaults("denoise")[name] for name in ("num_steps", "refined_steps"))


def picture(sigma, *, blur=0.0, grey=False, name="chelsea", side=96):
    clean = to_float(samples.sample(name, side).pixels)
    clean = clean.mean(axis=2, keepdims=True) if grey else clean
    noise = np.random.default_rng(0).normal(size=clean.shape)
    if blur:
        noise = gaussian_filter(noise, (blur, blur, 0))
        noise /= noise.std()
    noisy = np.clip(clean + sigma / 255 * noise, 0, 1)
    return np.round(255 * noisy).astype(np.uint8)


def steps_of(config, pixels, stripes=()):
    return with_steps(config, observe(to_float(pixels))[0], stripes)["num_steps"]


@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut"])
@pytest.mark.parametrize("sigma", [25, 50])
def test_strong_white_noise_in_colours_gets_few(sigma, name):
    assert 0 < FEW < ALL
    assert steps_of(tasks.defaults("denoise"), picture(sigma, name=name)) == FEW
    assert steps_of(tasks.defaults("denoise"), picture(sigma, name=name, grey=True)) == ALL


@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut"])
@pytest.mark.parametrize("sigma", [0, 5])
def test_weak_noise_gets_all(sigma, name):
    assert steps_of(tasks.defaults("denoise"), picture(sigma, name=name)) == ALL


def test_grey_that_is_stored_in_colours_gets_all():
    in_colours = np.repeat(picture(25, grey=True), 3, axis=2)
    assert steps_of(tasks.defaults("denoise"), in_colours) == ALL
    with_an_empty_one = np.concatenate([picture(50)[..., :2], np.full((64, 96, 1), 255)], axis=2)
    assert steps_of(tasks.defaults("denoise"), with_an_empty_one.astype(np.uint8)) == ALL


def test_other_tasks_get_all():
    config = tasks.defaults("super_resolve") | {"refined_steps": FEW}
    assert steps_of(config, picture(50)) == config["num_steps"]


def test_what_is_not_refined_gets_all():
    config, strong = tasks.defaults("denoise"), picture(25)
    assert steps_of(config, picture(25, blur=1.0)) == ALL
    assert steps_of(config | {"refine": False}, strong) == ALL
    by_calm = config | {"stop": config["stop"] | {"criterion": "wmv"}}
    assert steps_of(by_calm, strong) == ALL


def test_a_number_that_a_person_has_set_stands():
    strong = picture(25)
    assert steps_of(tasks.defaults("denoise") | {"num_steps": ALL + 1}, strong) == ALL + 1
    assert steps_of(tasks.defaults("denoise") | {"num_steps": FEW - 1}, strong) == FEW - 1
    assert steps_of(tasks.defaults("denoise") | {"refined_steps": 0}, strong) == ALL
    assert prepare("denoise", strong).config["num_steps"] == FEW
    # Of the preset's own number only an argument tells that it was meant.
    assert prepare("denoise", strong, num_steps=ALL).config["num_steps"] == ALL
    both = prepare("denoise", strong, num_steps=ALL, options={"refined_steps": 9})
    assert both.config["num_steps"] == 9


@pytest.mark.parametrize("preset", ["draft", "quick", "paper"])
def test_presets_of_fewer_steps_and_the_published_ones_keep_theirs(preset):
    config = tasks.defaults("denoise", preset)
    assert steps_of(config, picture(25)) == config["num_steps"]


def test_tiles_get_those_of_the_whole_picture():
    options = {"parts.kind": "tiles", "parts.side": 128}
    for sigma, steps in ((25, FEW), (5, ALL)):
        fit = prepare("denoise", picture(sigma, side=192), options=options)
        assert len(fit.shapes) > 1 and fit.config["num_steps"] == steps
        # And no tile decides anew.
        for other in (25, 5):
            assert steps_of(fit.config, picture(other)) == steps


def test_where_it_is_not_known_an_estimate_begins_with_few():
    config, shape = tasks.defaults("denoise"), (96, 128, 3)
    low, high = estimates.seconds_of(config, shape)
    assert low == estimates.seconds_of(config | {"num_steps": FEW}, shape)[0]
    every = config | {"refined_steps": 0}
    assert high == estimates.seconds_of(every, shape)[1]
    grey = (96, 128, 1)
    assert estimates.seconds_of(config, grey) == estimates.seconds_of(every, grey)
    known = prepare("denoise", picture(5)).config
    assert estimates.seconds_of(known, shape) == estimates.seconds_of(every, shape)


def test_a_run_of_before_there_were_few_makes_all(tmp_path):
    config = tasks.defaults("denoise")
    assert fewest(as_begun(tmp_path, config)) == FEW
    before = {name: value for name, value in config.items() if name != "refined_steps"}
    make_workdir(tmp_path, before)
    for _ in range(2):  # interrupted again
        now = as_begun(tmp_path, config)
        assert fewest(now) == ALL and check_workdir(tmp_path, now)
        make_workdir(tmp_path, now)
    make_workdir(tmp_path / "new", config)
    assert fewest(as_begun(tmp_path / "new", config)) == FEW
    assert json.loads((tmp_path / "new" / "config.json").read_text())["refined_steps"] == FEW


def test_a_run_of_before_there_was_an_optimiser_goes_on_with_adam(tmp_path):
    config = tasks.defaults("reconstruct")
    before = {name: value for name, value in config.items() if name != "optimiser"}
    make_workdir(tmp_path, before | {"num_steps": 600})
    asked = config | {"num_steps": 600}
    for _ in range(2):  # interrupted again
        now = as_begun(tmp_path, asked)
        assert now["optimiser"] == "adam" and check_workdir(tmp_path, now)
        make_workdir(tmp_path, now)
    make_workdir(tmp_path / "new", config)
    assert as_begun(tmp_path / "new", config)["optimiser"] == "muon"
