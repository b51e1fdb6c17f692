"""The criteria on score curves whose right answer is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.fit import criteria
from dip_jax.fit.criteria import View
from dip_jax.fit.lane import Lane


def lane(h=6, w=5, c=1, outside=0):
    inside = np.ones((h, w, 1), np.float32)
    inside[h - outside :] = 0
    known = jnp.asarray(inside)
    y, z = jnp.zeros((h, w, c)), jnp.zeros((h, w, 1))
    return Lane(z=z, y=y, fit=1 - known, held=known, inside=known, true=None, num_steps=0)


def view(step, out=0.0, avg=0.0, image=None, true=None):
    image = jnp.zeros((6, 5, 1)) if image is None else jnp.asarray(image, jnp.float32)
    pair = (jnp.float32(out), jnp.float32(avg))
    true = None if true is None else (jnp.float32(true), jnp.float32(true))
    return View(jnp.int32(step), image, image, pair, true, lane())


def play(criterion, views, the_lane=None):
    """The step that it stops in (None if it does not) and all judgements."""
    carry, judgements = criterion.init(the_lane or lane()), []
    for v in views:
        carry, judgement = criterion.update(carry, v)
        judgements.append(judgement)
        if judgement.stop:
            return int(v.step), judgements
    return None, judgements


def psnr(image):
    return -10 * np.log10(np.mean(np.square(image)))


def judged(out, avg, step=1, **options):
    """The judgement of two images on a lane whose held-out values are all 0."""
    out, avg = (np.broadcast_to(np.asarray(x, np.float32), (6, 5, 1)) for x in (out, avg))
    pair = (jnp.float32(psnr(out)), jnp.float32(psnr(avg)))
    criterion = criteria.heldout(patience=0, **options)
    images = jnp.asarray(out), jnp.asarray(avg)
    return criterion.update(
        criterion.init(lane()), View(jnp.int32(step), *images, pair, None, lane())
    )[1]


def test_heldout_stops_a_patience_after_its_maximum():
    curve = [10, 15, 20, 19, 19.5, 19, 19, 18, 17]
    noisy = np.full((6, 5, 1), 1.0)
    views = [view(i + 1, out=-99, avg=value, image=noisy) for i, value in enumerate(curve)]
    stop, judgements = play(criteria.heldout(patience=4), views)
    assert stop == 3 + 4
    assert int(np.argmax([j.score_avg for j in judgements])) == 2


def test_heldout_scores_are_the_psnrs_where_there_is_no_doubt():
    judgement = judged(0.1, 0.2)  # the same difference at every pixel
    assert judgement.score_out == pytest.approx(20, abs=1e-3)
    assert judgement.score_avg == pytest.approx(psnr(np.float32(0.2)), abs=1e-3)


def test_heldout_doubts_an_output_that_is_better_at_a_few_pixels_only():
    lucky = np.full((6, 5, 1), 0.2)
    lucky[0, 0] = 0.0
    sure, doubted = judged(lucky, 0.2, doubt=0.0), judged(lucky, 0.2)
    assert sure.score_out > sure.score_avg
    assert doubted.score_out < doubted.score_avg
    # By hand: 30 pixels, one with a difference of -0.04 and 29 with 0.
    error = 0.04 * 29 / 30 + 2 * np.sqrt(0.04**2 / 30 * (1 - 1 / 30) / 30)
    assert doubted.score_out == pytest.approx(-10 * np.log10(error), abs=1e-3)


def test_a_patience_of_zero_never_stops():
    views = [view(i, avg=-i) for i in range(1, 50)]
    assert play(criteria.heldout(patience=0), views)[0] is None


def test_nan_scores_are_passed_over():
    views = [view(1, true=5), view(2, true=np.nan), view(3, true=6)]
    carry = criteria.oracle(patience=10).init(lane())
    for v in views:
        carry, _ = criteria.oracle(patience=10).update(carry, v)
    assert float(carry.score) == 6 and int(carry.step) == 3


def test_wmv_is_the_windowed_variance_over_the_pixels():
    rng = np.random.default_rng(0)
    images = rng.random((12, 6, 5, 1))
    views = [view(i + 1, image=images[i]) for i in range(12)]
    _, judgements = play(criteria.wmv(patience=0, window=4, pixels=10**6), views)
    scores = [float(j.score_avg) for j in judgements]
    assert np.isneginf(scores[:3]).all()
    for t in range(3, 12):
        assert scores[t] == pytest.approx(-images[t - 3 : t + 1].var(axis=0).mean(), rel=1e-4)


def test_wmv_stops_a_patience_after_the_calmest_window():
    rng = np.random.default_rng(0)
    sizes = np.concatenate([np.linspace(1, 0.1, 20), np.linspace(0.1, 1, 40)])
    noise = rng.choice([-1.0, 1.0], size=(60, 1, 1, 1)) * rng.random((60, 6, 5, 1))
    views = [view(i + 1, image=sizes[i] * noise[i]) for i in range(60)]
    stop, judgements = play(criteria.wmv(patience=10, window=5), views)
    best = int(np.argmax([j.score_avg for j in judgements])) + 1
    assert stop == best + 10
    assert 18 <= best <= 26


def test_wmv_samples_only_inside_the_picture():
    sample, *_ = criteria.wmv(patience=1, pixels=20).init(lane(outside=2))
    assert set(np.asarray(sample).tolist()) == set(range(4 * 5))


def test_wmv_does_not_count_the_padding_of_a_small_picture():
    rng = np.random.default_rng(0)
    images = rng.random((5, 6, 5, 1))
    images[:, 4:] *= 100
    views = [view(i + 1, image=images[i]) for i in range(5)]
    _, judgements = play(criteria.wmv(patience=0, window=5), views, lane(outside=2))
    expected = -images[:, :4].var(axis=0).mean()
    assert float(judgements[-1].score_avg) == pytest.approx(expected, rel=1e-4)


def test_oracle_needs_the_clean_image():
    criterion = criteria.oracle(patience=2)
    with pytest.raises(ValueError, match="clean"):
        criterion.update(criterion.init(lane()), view(1, avg=3))
    stop, _ = play(criterion, [view(i, true=-abs(i - 3)) for i in range(1, 10)])
    assert stop == 5


def test_none_takes_the_last_step():
    stop, judgements = play(criteria.none(), [view(i, avg=-i) for i in range(1, 6)])
    assert stop is None
    assert np.argmax([j.score_avg for j in judgements]) == 4
