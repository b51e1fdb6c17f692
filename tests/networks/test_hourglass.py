"""The hourglass: parameter counts of the published networks, ranges, purity, sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import plain
import pytest
from tiers import first_always

from dip_jax.networks.hourglass import Hourglass, hourglass
from dip_jax.networks.inputs import network_input


def same_everywhere(scales, channels, skip, upsampling="nearest", **others):
    sizes = {"down_kernel": 3, "up_kernel": 3, "skip_kernel": 1} | others
    kernels = {name: (size,) * scales for name, size in sizes.items() if name != "pointwise"}
    return Hourglass(
        down=(channels,) * scales,
        up=(channels,) * scales,
        skip=(skip,) * scales,
        upsampling=(upsampling,) * scales,
        pointwise=others.get("pointwise", True),
        **kernels,
    )


@pytest.mark.parametrize(("skip", "count"), [(0, 2_192_515), (4, 2_217_831), (128, 3_002_627)])
def test_parameter_counts_of_the_published_networks(skip, count):
    network = hourglass(same_everywhere(5, 128, skip), 3)
    params = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((64, 64, 32)))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("skip", [0, 2])
def test_output_is_an_image_in_the_unit_range(skip, upsampling):
    network = hourglass(same_everywhere(2, 4, skip, upsampling), 3)
    z = network_input(jax.random.key(1), "noise", 8, 12, 5)
    params = network.init(jax.random.key(2), z)
    x = network.apply(params, z)
    assert x.shape == (8, 12, 3)
    assert 0 < x.min() and x.max() < 1


def test_without_the_pointwise_convolution_there_is_none():
    network = hourglass(same_everywhere(2, 4, 0, pointwise=False), 3)
    params = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((8, 8, 5)))
    assert not [name for name in params if name.startswith("pointwise")]


def test_options_may_differ_from_scale_to_scale():
    architecture = Hourglass(
        down=(4, 6),
        up=(8, 2),
        skip=(0, 3),
        down_kernel=(5, 3),
        up_kernel=(3, 5),
        skip_kernel=(1, 3),
        upsampling=("nearest", "bilinear"),
    )
    network = hourglass(architecture, 1)
    params = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((16, 16, 5)))
    assert params["down0_conv"]["kernel"].shape == (5, 5, 5, 4)
    assert params["up1_conv"]["kernel"].shape == (5, 5, 3 + 6, 2)
    assert params["skip1_conv"]["kernel"].shape == (3, 3, 4, 3)
    assert "skip0_conv" not in params


def distance(a, b=None):
    """The Euclidean distance of two parameter trees, or the length of one."""
    difference = a if b is None else jax.tree.map(jnp.subtract, a, b)
    return float(jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(difference))))


@pytest.mark.parametrize(
    ("skip", "upsampling", "pointwise", "size"),
    first_always(
        [
            (4, "bilinear", True, (96, 80)),
            (24, "nearest", True, (80, 72)),
            (0, "bilinear", False, (8, 12)),
        ]
    ),
)
def test_the_network_agrees_with_its_plain_form(skip, upsampling, pointwise, size):
    """Value and gradient, at sizes and channels that take every form of the convolutions."""
    architecture = same_everywhere(2, 24, skip, upsampling=upsampling, pointwise=pointwise)
    network = hourglass(architecture, 3)
    z = 0.1 * jax.random.uniform(jax.random.key(0), (*size, 5))
    params = network.init(jax.random.key(1), z)
    # Scales and offsets that are not 1 and 0, so that they count.
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    noisy = [v + 0.1 * jax.random.normal(k, v.shape) for k, v in zip(keys, leaves, strict=True)]
    params = jax.tree.unflatten(tree, noisy)
    y = jax.random.uniform(jax.random.key(3), (*size, 3))

    def loss(apply):
        return lambda params: jnp.mean(jnp.square(apply(params) - y))

    def fast(params):
        return network.apply(params, z)

    def plain_form(params):
        return plain.hourglass(architecture, params, z)

    np.testing.assert_allclose(jax.jit(fast)(params), jax.jit(plain_form)(params), atol=1e-5)
    ours, theirs = (jax.jit(jax.grad(loss(form)))(params) for form in (fast, plain_form))
    # As a whole: among so many inputs of a LeakyReLU some lie within rounding of 0, where it bends.
    assert distance(ours, theirs) < 2e-3 * distance(theirs)


@pytest.mark.parametrize("size", [(32, 32), (33, 64), (100, 37)])
@pytest.mark.parametrize("down_kernel", [3, 5])
def test_padded_sizes_can_be_processed(size, down_kernel):
    architecture = same_everywhere(5, 2, 0, down_kernel=down_kernel)
    h, w = architecture.padded(*size)
    assert h >= size[0] and w >= size[1] and h % 32 == 0 and w % 32 == 0
    network = hourglass(architecture, 1)
    shape = jax.eval_shape(
        lambda key, z: network.apply(network.init(key, z), z),
        jax.random.key(0),
        jnp.ones((h, w, 2)),
    )
    assert shape.shape == (h, w, 1)


def test_a_size_that_fits_is_left_alone():
    assert same_everywhere(5, 2, 0).padded(256, 320) == (256, 320)


def test_meshgrid_holds_the_coordinates():
    z = network_input(jax.random.key(0), "meshgrid", 3, 5, 2)
    np.testing.assert_allclose(z[1, :, 0], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(z[:, 2, 1], [0, 0.5, 1])


def test_noise_input_is_uniform_up_to_its_scale():
    z = network_input(jax.random.key(0), "noise", 64, 64, 8, 0.1)
    assert 0 <= z.min() and z.max() < 0.1
    np.testing.assert_allclose([z.mean(), z.std()], [0.05, 0.1 / np.sqrt(12)], rtol=0.02)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"skip": (1,)}, "skip has 1 entries, expected 2"),
        ({"upsampling": ("nearest", "cubic")}, "cubic"),
        ({"down_kernel": (3, 4)}, "odd"),
        ({"down": (4, 0)}, "channel"),
    ],
)
def test_an_impossible_architecture_is_refused(change, words):
    fine = same_everywhere(2, 4, 0)
    with pytest.raises(ValueError, match=words):
        Hourglass(**(fine.__dict__ | change))


@pytest.mark.thorough
def test_with_remat_the_gradient_is_the_same_and_less_is_kept_for_it():
    architecture = same_everywhere(2, 8, 4, upsampling="bilinear")
    z = jax.random.uniform(jax.random.key(0), (32, 32, 4))
    params = hourglass(architecture, 3).init(jax.random.key(1), z)
    gradients, kept = {}, {}
    for remat in (False, True):
        network = hourglass(architecture, 3, remat=remat)
        both = jax.jit(lambda p, n=network: jax.vjp(lambda q: n.apply(q, z), p))
        x, transpose = both(params)
        kept[remat] = sum(leaf.nbytes for leaf in jax.tree.leaves(transpose))
        (gradients[remat],) = jax.jit(transpose)(x)
    assert distance(*gradients.values()) < 1e-4 * distance(gradients[False])
    assert kept[True] < 0.5 * kept[False]


@pytest.mark.thorough
@pytest.mark.parametrize(("dtype", "distance"), [(jnp.bfloat16, 0.05), (jnp.float16, 0.005)])
def test_16_bits_are_near_and_their_weights_and_output_are_float32(dtype, distance):
    """With so many channels and pixels that float32 takes Winograd's form."""
    architecture = same_everywhere(2, 24, 4, upsampling="bilinear")
    z = jax.random.uniform(jax.random.key(0), (80, 80, 4))
    params = hourglass(architecture, 3).init(jax.random.key(1), z)
    low = hourglass(architecture, 3, dtype=jnp.dtype(dtype))
    assert all(
        leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(low.init(jax.random.key(1), z))
    )
    out = jax.jit(low.apply)(params, z)
    assert out.dtype == jnp.float32
    expected = jax.jit(hourglass(architecture, 3).apply)(params, z)
    assert 0 < float(jnp.max(jnp.abs(out - expected))) < distance
    gradient = jax.jit(jax.grad(lambda p: jnp.mean(jnp.square(low.apply(p, z) - 0.3))))(params)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(gradient))
