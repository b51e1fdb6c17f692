"""Schedules of the learning rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.fit.learning_rate import SCHEDULES, learning_rate


def rates(schedule, num_steps, peak=3.0, rise=0.2):
    rate = jax.jit(learning_rate(schedule, 0.01, peak, rise))
    steps = range(num_steps + 1)
    return np.array([rate(jnp.int32(step), jnp.int32(num_steps)) for step in steps])


def test_constant_is_the_learning_rate_whatever_the_peak():
    np.testing.assert_array_equal(rates("constant", 10), np.float32(0.01))


def test_one_cycle_rises_to_its_peak_and_falls_to_next_to_nothing():
    found = rates("one_cycle", 50)
    np.testing.assert_allclose(found[[0, 10, 30]], [0.03 / 25, 0.03, 0.015], rtol=1e-3)
    assert 0 <= found[50] < 1e-5
    assert (np.diff(found[:11]) > 0).all() and (np.diff(found[10:]) < 0).all()


def test_cosine_falls_from_its_peak_to_nothing():
    found = rates("cosine", 40)
    np.testing.assert_allclose(found[[0, 20, 40]], [0.03, 0.015, 0], rtol=1e-4, atol=1e-8)
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_more_steps_stretch_it(schedule):
    np.testing.assert_allclose(rates(schedule, 60)[::3], rates(schedule, 20), rtol=1e-4, atol=1e-8)


def test_how_many_steps_there_will_be_is_no_part_of_the_program():
    rate, traced = learning_rate("one_cycle", 0.01, 3.0, 0.2), []

    @jax.jit
    def counted(step, num_steps):
        traced.append(1)
        return rate(step, num_steps)

    for num_steps in (10, 500):
        counted(jnp.int32(1), jnp.int32(num_steps))
    assert len(traced) == 1


def test_steps_beyond_the_last_have_the_last_rate():
    rate = learning_rate("one_cycle", 0.01, 3.0, 0.2)
    last, beyond = (rate(jnp.int32(step), jnp.int32(100)) for step in (100, 170))
    assert last == beyond


def test_without_a_number_of_steps_there_is_no_rate():
    for schedule in SCHEDULES[1:]:
        rate = learning_rate(schedule, 0.01, 3.0, 0.2)
        assert all(np.isnan(rate(jnp.int32(step), jnp.int32(0))) for step in (0, 5))
