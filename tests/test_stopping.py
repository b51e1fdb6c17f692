"""The criteria on score curves whose right answer is known."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import stopping
from dip_jax.stopping import View


def lane(h=6, w=5, c=1, outside=0):
    inside = np.ones((h, w, 1), np.float32)
    inside[h - outside :] = 0
    return SimpleNamespace(y=jnp.zeros((h, w, c)), inside=jnp.asarray(inside))


def view(step, out=0.0, avg=0.0, image=None, true=None):
    image = jnp.zeros((6, 5, 1)) if image is None else jnp.asarray(image, jnp.float32)
    pair = (jnp.float32(out), jnp.float32(avg))
    true = None if true is None else (jnp.float32(true), jnp.float32(true))
    return View(jnp.int32(step), image, image, pair, true)


def play(criterion, views, the_lane=None):
    """The step that it stops in (None if it does not) and all judgements."""
    carry, judgements = criterion.init(the_lane or lane()), []
    for v in views:
        carry, judgement = criterion.update(carry, v)
        judgements.append(judgement)
        if judgement.stop:
            return int(v.step), judgements
    return None, judgements


def test_heldout_stops_a_patience_after_its_maximum():
    curve = [10, 15, 20, 19, 19.5, 19, 19, 18, 17]
    views = [view(i + 1, avg=value) for i, value in enumerate(curve)]
    stop, judgements = play(stopping.heldout(patience=4), views)
    assert stop == 3 + 4
    assert int(np.argmax([j.score_avg for j in judgements])) == 2


def test_heldout_looks_at_the_output_as_well():
    # The average peaks at step 2, the output goes on rising: not to be stopped.
    views = [view(i, out=10 + i, avg=20 - abs(i - 2)) for i in range(1, 30)]
    assert play(stopping.heldout(patience=4), views)[0] == 2 + 4
    views = [view(i, out=19 + i, avg=20 - abs(i - 2)) for i in range(1, 30)]
    assert play(stopping.heldout(patience=4), views)[0] is None


def test_a_patience_of_zero_never_stops():
    views = [view(i, avg=-i) for i in range(1, 50)]
    assert play(stopping.heldout(patience=0), views)[0] is None


def test_nan_scores_are_passed_over():
    views = [view(1, avg=5), view(2, out=np.nan, avg=np.nan), view(3, out=np.nan, avg=6)]
    carry = stopping.heldout(patience=10).init(lane())
    for v in views:
        carry, _ = stopping.heldout(patience=10).update(carry, v)
    assert float(carry.score) == 6 and int(carry.step) == 3


def test_wmv_is_the_windowed_variance_over_the_pixels():
    rng = np.random.default_rng(0)
    images = rng.random((12, 6, 5, 1))
    views = [view(i + 1, image=images[i]) for i in range(12)]
    _, judgements = play(stopping.wmv(patience=0, window=4, pixels=10**6), views)
    scores = [float(j.score_avg) for j in judgements]
    assert np.isneginf(scores[:3]).all()
    for t in range(3, 12):
        assert scores[t] == pytest.approx(-images[t - 3 : t + 1].var(axis=0).mean(), rel=1e-4)


def test_wmv_stops_a_patience_after_the_calmest_window():
    rng = np.random.default_rng(0)
    sizes = np.concatenate([np.linspace(1, 0.1, 20), np.linspace(0.1, 1, 40)])
    noise = rng.choice([-1.0, 1.0], size=(60, 1, 1, 1)) * rng.random((60, 6, 5, 1))
    views = [view(i + 1, image=sizes[i] * noise[i]) for i in range(60)]
    stop, judgements = play(stopping.wmv(patience=10, window=5), views)
    best = int(np.argmax([j.score_avg for j in judgements])) + 1
    assert stop == best + 10
    assert 18 <= best <= 26


def test_wmv_samples_only_inside_the_picture():
    sample, _, _ = stopping.wmv(patience=1, pixels=20).init(lane(outside=2))
    assert set(np.asarray(sample).tolist()) == set(range(4 * 5))


def test_oracle_needs_the_clean_image():
    criterion = stopping.oracle(patience=2)
    with pytest.raises(ValueError, match="clean"):
        criterion.update(criterion.init(lane()), view(1, avg=3))
    stop, _ = play(criterion, [view(i, true=-abs(i - 3)) for i in range(1, 10)])
    assert stop == 5


def test_none_takes_the_last_step():
    stop, judgements = play(stopping.none(), [view(i, avg=-i) for i in range(1, 6)])
    assert stop is None
    assert np.argmax([j.score_avg for j in judgements]) == 4
