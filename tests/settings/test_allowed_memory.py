"""What a picture may take: tiles become smaller with it, and what cannot be kept is refused."""

import re

import numpy as np
import pytest

from dip_jax.cli.command import make_parser
from dip_jax.cli.pages import changes_of_options
from dip_jax.errors import InputError
from dip_jax.pictures.arrays import Layout
from dip_jax.settings import allowed_memory, estimates, fields, parting, tasks


def config_of(task="denoise", **changes):
    names = {name.replace("__", "."): value for name, value in changes.items()}
    return fields.override(tasks.defaults(task), names)


def divided(config, h, w, fill=None):
    before = np.random.default_rng(0).integers(0, 256, (h, w), dtype=np.uint8)
    layout = Layout(before.shape, before.dtype, None, None)
    return parting.divided(config, before, layout, fill)


def test_a_picture_that_may_not_take_what_it_needs_is_fitted_in_tiles_that_fit():
    shape, config = (600, 700, 1), config_of()
    needed = estimates.memory_of_shape(config, shape) / 1e9
    assert divided(config, *shape[:2]) is None  # as a whole: it is no large picture
    assert divided(config_of(parts__memory=1.1 * needed), *shape[:2]) is None
    sides = []
    for share in (0.9, 0.8, 0.7):
        less = config_of(parts__memory=share * needed)
        assert parting.may_be_divided(less, shape)
        division = divided(less, *shape[:2])
        parting.check_memory(less, division)
        assert parting.bytes_of(less, division) <= 1e9 * share * needed
        sides.append(division.plan.parts[0].height)
    assert sides == sorted(sides, reverse=True) and sides[-1] < sides[0] <= 512


def test_without_a_limit_tiles_have_the_side_that_is_asked_for():
    shape = (5000, 5000, 3)
    assert allowed_memory.side_of_tiles(config_of(parts__side=384), shape, 1) == 384
    assert allowed_memory.side_of_tiles(config_of(parts__memory=1000), shape, 1) == 512


def test_what_cannot_be_kept_says_what_is_needed():
    config = config_of(parts__memory=1)
    division = divided(config, 600, 700)
    with pytest.raises(InputError, match=r"allows 1\.0: expected") as caught:
        parting.check_memory(config, division)
    enough = float(re.search(r"parts\.memory=([\d.]+) or more", str(caught.value))[1])
    config = config_of(parts__memory=enough)
    parting.check_memory(config, divided(config, 600, 700))
    whole = config_of(parts__memory=1, parts__kind="whole")
    with pytest.raises(InputError, match=r"are allowed by config\.parts\.memory"):
        estimates.check_memory_of_shape(whole, (600, 700, 1), False)


def test_as_many_fits_at_once_as_the_memory_holds():
    config = config_of(lanes__at_once=6)
    part = (256, 256, 3)
    one, two = (
        estimates.memory_of_shape(config_of(lanes__at_once=n), part, 9) / 1e9 for n in (1, 2)
    )
    assert allowed_memory.lanes_at_once(config, part, 9, 0) == 6
    each = two - one
    for count, most in ((1, 0.5 * one), (1, one + 0.9 * each), (3, one + 2.1 * each)):
        allowed = config_of(lanes__at_once=6, parts__memory=most)
        assert allowed_memory.lanes_at_once(allowed, part, 9, 0) == count
    assert allowed_memory.lanes_at_once(config_of(parts__memory=100), part, 9, 0) == 1  # a CPU


def test_the_command_says_it_once():
    parser = make_parser()
    given = parser.parse_args(["denoise", "a.png", "--memory", "2.5"])
    assert changes_of_options(given) == {"parts.memory": 2.5}
    given = parser.parse_args(["denoise", "a.png", "--memory", "2.5", "--set", "parts.memory=3"])
    with pytest.raises(InputError, match="leave one"):
        changes_of_options(given)


def test_what_is_foretold_counts_the_reading_of_a_picture_as_large_as_it_is(monkeypatch):
    monkeypatch.setattr(estimates, "seconds_of_all", lambda config, shapes: (60.0, 120.0))
    config = config_of("text_inpaint")
    said = {}
    for side in (500, 10_000):
        fill = np.zeros((side, side), bool)
        fill[100:110, 100:120] = True
        division = divided(config, side, side, fill)
        (said[side],) = [line for line in parting.advice(config, division, 1) if "GB" in line]
    assert said[500].startswith("1 to 2 minutes for all steps")
    assert said[10_000].startswith("1.4 to 3 minutes for all steps")
