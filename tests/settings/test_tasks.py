"""The defaults of the four tasks against the published table, and what is refused."""

import pytest

from dip_jax.errors import InputError
from dip_jax.settings import build, tasks

PUBLISHED = {  # task: input, depth, skip, upsampling, learning rate, steps
    "denoise": ("noise", 32, 4, "bilinear", 0.01, 3000),
    "text_inpaint": ("noise", 32, 128, "nearest", 0.01, 6001),
    "hole_fill": ("meshgrid", 2, 0, "nearest", 0.01, 5001),
    "reconstruct": ("noise", 32, 4, "bilinear", 0.001, 11000),
}


@pytest.mark.parametrize("task", tasks.TASKS)
def test_paper_presets_are_the_published_settings(task):
    config = tasks.defaults(task, "paper")
    settings = build.fit_settings(config)
    kind, depth, skip, upsampling, rate, steps = PUBLISHED[task]
    assert settings.architecture.down == settings.architecture.up == (128,) * 5
    assert settings.architecture.skip == (skip,) * 5
    assert settings.architecture.upsampling == (upsampling,) * 5
    assert (settings.input_kind, settings.input_depth) == (kind, depth)
    assert (settings.learning_rate, config["num_steps"]) == (rate, steps)
    assert (settings.schedule, settings.optimiser) == ("constant", "adam")


def test_missing_pixels_have_muon_and_their_drafts_adam():
    assert build.fit_settings(tasks.defaults("reconstruct")).optimiser == "muon"
    assert build.fit_settings(tasks.defaults("reconstruct", "quick")).optimiser == "muon"
    assert build.fit_settings(tasks.defaults("reconstruct", "draft")).optimiser == "adam"


@pytest.mark.parametrize("preset", tasks.PRESETS)
@pytest.mark.parametrize("task", tasks.TASKS)
def test_every_preset_gives_settings_and_a_criterion(task, preset):
    config = tasks.defaults(task, preset)
    assert config["task"] == task and config["preset"] == preset
    build.fit_settings(config)
    build.criterion(config)


def test_presets_do_not_share_what_they_change():
    tasks.defaults("denoise", "quick")["network"]["scales"] = 99
    assert tasks.defaults("denoise")["network"]["scales"] != 99


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("num_steps", 0, "config.num_steps is 0, expected a number at least 1"),
        ("learning_rate", 0.0, "above 0"),
        ("average", 1.0, "below 1"),
        (
            "average_share",
            0.6,
            "average_share is 0.6, expected a number at least 0 and at most 0.5",
        ),
        ("seeds", 0, "at least 1"),
        ("seeds", 2**32 + 1, "is too large|at most 65536"),
        ("optimiser", "sgd", "optimiser is 'sgd', expected one of 'adam', 'muon'"),
        ("lanes.form", "rows", "expected one of 'auto'"),
        ("heldout.share", 1.0, "below 1"),
        ("damage.share", 1.5, "damage.share is 1.5"),
        ("damage.sigma", -1.0, "damage.sigma"),
        ("stability.jump", float("inf"), "stability.jump is inf"),
        ("degrade", "rain", "'rain', expected one of 'noise'"),
        ("mask_polarity", "white", "expected one of 'fill', 'keep'"),
        ("stop.criterion", "luck", "expected one of 'heldout'"),
        ("input.kind", "zeros", "input.kind"),
        ("network.down", (8,) * 6, "config.network.down has 6 entries, expected at most 5"),
        ("network.down_kernel", (4,), "odd"),
        ("network.upsampling", ("cubic",), "cubic"),
        ("heldout.share", 0.0, "hold out a share"),
        ("seed", -1, "config.seed is -1"),
    ],
)
def test_values_out_of_range_are_refused_in_one_line(path, value, words):
    config = tasks.defaults("denoise")
    *sections, name = path.split(".")
    section = config
    for part in sections:
        section = section[part]
    section[name] = value
    with pytest.raises(InputError, match=words) as refused:
        build.fit_settings(config)
    assert "\n" not in str(refused.value)


def test_seeds_beyond_the_last_one_are_refused():
    config = tasks.defaults("denoise") | {"seed": 2**32 - 2, "seeds": 3}
    with pytest.raises(InputError, match="seeds go up to"):
        build.fit_settings(config)


def test_a_meshgrid_with_another_depth_is_refused():
    config = tasks.defaults("hole_fill")
    config["input"]["depth"] = 32
    with pytest.raises(InputError, match=r"input.depth is 32, expected 2"):
        build.fit_settings(config)


def test_unknown_tasks_and_presets_are_refused():
    with pytest.raises(InputError, match="'sharpen' is unknown, expected one of denoise"):
        tasks.defaults("sharpen")
    with pytest.raises(
        InputError, match=r"config\.preset is 'fast', expected none, draft, quick or paper"
    ):
        tasks.defaults("denoise", "fast")
