"""The U-Net: the published parameter count, agreement with a plain form, sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from dip_jax.networks.unet import UNet, max_pool, transposed_conv

LAYOUT = ("NHWC", "HWIO", "NHWC")


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def test_parameter_counts_of_the_published_network():
    """Figure 1 of the paper: 23 convolutions with their biases, and no norms.

    With norms it is 31,042,434; and the well-known PyTorch-UNet, with three input channels and no
    bias before a norm, has 31,037,698.
    """
    network = UNet((64, 128, 256, 512, 1024)).network(2)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((32, 32, 1)))
    convolutions = {name: leaves for name, leaves in shapes.items() if "norm" not in name}
    assert len(convolutions) == 23
    assert count(convolutions) == 31_030_658
    assert count(shapes) == 31_042_434
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((32, 32, 3)))
    unused = sum(shapes[f"{name[:-5]}_conv"]["bias"].size for name in shapes if "norm" in name)
    assert count(shapes) - unused == 31_037_698


def plain_conv(x, kernel):
    p = kernel.shape[0] // 2
    padded = jnp.pad(x, ((p, p), (p, p), (0, 0)), mode="reflect")
    out = lax.conv_general_dilated(padded[None], kernel, (1, 1), "VALID", dimension_numbers=LAYOUT)
    return out[0]


def plain_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (2, 2, 1), (2, 2, 1), "VALID")


def plain_transposed(x, kernel):
    flipped = kernel[::-1, ::-1]
    return lax.conv_transpose(x[None], flipped, (2, 2), "VALID", dimension_numbers=LAYOUT)[0]


def plain(architecture, params, z):
    """The network as it is drawn, with every bias."""

    def block(x, name):
        weights, norm = params[f"{name}_conv"], params[f"{name}_norm"]
        x = plain_conv(x, weights["kernel"]) + weights["bias"][None, None]
        mean, variance = jnp.mean(x, (0, 1)), jnp.var(x, (0, 1))
        x = (x - mean[None, None]) / jnp.sqrt(variance + 1e-5)[None, None]
        x = x * norm["scale"][None, None] + norm["offset"][None, None]
        return jnp.where(x >= 0, x, 0.2 * x)

    def scale(x, i):
        x = block(block(x, f"down{i}a"), f"down{i}b")
        if i + 1 == architecture.scales:
            return x
        deep, weights = scale(plain_pool(x), i + 1), params[f"up{i}_conv"]
        up = plain_transposed(deep, weights["kernel"]) + weights["bias"][None, None]
        return block(block(jnp.concatenate([x, up], axis=-1), f"up{i}a"), f"up{i}b")

    out = plain_conv(scale(z, 0), params["out"]["kernel"]) + params["out"]["bias"][None, None]
    return jax.nn.sigmoid(out)


def example(architecture, size, depth):
    """Parameters, with norms that are not 1 and 0 so that they count, and an input."""
    rng = np.random.default_rng(0)
    z = jnp.asarray(0.1 * rng.random((*size, depth), dtype=np.float32))
    shapes = jax.eval_shape(architecture.network(3).init, jax.random.key(1), z)

    def drawn(path, leaf):
        fan_in = np.prod(leaf.shape[:3]) if len(leaf.shape) == 4 else 20
        values = rng.uniform(-1, 1, leaf.shape) / np.sqrt(fan_in)
        return jnp.asarray(values + (path[-1].key == "scale"), jnp.float32)

    return jax.tree_util.tree_map_with_path(drawn, shapes), z


def loss_of(apply, z):
    y = np.random.default_rng(3).random((*z.shape[:2], 3), dtype=np.float32)
    return lambda params: jnp.mean(jnp.square(apply(params, z) - y))


def distance(a, b=None):
    """The Euclidean distance of two parameter trees, or the length of one."""
    a, b = jax.device_get((a, b))
    difference = a if b is None else jax.tree.map(np.subtract, a, b)
    return np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(difference)))


@pytest.mark.parametrize(
    ("down", "size"), [((6,), (5, 9)), ((4, 8, 12), (16, 24)), ((24, 32), (48, 40))]
)
def test_the_network_agrees_with_its_plain_form(down, size):
    architecture = UNet(down)
    network = architecture.network(3)
    params, z = example(architecture, size, 5)

    def plain_form(params, z):
        return plain(architecture, params, z)

    ours, theirs = (jax.jit(apply)(params, z) for apply in (network.apply, plain_form))
    assert ours.shape == (*size, 3) and 0 < ours.min() and ours.max() < 1
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    ours, theirs = (
        jax.jit(jax.grad(loss_of(apply, z)))(params) for apply in (network.apply, plain_form)
    )
    # As a whole: among so many inputs of a LeakyReLU some lie within rounding of 0, where it bends.
    assert distance(ours, theirs) < 2e-3 * distance(theirs)


def test_pooling_agrees_with_its_plain_form():
    x = jax.random.normal(jax.random.key(0), (6, 8, 3))
    weights = jax.random.normal(jax.random.key(1), (3, 4, 3))
    np.testing.assert_array_equal(max_pool(x), plain_pool(x))
    gradients = [
        jax.grad(lambda x, f=f: jnp.sum(f(x) * weights))(x) for f in (max_pool, plain_pool)
    ]
    np.testing.assert_array_equal(*gradients)


def test_the_transposed_convolution_lays_out_its_taps():
    x = jax.random.normal(jax.random.key(0), (3, 5, 4))
    kernel = jax.random.normal(jax.random.key(1), (2, 2, 4, 6))
    out = transposed_conv(x, kernel)
    np.testing.assert_allclose(out, plain_transposed(x, kernel), atol=1e-5)
    np.testing.assert_allclose(out[5, 8], x[2, 4] @ kernel[1, 0], atol=1e-5)


@pytest.mark.thorough
def test_lanes_are_what_they_are_one_by_one():
    architecture = UNet((4, 6, 8))
    network = architecture.network(3)
    params, z = example(architecture, (16, 24), 4)
    params = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.7 * leaf]), params)
    z = jnp.stack([z, 0.1 - z])
    gradient = jax.grad(lambda p, z: loss_of(network.apply, z)(p))
    together = jax.jit(jax.vmap(gradient))(params, z)
    for i in range(2):
        lane = jax.tree.map(lambda leaf, i=i: leaf[i], params)
        alone = jax.jit(gradient)(lane, z[i])
        picked = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        assert distance(picked, alone) < 1e-4 * distance(alone)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 16), (25, 10)])
@pytest.mark.parametrize("scales", [1, 4])
def test_padded_sizes_can_be_processed(size, scales):
    architecture = UNet((2,) * scales)
    h, w = architecture.padded(*size)
    assert h >= size[0] and w >= size[1]
    network = architecture.network(1)
    shape = jax.eval_shape(
        lambda key, z: network.apply(network.init(key, z), z),
        jax.random.key(0),
        jnp.ones((*architecture.input_size(h, w), 2)),
    )
    assert shape.shape == (h, w, 1)


def test_the_seam():
    architecture = UNet((4, 8, 12))
    assert (architecture.scales, architecture.min_side, architecture.width) == (3, 4, 8)
    assert architecture.padded(256, 317) == (256, 320)
    assert architecture.input_size(256, 320) == (256, 320)
    assert architecture.network(3) is architecture.network(3)
    assert len({architecture, UNet((4, 8, 12))}) == 1


@pytest.mark.parametrize(
    ("down", "words"),
    [((), "empty"), ([4, 8], "tuple of int"), ((4, 8.0), "tuple of int"), ((4, 0), "channel")],
)
def test_an_impossible_architecture_is_refused(down, words):
    with pytest.raises(ValueError, match=rf"network\.down is .*{words}"):
        UNet(down)


def test_multiply_adds_are_those_that_xla_counts():
    """Of the plain form, whose two operations per multiply-add are nearly all that there are."""
    architecture = UNet((32, 64, 64))
    params, z = example(architecture, (32, 32), 16)
    lowered = jax.jit(lambda p, z: plain(architecture, p, z)).lower(params, z)
    flops = lowered.compile().cost_analysis()["flops"]
    assert flops == pytest.approx(2 * architecture.cost(32, 32, 16, 3).multiply_adds, rel=0.05)


def test_the_feature_maps_are_those_that_xla_reserves():
    """Within what `lanes.lane_bytes` allows for: 1.05 to 1.7 times, with its factor of 1.5."""
    architecture = UNet((16, 32, 32))
    params, z = example(architecture, (128, 128), 16)
    step = jax.jit(jax.grad(loss_of(architecture.network(3).apply, z)))
    reserved = step.lower(params).compile().memory_analysis().temp_size_in_bytes
    assert 1.05 < 1.5 * 4 * architecture.cost(128, 128, 16, 3).feature_values / reserved < 1.7


def test_with_remat_the_gradient_is_the_same_and_less_is_kept_for_it():
    gradients, kept = {}, {}
    architecture = UNet((8, 12))
    params, z = example(architecture, (32, 32), 8)
    for remat in (False, True):
        network = architecture.network(3, remat=remat)
        both = jax.jit(lambda p, n=network: jax.vjp(lambda q: n.apply(q, z), p))
        x, transpose = both(params)
        kept[remat] = sum(leaf.nbytes for leaf in jax.tree.leaves(transpose))
        (gradients[remat],) = jax.jit(transpose)(x)
    assert distance(*gradients.values()) < 1e-4 * distance(gradients[False])
    assert kept[True] < 0.6 * kept[False]


def test_16_bits_are_near_and_their_weights_and_output_are_float32():
    architecture = UNet((8, 12))
    params, z = example(architecture, (24, 32), 4)
    low = architecture.network(3, dtype=jnp.dtype(jnp.float16))
    fresh = jax.eval_shape(low.init, jax.random.key(1), z)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(fresh))
    out = jax.jit(low.apply)(params, z)
    assert out.dtype == jnp.float32
    expected = jax.jit(architecture.network(3).apply)(params, z)
    assert 0 < float(jnp.max(jnp.abs(out - expected))) < 0.01
    gradient = jax.jit(jax.grad(loss_of(low.apply, z)))(params)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(gradient))
