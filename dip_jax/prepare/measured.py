"""What an operator measured, made ready for a fit: checked against the operator, and scaled."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.errors import InputError, reason
from dip_jax.forward.data_term import masked_mse
from dip_jax.forward.model import Measured
from dip_jax.forward.observation import Observation, observe
from dip_jax.forward.operators.combining import Compose, Stack
from dip_jax.forward.operators.fourier import Fourier
from dip_jax.forward.operators.mosaicing import Bayer, colours
from dip_jax.forward.operators.operator import Measurement, Operator, Shape, measures
from dip_jax.forward.priors import Prior
from dip_jax.prepare.measuring import Measuring
from dip_jax.prepare.prepared import Prepared

NOISES = ("gaussian", "poisson")


def observe_measured(
    measured: Any,
    operator: Operator,
    shape: Shape,
    *,
    known: Any = None,
    counts: bool = False,
    prior: Prior | None = None,
    image_range: tuple[float, float] = (0.0, 1.0),
    of_images: bool = False,
) -> Observation:
    """What was measured of an image, as a fit takes it.

    Args:
        measured: of the structure and the shapes that `operator` gives; a last axis of 1 may be
            left out. What is not finite is unknown.
        operator: the one that measured it.
        shape: of the image, `(h, w, c)`.
        known: true where it was measured, of the same structure, or one array for each that
            broadcasts; None for everywhere, or where the operator says so.
        counts: whether they are counts, of Poisson's noise.
        prior: what is added to the data term.
        image_range: the image's values of black and white.
        of_images: whether what is measured is an image in [0, 1] itself, and has the scale of one.

    Raises:
        InputError: if it has another shape than the operator gives, or nothing is known.
    """
    wanted = measures(operator, shape)
    if prior is not None:
        _check_prior(prior, shape)
    y, mask = _checked(measured, known, wanted, _sampled(operator, wanted), shape[2])
    low, high = image_range
    counted = [a for a in jax.tree.leaves(y) if counts]
    if any(jnp.iscomplexobj(a) or bool((a < 0).any()) for a in counted):
        raise InputError(
            "what was measured has complex or negative values, and noise='poisson' counts; "
            "expected counts from 0 on, or noise='gaussian'"
        )
    one = jnp.float32(1)
    forward = Measured(operator, one, shape, float(low), float(high), counts, prior)
    if not of_images:
        size = 2 * _root_mean_square(forward.scaled(y), mask)
        forward = dataclasses.replace(forward, scale=jnp.float32(size or 1))
    return Observation(forward.scaled(y), mask, forward)


def measured_of(y: np.ndarray, how: Measuring) -> Prepared:
    """A picture that was measured of another, as a fit takes it; what is not finite is unknown.

    Args:
        y: the picture in [0, 1], `(h, w, c)`.
        how: it was measured.
    """
    missing = int(y.size - np.isfinite(y).sum())
    remarks = (f"{missing} values are NaN or infinite: taken as unknown",) if missing else ()
    remarks = (how.remark, *remarks)
    if isinstance(how.operator, Bayer):  # what it measures are values of the picture itself
        known = colours(how.operator.pattern, *y.shape[:2]) > 0
        return Prepared(observe(np.broadcast_to(y, known.shape), ~known)[0], remarks=remarks)
    if how.values is not None:
        low, high = how.values
        found = how.layout.data_range or (0.0, 1.0)
        y = low + (high - low) * y
        observation = observe_measured(y, how.operator, how.shape, image_range=found)
        return Prepared(observation, remarks=remarks)
    observation = observe_measured(y, how.operator, how.shape, of_images=True)
    return Prepared(observation, remarks=remarks)


def _sampled(operator: Operator, wanted: Measurement) -> list[Any]:
    """Of every array of a measurement: where there is one, or None for everywhere."""
    if isinstance(operator, Stack):
        parts = zip(operator.operators, wanted, strict=True)
        return [mask for part, gives in parts for mask in _sampled(part, gives)]
    if isinstance(operator, Compose):
        return _sampled(operator.operators[0], wanted)
    if isinstance(operator, Fourier):
        return [np.asarray(operator.known())]
    return [None] * len(jax.tree.leaves(wanted))


def _check_prior(prior: Prior, shape: Shape) -> None:
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    try:
        found = jax.eval_shape(lambda x: prior(x), x)
    except Exception as error:  # of a function that someone else has written
        raise InputError(f"prior cannot take an image of shape {shape}: {reason(error)}") from error
    if getattr(found, "shape", None) != () or not jnp.issubdtype(found.dtype, jnp.floating):
        raise InputError(f"prior gives {found}; expected one real number")


def _checked(
    measured: Any, known: Any, wanted: Measurement, sampled: list[Any], channels: int
) -> tuple[Measurement, Measurement]:
    structure = jax.tree.structure(wanted)
    given, masks = _leaves_like(measured, structure, "what was measured"), [None]
    if known is not None:
        masks = _leaves_like(known, structure, "known")
    masks = masks if known is not None else [None] * len(given)
    arrays, fits, count = [], [], 0
    likes = jax.tree.leaves(wanted)
    for one, mask, where, like in zip(given, masks, sampled, likes, strict=True):
        y = _array_of(one, like)
        finite = np.isfinite(y)
        fit = finite if mask is None else finite & _mask_of(mask, like)
        fit = fit if where is None else fit & where
        if fit.ndim == 3 and fit.shape[2] == channels and (fit == fit[..., :1]).all():
            fit = fit[..., :1]  # channels that are known alike are held out alike
        arrays.append(jnp.asarray(np.where(fit, y, 0), like.dtype))
        fits.append(jnp.asarray(fit, jnp.float32))
        count += int(fit.sum())
    if count < 2:
        raise InputError(
            f"{count} of the measurements are known; expected some: `known` is true where one was "
            "made, and what is not finite is not known"
        )
    return jax.tree.unflatten(structure, arrays), jax.tree.unflatten(structure, fits)


def _leaves_like(given: Any, structure: Any, name: str) -> list[Any]:
    if structure.num_leaves == 1 and jax.tree.structure(0) == structure:
        return [given]
    try:
        return structure.flatten_up_to(given)
    except ValueError as error:
        raise InputError(
            f"{name} is not put together as the operator gives it; expected {structure}, with an "
            "array in place of each *"
        ) from error


def _array_of(given: Any, like: jax.ShapeDtypeStruct) -> np.ndarray:
    try:
        y = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise InputError(f"what was measured is no array: {reason(error)}") from error
    if y.dtype.kind not in "biufc":
        raise InputError(f"what was measured has dtype {y.dtype}; expected numbers")
    if y.dtype.kind == "c" and not jnp.issubdtype(like.dtype, jnp.complexfloating):
        raise InputError("what was measured is complex, and the operator gives real numbers")
    if y.shape == like.shape[:-1] and like.shape[-1:] == (1,):
        y = y[..., None]
    if y.shape != like.shape:
        raise InputError(
            f"what was measured has shape {y.shape}, and the operator gives {like.shape}; expected "
            "the same: check `shape`, and the operator"
        )
    return y


def _mask_of(given: Any, like: jax.ShapeDtypeStruct) -> np.ndarray:
    mask = np.asarray(given)
    if mask.dtype.kind not in "biuf":
        raise InputError(
            f"known has dtype {mask.dtype}; expected true where there is a measurement"
        )
    if mask.shape == like.shape[:-1] and mask.ndim and mask.shape != like.shape:
        mask = mask[..., None]
    try:
        return np.broadcast_to(mask != 0, like.shape)
    except ValueError:
        raise InputError(
            f"known has shape {mask.shape}, and the operator gives {like.shape}; expected the same"
        ) from None


def _root_mean_square(y: Measurement, known: Measurement) -> float:
    nothing = jax.tree.map(jnp.zeros_like, y)
    return float(jnp.sqrt(masked_mse(y, nothing, known)))
