"""When to stop, and which state is best: criteria as pairs of pure functions.

A criterion is `init(lane)`, which gives its own small state, and `update(state, view)`, which looks
at one step and gives the next state and a `Judgement`. Both are pure and run inside the jitted
step, so every step is judged. A higher score is better. A new criterion is one such pair, entered
in `CRITERIA`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from dip_jax.fit.lane import Lane
from dip_jax.forward.data_term import residual, squared, total

Carry = Any
Pair = tuple[Float[Array, ""], Float[Array, ""]]


class View(NamedTuple):
    """What a criterion sees of one step.

    Attributes:
        step: the number of the step, from 1.
        x_out: the output, `(h, w, c)`.
        x_avg: the moving average of the outputs, `(h, w, c)`.
        psnr_heldout: of `x_out` and `x_avg`, in dB.
        psnr_true: of `x_out` and `x_avg`, in dB; None where there is no clean image.
        lane: what is fitted, a `Lane`: the same in every step.
    """

    step: Int[Array, ""]
    x_out: Float[Array, "h w c"]
    x_avg: Float[Array, "h w c"]
    psnr_heldout: Pair
    psnr_true: Pair | None
    lane: Lane


class Judgement(NamedTuple):
    """The verdict on one step.

    Attributes:
        score_out: the score of the output; minus infinity if it must not be chosen.
        score_avg: the same for the moving average.
        stop: whether the fit should end.
    """

    score_out: Float[Array, ""]
    score_avg: Float[Array, ""]
    stop: Array


class Criterion(NamedTuple):
    """A pair of pure functions; see the module's first lines.

    Attributes:
        init: makes its state.
        update: judges a step.
        label: its name with all its arguments, by which compiled programs are told apart; "" for
            one whose programs are not to be kept.
    """

    init: Callable[[Any], Carry]
    update: Callable[[Carry, View], tuple[Carry, Judgement]]
    label: str = ""


class Record(NamedTuple):
    """The best score so far and the step that it was reached in."""

    score: Float[Array, ""]
    step: Int[Array, ""]


def _no_record() -> Record:
    return Record(jnp.float32(-jnp.inf), jnp.int32(0))


def _advance(record: Record, score, step) -> Record:
    better = score > record.score
    return Record(jnp.where(better, score, record.score), jnp.where(better, step, record.step))


def heldout(*, patience: int, doubt: float = 2.0, only_avg: bool = False) -> Criterion:
    """Scores by `psnr_heldout`; stops when there has been no new maximum for a while.

    The held-out values are not fitted, so their PSNR rises while the network learns the picture and
    falls when it starts to fit the damage. The output jitters from step to step, and over thousands
    of steps one of them looks better than it is by chance. So its error counts as `doubt` standard
    errors larger than measured; the standard error is that of the difference to the average's
    squared error, from held-out pixel to held-out pixel.

    Args:
        patience: how many steps without a new maximum end the fit; 0 never ends it.
        doubt: standard errors by which the output must be better than the average; 0 takes it as it
            is measured.
        only_avg: whether the average alone can be chosen. For holes: inside them the outputs drift
            from step to step, and pixels held out around them do not see it.
    """

    def pick(view: View) -> Pair:
        if only_avg:
            return jnp.full_like(view.psnr_heldout[1], -jnp.inf), view.psnr_heldout[1]
        held, y = view.lane.held, view.lane.y
        pixel = jax.tree.map(lambda m: _of_pixels(m, jnp.max), held)
        values = jax.tree.map(
            lambda m, a, p: _of_pixels(m * jnp.ones_like(m, shape=a.shape), jnp.sum) + (1 - p),
            held,
            y,
            pixel,
        )

        def errors(x):  # the values of one pixel err together
            return jax.tree.map(
                lambda m, r, v: _of_pixels(m * squared(r), jnp.sum) / v,
                held,
                residual(x, y, view.lane.forward),
                values,
            )

        out = errors(view.x_out)
        difference = jax.tree.map(jnp.subtract, out, errors(view.x_avg))
        n = jnp.maximum(total(pixel, jnp.sum), 1)
        mean = total(difference, jnp.sum) / n
        off = jax.tree.map(lambda p, d: p * jnp.square(d - mean), pixel, difference)
        error = total(out, jnp.sum) / n + doubt * jnp.sqrt(total(off, jnp.sum) / n / n)
        return jnp.fmin(-10 * jnp.log10(error), view.psnr_heldout[0]), view.psnr_heldout[1]

    return _by_psnr(pick, patience, f"heldout {patience} {doubt} {only_avg}")


def _of_pixels(a: Array, over: Callable[..., Array]) -> Array:
    """Over the channels, which are the last of three axes or more."""
    return over(a, axis=-1) if a.ndim > 2 else a


def oracle(*, patience: int) -> Criterion:
    """Scores by `psnr_true`, which needs the clean image: for experiments only.

    Args:
        patience: as for `heldout`.
    """

    def pick(view: View) -> Pair:
        if view.psnr_true is None:
            raise ValueError("the oracle criterion needs a clean image")
        return view.psnr_true

    return _by_psnr(pick, patience, f"oracle {patience}")


def _by_psnr(pick: Callable[[View], Pair], patience: int, label: str) -> Criterion:
    def init(lane):
        del lane
        return _no_record()

    def update(record, view):
        out, avg = pick(view)
        record = _advance(record, jnp.fmax(out, avg), view.step)
        stop = (view.step - record.step >= patience) & (patience > 0)
        return record, Judgement(out, avg, stop)

    return Criterion(init, update, label)


def wmv(*, patience: int, window: int = 100, pixels: int = 4096) -> Criterion:
    """ES-WMV: scores the moving average by minus the windowed variance of the recent outputs.

    `VAR(t)` is the mean over pixels of the variance over the last W outputs; it falls while the
    network learns the picture, and rises when the outputs begin to follow the damage. For damage
    that is correlated from pixel to pixel, where held-out pixels tell too little. Source: Wang, Li,
    Zhuang, Chen, Liang, Sun, "Early Stopping for Deep Image Prior", TMLR 2023, section 3.

    Args:
        patience: P, the number of steps without a new minimum that end the fit; 0 never ends it.
        window: W, the number of outputs, at least 2.
        pixels: how many values of the output, drawn once at random, the variance is taken over.
    """

    def init(lane):
        inside = jnp.broadcast_to(lane.inside, lane.shape).ravel()
        draw = jax.random.uniform(jax.random.key(0), inside.shape)
        count = min(pixels, inside.size)
        sample = jax.lax.top_k(jnp.where(inside > 0, draw, -1.0), count)[1]
        recent = jnp.zeros((window, count), jnp.float32)
        return sample, inside[sample], recent, jnp.int32(0), _no_record()

    def update(carry, view):
        # `seen` and not the step says where to write: a step that went wrong is not judged.
        sample, inside, recent, seen, record = carry
        recent = recent.at[seen % window].set(view.x_out.ravel()[sample])
        seen = seen + 1
        score = -jnp.sum(inside * jnp.var(recent, axis=0)) / jnp.sum(inside)
        score = jnp.where(seen >= window, score, -jnp.inf)
        record = _advance(record, score, view.step)
        waited = jnp.where(seen >= window, view.step - record.step, 0)
        stop = (waited >= patience) & (patience > 0)
        carry = (sample, inside, recent, seen, record)
        return carry, Judgement(jnp.float32(-jnp.inf), score, stop)

    return Criterion(init, update, f"wmv {patience} {window} {pixels}")


def none(*, patience: int = 0) -> Criterion:
    """Never stops, and takes the moving average of the last step for the best.

    Args:
        patience: not used; it is there so that all criteria are made alike.
    """
    del patience

    def init(lane):
        del lane
        return ()

    def update(carry, view):
        return carry, Judgement(
            jnp.float32(-jnp.inf), view.step.astype(jnp.float32), jnp.bool_(False)
        )

    return Criterion(init, update, "none")


CRITERIA: dict[str, Callable[..., Criterion]] = {
    "heldout": heldout,
    "wmv": wmv,
    "oracle": oracle,
    "none": none,
}
