"""Deep Decoder and ConvDecoder: published parameter counts, agreement with a plain form, sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from dip_jax.networks.deep_decoder import ConvDecoder, DeepDecoder, rectify


def same_everywhere(scales, channels, kernel=1, upsampling="bilinear"):
    up, upsampling = (channels,) * scales, (upsampling,) * scales
    if kernel == 1:
        return DeepDecoder(up, upsampling)
    return ConvDecoder(up, upsampling, (kernel,) * scales)


def shapes_of(architecture, channels, depth, side):
    network = architecture.network(channels)
    z = jnp.zeros((*architecture.input_size(side, side), depth))
    return jax.eval_shape(network.init, jax.random.key(0), z)


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(("channels", "parameters"), [(64, 25_536), (128, 100_224)])
def test_parameter_counts_of_the_published_deep_decoders(channels, parameters):
    """Heckel, Hand, section 2: six layers for 512×512 pixels of RGB."""
    assert count(shapes_of(same_everywhere(5, channels), 3, channels, 512)) == parameters


def test_a_convdecoder_has_the_published_layers():
    """Eight layers of 160 channels for 15 complex images: kernels, norms, and a 1×1 at the end."""
    shapes = shapes_of(same_everywhere(7, 160, 3, "nearest"), 30, 160, 640)
    assert count(shapes) == 8 * 9 * 160**2 + 8 * 2 * 160 + 160 * 30


def test_kernels_are_drawn_as_published_and_norms_start_as_none():
    network = same_everywhere(1, 32, 3).network(2)
    params = network.init(jax.random.key(0), jnp.zeros((2, 2, 32)))
    kernel, bound = params["up0_conv"]["kernel"], 1 / np.sqrt(9 * 32)
    assert 0.99 * bound < jnp.max(jnp.abs(kernel)) <= bound
    np.testing.assert_allclose(jnp.std(kernel), bound / np.sqrt(3), rtol=0.02)
    np.testing.assert_array_equal(params["up0_norm"]["scale"], 1)
    np.testing.assert_array_equal(params["up0_norm"]["offset"], 0)


def plain_conv(x, kernel):
    p = kernel.shape[0] // 2
    padded = jnp.pad(x, ((p, p), (p, p), (0, 0)), mode="reflect")
    layout = ("NHWC", "HWIO", "NHWC")
    out = lax.conv_general_dilated(padded[None], kernel, (1, 1), "VALID", dimension_numbers=layout)
    return out[0]


def plain(architecture, params, z):
    """The network as the papers draw it, everything upsampled and normalised."""

    def layer(x, name, method=None):
        kernel, norm = params[f"{name}_conv"]["kernel"], params[f"{name}_norm"]
        if kernel.shape[0] == 1:
            x = plain_conv(x, kernel)
        if method:
            x = jax.image.resize(x, (2 * x.shape[0], 2 * x.shape[1], x.shape[2]), method)
        if kernel.shape[0] > 1:
            x = plain_conv(x, kernel)
        x = jnp.where(x > 0, x, 0)
        mean, variance = jnp.mean(x, (0, 1)), jnp.var(x, (0, 1))
        x = (x - mean[None, None]) / jnp.sqrt(variance + 1e-5)[None, None]
        return x * norm["scale"][None, None] + norm["offset"][None, None]

    x = z
    for i in reversed(range(architecture.scales)):
        x = layer(x, f"up{i}", architecture.upsampling[i])
    return jax.nn.sigmoid(plain_conv(layer(x, "last"), params["out"]["kernel"]))


def example(architecture, size, depth):
    """Parameters, with norms that are not 1 and 0 so that they count, and an input."""
    rng = np.random.default_rng(0)
    z = jnp.asarray(0.1 * rng.random((*architecture.input_size(*size), depth), dtype=np.float32))
    shapes = jax.eval_shape(architecture.network(3).init, jax.random.key(1), z)

    def drawn(path, leaf):
        fan_in = np.prod(leaf.shape[:3]) if len(leaf.shape) == 4 else 20
        values = rng.uniform(-1, 1, leaf.shape) / np.sqrt(fan_in)
        return jnp.asarray(values + (path[-1].key == "scale"), jnp.float32)

    return jax.tree_util.tree_map_with_path(drawn, shapes), z


def loss_of(apply, z, size):
    y = np.random.default_rng(3).random((*size, 3), dtype=np.float32)
    return lambda params: jnp.mean(jnp.square(apply(params, z) - y))


def distance(a, b=None):
    """The Euclidean distance of two parameter trees, or the length of one."""
    a, b = jax.device_get((a, b))
    difference = a if b is None else jax.tree.map(np.subtract, a, b)
    return np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(difference)))


MIXED = ConvDecoder((6, 8, 5), ("bilinear", "nearest", "bilinear"), (3, 1, 5))


@pytest.mark.parametrize(
    ("architecture", "size"),
    [
        (same_everywhere(3, 12), (40, 48)),
        (same_everywhere(2, 24, 3, "nearest"), (48, 40)),
        (MIXED, (24, 32)),
    ],
)
def test_the_network_agrees_with_its_plain_form(architecture, size):
    network = architecture.network(3)
    params, z = example(architecture, size, 7)

    def plain_form(params, z):
        return plain(architecture, params, z)

    ours, theirs = (jax.jit(apply)(params, z) for apply in (network.apply, plain_form))
    assert ours.shape == (*size, 3) and 0 < ours.min() and ours.max() < 1
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    ours, theirs = (
        jax.jit(jax.grad(loss_of(apply, z, size)))(params) for apply in (network.apply, plain_form)
    )
    # As a whole: among so many inputs of a ReLU some lie within rounding of 0, where it bends.
    assert distance(ours, theirs) < 2e-3 * distance(theirs)


def test_rectify_agrees_with_its_plain_form():
    x = jax.random.normal(jax.random.key(0), (9, 6, 4))
    weights = jax.random.normal(jax.random.key(1), (9, 6, 4))

    def plain_form(x):
        out = jnp.where(x > 0, x, 0)
        return out, jnp.mean(out, (0, 1)), jnp.var(out, (0, 1))

    def fast(x):
        return rectify(x, jnp.dtype(jnp.float32))

    def scalar(f):
        def value(x):
            out, mean, variance = f(x)
            return jnp.sum(out * weights) + jnp.sum(jnp.sin(mean)) + jnp.sum(jnp.square(variance))

        return value

    for ours, theirs in zip(fast(x), plain_form(x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    ours, theirs = (jax.grad(scalar(f))(x) for f in (fast, plain_form))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_channel_that_is_dead_stays_finite():
    architecture = same_everywhere(2, 3)
    params, z = example(architecture, (8, 8), 3)
    kernel = params["up1_conv"]["kernel"].at[..., 0].set(-1.0)
    params = params | {"up1_conv": {"kernel": kernel}}
    gradient = jax.grad(loss_of(architecture.network(3).apply, z, (8, 8)))(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.thorough
@pytest.mark.parametrize("architecture", [same_everywhere(2, 6), MIXED])
def test_lanes_are_what_they_are_one_by_one(architecture):
    network, size = architecture.network(3), (16, 24)
    params, z = example(architecture, size, 4)
    params = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.7 * leaf]), params)
    z = jnp.stack([z, 0.1 - z])
    gradient = jax.grad(lambda p, z: loss_of(network.apply, z, size)(p))
    together = jax.jit(jax.vmap(gradient))(params, z)
    for i in range(2):
        lane = jax.tree.map(lambda leaf, i=i: leaf[i], params)
        alone = jax.jit(gradient)(lane, z[i])
        picked = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        assert distance(picked, alone) < 1e-4 * distance(alone)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 16), (25, 10)])
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_padded_sizes_can_be_processed(size, kernel):
    architecture = same_everywhere(3, 2, kernel)
    h, w = architecture.padded(*size)
    assert h >= size[0] and w >= size[1] and h % 8 == 0 and w % 8 == 0
    network = architecture.network(1)
    shape = jax.eval_shape(
        lambda key, z: network.apply(network.init(key, z), z),
        jax.random.key(0),
        jnp.ones((*architecture.input_size(h, w), 2)),
    )
    assert shape.shape == (h, w, 1)


def test_the_seam():
    architecture = MIXED
    assert (architecture.scales, architecture.min_side) == (3, 8)
    assert architecture.width == pytest.approx(19 / 3)
    assert architecture.padded(256, 320) == (256, 320)
    assert architecture.input_size(256, 320) == (32, 40)
    assert architecture.network(3) is architecture.network(3)
    assert len({architecture, ConvDecoder(**architecture.__dict__)}) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"up": ()}, "up is empty"),
        ({"up": [4, 4]}, "up is .*expected a tuple of int"),
        ({"up": (4, 0)}, "up is .*channel"),
        ({"up_kernel": (1,)}, "up_kernel has 1 entries, expected 2"),
        ({"up_kernel": (1, 2)}, "up_kernel is .*odd"),
        ({"up_kernel": (1, 1.0)}, "up_kernel is .*int"),
        (
            {"upsampling": ("nearest", "cubic")},
            "upsampling 'cubic' is .*nearest, bilinear",
        ),
    ],
)
def test_an_impossible_architecture_is_refused(change, words):
    fine = same_everywhere(2, 4, 3)
    with pytest.raises(ValueError, match=rf"network\.{words}"):
        ConvDecoder(**(fine.__dict__ | change))


@pytest.mark.parametrize("kernel", [1, 3])
def test_multiply_adds_are_those_that_xla_counts(kernel):
    """Of the plain form, whose two operations per multiply-add are nearly all that there are."""
    architecture = same_everywhere(2, 256, kernel, "nearest")
    params, z = example(architecture, (32, 32), 256)
    lowered = jax.jit(lambda p, z: plain(architecture, p, z)).lower(params, z)
    flops = lowered.compile().cost_analysis()["flops"]
    adds = architecture.cost(32, 32, 256, 3).multiply_adds
    assert flops == pytest.approx(2 * adds, rel=0.1)


def test_the_feature_maps_are_those_that_xla_reserves():
    """Within what `lanes.lane_bytes` allows for: 1.05 to 1.7 times, with its factor of 1.5."""
    architecture, size = same_everywhere(3, 16), (64, 64)
    params, z = example(architecture, size, 16)
    step = jax.jit(jax.grad(loss_of(architecture.network(3).apply, z, size)))
    reserved = step.lower(params).compile().memory_analysis().temp_size_in_bytes
    assert 1.05 < 1.5 * 4 * architecture.cost(*size, 16, 3).feature_values / reserved < 1.7


def test_with_remat_the_gradient_is_the_same_and_less_is_kept_for_it():
    gradients, kept = {}, {}
    architecture, size = same_everywhere(2, 8), (32, 32)
    params, z = example(architecture, size, 8)
    for remat in (False, True):
        network = architecture.network(3, remat=remat)
        both = jax.jit(lambda p, n=network: jax.vjp(lambda q: n.apply(q, z), p))
        x, transpose = both(params)
        kept[remat] = sum(leaf.nbytes for leaf in jax.tree.leaves(transpose))
        (gradients[remat],) = jax.jit(transpose)(x)
    assert distance(*gradients.values()) < 1e-4 * distance(gradients[False])
    assert kept[True] < 0.7 * kept[False]


def test_16_bits_are_near_and_their_weights_and_output_are_float32():
    architecture, size = MIXED, (24, 32)
    params, z = example(architecture, size, 4)
    low = architecture.network(3, dtype=jnp.dtype(jnp.float16))
    fresh = jax.eval_shape(low.init, jax.random.key(1), z)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(fresh))
    out = jax.jit(low.apply)(params, z)
    assert out.dtype == jnp.float32
    expected = jax.jit(architecture.network(3).apply)(params, z)
    assert 0 < float(jnp.max(jnp.abs(out - expected))) < 0.01
    gradient = jax.jit(jax.grad(loss_of(low.apply, z, size)))(params)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(gradient))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
