"""Every operator: its adjoint, an outside reference, and what it refuses."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.data import astronaut, shepp_logan_phantom
from skimage.transform import radon, resize

from dip_jax import operators
from dip_jax.errors import InputError
from dip_jax.forward.operators.names import BOUNDARIES, KERNELS, PATTERNS
from dip_jax.forward.operators.operator import as_operator, is_foreign, measures

RNG = np.random.default_rng(0)
ANGLES = np.linspace(0, 180, 9, endpoint=False)
KERNEL = RNG.random((5, 7))
MASK = RNG.random((20, 20)) < 0.4
COILS = RNG.standard_normal((3, 20, 20)) + 1j * RNG.standard_normal((3, 20, 20))
LINEAR = {
    "identity": (operators.identity(), (9, 11, 3)),
    **{f"downsample {k}": (operators.downsample(3, k), (18, 24, 3)) for k in KERNELS},
    **{f"blur {b}": (operators.blur(KERNEL, b), (16, 19, 3)) for b in BOUNDARIES},
    **{f"bayer {p}": (operators.bayer(p), (9, 11, 3)) for p in PATTERNS},
    "fourier": (operators.fourier(MASK), (20, 20, 1)),
    "fourier, complex image, coils": (operators.fourier(MASK, COILS), (20, 20, 2)),
    "radon": (operators.radon(ANGLES), (21, 21, 1)),
    "radon, no circle": (operators.radon(ANGLES, circle=False), (12, 20, 1)),
    "compose": (
        operators.compose(operators.downsample(2), operators.blur(KERNEL)),
        (16, 18, 3),
    ),
    "stack": (operators.stack(operators.bayer(), operators.downsample(2)), (16, 18, 3)),
    "someone's own": (lambda x: {"rows": jnp.cumsum(x, axis=0)}, (9, 11, 3)),
}


@pytest.fixture(scope="module")
def x():
    return astronaut()[100:165, 100:161].astype(np.float32) / 255


def drawn(like):
    values = RNG.standard_normal(like.shape)
    if jnp.issubdtype(like.dtype, jnp.complexfloating):
        values = values + 1j * RNG.standard_normal(like.shape)
    return jnp.asarray(values, like.dtype)


def inner(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return sum(float(np.vdot(p, q).real) for p, q in pairs)


@pytest.mark.parametrize("name", LINEAR)
def test_the_adjoint_passes_the_dot_product_test(name):
    operator, shape = LINEAR[name]
    u = drawn(jax.ShapeDtypeStruct(shape, jnp.float32))
    v = jax.tree.map(drawn, measures(operator, shape))
    measured = operator(u)
    size = np.sqrt(inner(measured, measured) * inner(v, v))
    back = operators.adjoint(operator, shape)(v)
    assert back.shape == shape and back.dtype == jnp.float32
    assert abs(inner(measured, v) - float(jnp.vdot(u, back))) < 1e-5 * size


def test_what_is_not_linear_has_no_adjoint():
    with pytest.raises(InputError, match="not linear"):
        operators.adjoint(operators.jpeg(50), (16, 16, 3))


@pytest.mark.parametrize(
    ("kernel", "theirs"),
    [("lanczos3", Image.LANCZOS), ("bicubic", Image.BICUBIC), ("area", Image.BOX)],
)
def test_downsampling_is_that_of_pillow(x, kernel, theirs):
    x = x[:60, :60]
    expected = [Image.fromarray(x[..., i]).resize((15, 15), theirs) for i in range(3)]
    expected = np.stack([np.asarray(one) for one in expected], axis=2)
    np.testing.assert_allclose(operators.downsample(4, kernel)(x), expected, atol=1e-6)


def test_lanczos2_is_the_windowed_sinc_of_its_definition():
    line = np.zeros((1, 32, 1), np.float32)
    line[0, 14] = 1  # half a pixel of the large image off the middle between two of the small one
    got = np.asarray(operators.downsample(2)(np.repeat(line, 2, axis=0)))[0, :, 0]
    for i in range(4, 12):
        distance = (14.5 - (i + 0.5) * 2) / 2
        taps = (np.arange(32) + 0.5 - (i + 0.5) * 2) / 2
        taps = taps[np.abs(taps) < 2]
        weights = np.sinc(taps) * np.sinc(taps / 2)
        expected = np.sinc(distance) * np.sinc(distance / 2) * (abs(distance) < 2) / weights.sum()
        assert got[i] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_blurring_is_that_of_scipy(x, boundary):
    mode = "reflect" if boundary == "valid" else boundary
    kernel = KERNEL / KERNEL.sum()
    expected = np.stack([ndimage.convolve(x[..., i], kernel, mode=mode) for i in range(3)], axis=2)
    if boundary == "valid":
        expected = expected[2:-2, 3:-3]
    np.testing.assert_allclose(operators.blur(KERNEL, boundary)(x), expected, atol=1e-5)


@pytest.mark.parametrize("circle", [True, False])
def test_the_sinogram_is_that_of_scikit_image(circle):
    x = resize(shepp_logan_phantom(), (64, 64)).astype(np.float32)[:, : 64 if circle else 50]
    expected = radon(x, ANGLES, circle=circle)
    got = np.asarray(operators.radon(ANGLES, circle)(x[..., None]))[..., 0]
    np.testing.assert_allclose(got, expected, atol=1e-3)  # of values up to 30


@pytest.mark.parametrize(("subsampling", "theirs"), [("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)])
@pytest.mark.parametrize("quality", [10, 50, 90])
def test_jpeg_is_near_to_what_libjpeg_decodes(x, quality, subsampling, theirs):
    """Not the same: a coefficient midway between two multiples may go either way."""
    pixels = np.rint(255 * x[:64, :48]).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=theirs)
    picture = Image.open(file)
    tables = np.stack([np.array(picture.quantization[i]).reshape(8, 8) for i in (0, 1)])
    decoded = np.asarray(picture) / np.float32(255)
    by_quality = operators.jpeg(quality, subsampling)(pixels / np.float32(255))
    by_tables = operators.jpeg(tables, subsampling)(pixels / np.float32(255))
    np.testing.assert_array_equal(by_quality, by_tables)
    off, lost = (np.sqrt(np.mean((a - decoded) ** 2)) for a in (by_quality, pixels / 255))
    assert off < 0.4 * lost


def test_jpeg_has_the_gradient_of_one_without_rounding(x):
    def mean_square(operator):
        return jax.grad(lambda x: jnp.mean(operator(x) ** 2))(jnp.asarray(x[:16, :16]))

    coarse, fine = mean_square(operators.jpeg(20)), mean_square(operators.jpeg(100))
    assert np.corrcoef(np.ravel(coarse), np.ravel(fine))[0, 1] > 0.9


def test_what_is_consistent_with_a_jpeg_is_coded_alike(x):
    x = x[:64, :48]
    operator = operators.jpeg(30, "4:4:4")
    y = operator(x)
    off = x + 0.05 * RNG.standard_normal(x.shape).astype(np.float32)
    near = operator.consistent(off, y)
    assert np.mean((near - y) ** 2) < np.mean((off - y) ** 2)
    inside = operator.consistent(x, y)
    assert np.abs(inside - x).max() < 0.02  # it was inside already, but for rounding to 1/255


def test_bayer_takes_one_colour_of_every_pixel(x):
    got = np.asarray(operators.bayer("GRBG")(x))
    np.testing.assert_array_equal(got[0::2, 0::2, 0], x[0::2, 0::2, 1])
    np.testing.assert_array_equal(got[0::2, 1::2, 0], x[0::2, 1::2, 0])
    np.testing.assert_array_equal(got[1::2, 0::2, 0], x[1::2, 0::2, 2])
    np.testing.assert_array_equal(got[1::2, 1::2, 0], x[1::2, 1::2, 1])


def test_whose_code_an_operator_is():
    own = operators.stack(operators.blur(KERNEL), operators.bayer())
    assert not is_foreign(own)
    assert is_foreign(as_operator(jnp.cumsum))
    assert is_foreign(operators.compose(own, lambda x: x))
    assert is_foreign(as_operator(jax.tree_util.Partial(jnp.cumsum)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: operators.downsample(1), "factor is 1; expected a whole number from 2"),
        (lambda: operators.downsample(2.5), "factor is 2.5; expected a whole number"),
        (lambda: operators.downsample(2, "box"), "kernel is 'box'; expected one of lanczos2"),
        (lambda: measures(operators.downsample(4), (30, 32, 3)), "does not fit an image of 32 x"),
        (lambda: operators.blur(np.ones((4, 5))), r"shape \(4, 5\); expected two odd sides"),
        (lambda: operators.blur(np.ones(5)), r"shape \(5,\); expected two odd sides"),
        (lambda: operators.blur(-np.eye(3)), "negative"),
        (lambda: operators.blur(np.full((3, 3), np.nan)), "NaN"),
        (lambda: operators.blur(np.zeros((3, 3))), "sums to 0"),
        (lambda: operators.blur("psf"), "expected an array of real numbers"),
        (lambda: operators.blur(np.eye(3), "zero"), "boundary is 'zero'; expected one of reflect"),
        (lambda: measures(operators.blur(np.ones((9, 9))), (8, 20, 3)), "larger than the image"),
        (lambda: operators.gaussian(0), "sigma is 0"),
        (lambda: operators.gaussian(1, 4), "width is 4; expected an odd"),
        (lambda: operators.bayer("RGB"), "pattern is 'RGB'; expected one of RGGB"),
        (lambda: measures(operators.bayer(), (8, 8, 1)), "1 channels; expected 3"),
        (lambda: operators.jpeg(0), "quality is 0; expected a whole number from 1 to 100"),
        (lambda: operators.jpeg("low"), "quality is 'low'"),
        (lambda: operators.jpeg(np.zeros((8, 8))), r"of shape \(2, 8, 8\); expected"),
        (lambda: operators.jpeg(50, "4:1:1"), "subsampling is '4:1:1'; expected one of 4:4:4"),
        (lambda: measures(operators.jpeg(50), (8, 8, 2)), "2 channels; expected 1 or 3"),
        (lambda: operators.fourier(np.zeros((4, 4))), "0 samples"),
        (lambda: operators.fourier(np.ones((4, 4)), np.ones((2, 4, 5))), r"\('n', 4, 4\)"),
        (lambda: measures(operators.fourier(np.ones((4, 4))), (4, 5, 1)), "like the mask"),
        (lambda: operators.radon([]), "expected a row of numbers in degrees"),
        (lambda: operators.radon([np.inf]), "NaN or infinite"),
        (lambda: measures(operators.radon([0.0]), (4, 5, 1)), "expected a square"),
        (lambda: operators.compose(), "no operator to put together"),
        (lambda: operators.stack(3), "the operator is 3; expected a function"),
        (lambda: measures(as_operator(lambda x: x > 0), (4, 4, 1)), "measures bool"),
        (lambda: measures(as_operator(lambda x: x @ 3), (4, 4, 1)), "cannot take an image"),
        (lambda: operators.total_variation(0), "weight is 0"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(make, words):
    with pytest.raises(InputError, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_the_total_variation_of_a_step_is_its_height_and_length():
    step = jnp.zeros((10, 10, 1)).at[:, 5:].set(0.5)
    flat = operators.total_variation(2.0)(jnp.zeros((10, 10, 1)))
    found = operators.total_variation(2.0)(step) - flat
    assert found == pytest.approx(2.0 * 0.5 * 10 / 100, rel=0.02)
