"""A network's image made to agree with what was measured, and what a JPEG's becomes."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut
from skimage.restoration import denoise_nl_means
from tiers import first_always

from dip_jax import operators
from dip_jax.finish import consistency
from dip_jax.finish.compression import STRENGTHS
from dip_jax.finish.consistency import consistent
from dip_jax.forward.data_term import masked_mse
from dip_jax.forward.observation import hold_out_measured
from dip_jax.forward.operators.operator import as_operator
from dip_jax.prepare.measured import observe_measured


@pytest.fixture(scope="module")
def clean():
    return astronaut()[80:128, 180:228].astype(np.float32) / 255


def psnr(a, b):
    return -10 * np.log10(np.mean((np.asarray(a, float) - b) ** 2))


def observed(clean, operator, sigma=0.0):
    rng = np.random.default_rng(0)

    def noisy(a):
        return a + sigma * jnp.asarray(rng.standard_normal(a.shape), a.dtype)

    operator = as_operator(operator)
    y = jax.tree.map(noisy, operator(jnp.asarray(clean)))
    observation = observe_measured(y, operator, clean.shape)
    _, held = hold_out_measured(jax.random.key(0), observation.known, 0.1)
    return observation, jax.tree.map(lambda a: np.asarray(a) > 0, held)


def off(clean, how=0.06):
    """An image as a network gives it: smooth, and a little off."""
    rng = np.random.default_rng(1)
    smooth = np.asarray(operators.blur(operators.gaussian(1.5))(clean))
    return np.clip(smooth + how * rng.standard_normal((1, 1, 3)), 0, 1).astype(np.float32)


@pytest.mark.parametrize(
    "operator",
    first_always(
        [
            operators.downsample(2),
            lambda x: jnp.exp(-2 * operators.blur(operators.gaussian(1.0))(x)),  # not linear
            operators.blur(operators.gaussian(1.2)),
            operators.stack(operators.downsample(3), operators.blur(operators.gaussian(2.0))),
            lambda x: jnp.fft.rfft2(x, axes=(0, 1))[:, :16],
        ],
        2,
    ),
)
def test_the_image_is_nearer_to_what_was_measured_and_to_the_clean_one(clean, operator):
    observation, held = observed(clean, operator, 0.002)
    f = off(clean)
    x = consistent(f, observation, held)
    assert x.shape == f.shape and 0 <= x.min() and x.max() <= 1
    errors = [
        float(masked_mse(observation.forward(jnp.asarray(a)), observation.y, observation.known))
        for a in (f, x)
    ]
    assert errors[1] < 0.2 * errors[0]
    assert psnr(x, clean) > psnr(f, clean) + 1


@pytest.mark.thorough
def test_what_noise_says_is_not_followed(clean):
    observation, held = observed(clean, operators.blur(operators.gaussian(1.2)), 0.3)
    f = np.asarray(operators.blur(operators.gaussian(0.5))(clean))
    x = consistent(f, observation, held)
    assert psnr(x, clean) > psnr(f, clean) - 0.3


def test_nothing_is_done_without_measurements_that_judge(clean):
    observation, _ = observed(clean, operators.downsample(2))
    f = off(clean)
    assert consistent(f, observation, None) is f


def test_it_is_the_least_of_what_it_is_said_to_be(clean):
    """No step in any of many directions makes the sum of the three terms smaller."""
    observation, _ = observed(clean, operators.downsample(2), 0.01)
    f = jnp.asarray(off(clean))
    rho, edges = jnp.float32(0.05), jnp.float32(0.002)
    _, largest = consistency._eigenvalues(f, observation)

    def energy(x):
        r = observation.forward(x) - observation.y
        gradient = jnp.stack(
            [jnp.diff(x, axis=0, append=x[-1:]), jnp.diff(x, axis=1, append=x[:, -1:])]
        )
        variation = jnp.sum(jnp.sqrt(jnp.sum(jnp.square(gradient), axis=0)))
        distance = jnp.sum(jnp.square(x - f))
        return jnp.sum(jnp.square(r)) / 2 + rho * distance / 2 + edges * variation

    x = consistency._solved(f, observation, rho, edges, largest)
    least = float(energy(x))
    assert least < float(energy(f))
    rng = np.random.default_rng(0)
    for size in (0.001, 0.01):
        for _ in range(10):
            step = size * rng.standard_normal(x.shape).astype(np.float32)
            assert float(energy(jnp.clip(x + step, 0, 1))) > least * (1 - 1e-4)
    towards = f - x
    for share in (0.01, 0.1):
        assert float(energy(x + share * towards)) > least * (1 - 1e-4)


def test_the_largest_eigenvalue_is_that_of_the_matrix():
    operator = operators.blur(np.array([[1, 2, 1]]), "constant")
    observation = observe_measured(np.ones((8, 9, 1)), operator, (8, 9, 1))
    mean, largest = consistency._eigenvalues(jnp.full((8, 9, 1), 0.5), observation)
    size = 9
    row = np.eye(size) / 2 + (np.eye(size, k=1) + np.eye(size, k=-1)) / 4
    row = row / float(observation.forward.scale)
    values = np.linalg.eigvalsh(row.T @ row)
    assert float(largest) == pytest.approx(1.05 * values.max(), rel=0.03)
    assert float(mean) == pytest.approx(values.mean(), rel=0.3)


def test_a_jpeg_is_better_than_its_network_and_its_means(clean):
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * clean).astype(np.uint8)).save(file, "JPEG", quality=10)
    y = np.asarray(Image.open(file)) / np.float32(255)
    observation = observe_measured(y, operators.jpeg(10), y.shape, of_images=True)
    rng = np.random.default_rng(0)
    network = clean + 0.045 * rng.standard_normal(clean.shape).astype(np.float32)
    means = [
        denoise_nl_means(y, h=h, patch_size=5, patch_distance=6, channel_axis=-1) for h in STRENGTHS
    ]
    x = consistent(network, observation)
    assert psnr(x, clean) > max(psnr(network, clean), *(psnr(m, clean) for m in means))
    again = operators.jpeg(10)(x)
    assert np.mean((np.asarray(again) - y) ** 2) < 1e-4  # it would be coded nearly alike
