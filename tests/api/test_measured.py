"""What an operator measured, by the Python interface: like in like out, and what is refused."""

import dataclasses
import io
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut, shepp_logan_phantom
from skimage.transform import resize
from tiers import first_always

import dip_jax
from dip_jax import operators
from dip_jax.forward.observation import hold_out_measured
from dip_jax.prepare.measured import observe_measured

TINY = {"network.scales": 1, "network.down": (4,), "network.up": (4,), "log_every": 5}
# What a refinement makes of it has tests of its own.
QUICK = {"num_steps": 5, "options": TINY | {"refine": False}}


@pytest.fixture(scope="module")
def picture():
    return np.ascontiguousarray(astronaut()[40:200:4, 150:294:4])  # 40 × 36


def psnr(a, b):
    return -10 * np.log10(np.mean((np.asarray(a, float) - b) ** 2))


def saved(pixels, **how):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **how)
    return Image.open(file)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "shape"),
    first_always(
        [
            (lambda x, **how: dip_jax.super_resolve(x, 2, **how), (80, 72)),
            (lambda x, **how: dip_jax.deblur(x, operators.gaussian(1.0), **how), (40, 36)),
            (lambda x, **how: dip_jax.remove_jpeg(x, 30, **how), (40, 36)),
        ]
    ),
)
def test_like_in_like_out(picture, call, shape):
    for given, expected in [
        (picture, (*shape, 3)),
        (picture[..., 0].astype(np.uint16) * 256, shape),
        (picture[..., :1] / np.float64(255), (*shape, 1)),
    ]:
        before = given.copy()
        after = call(given, **QUICK)
        assert after.shape == expected and after.dtype == given.dtype
        np.testing.assert_array_equal(given, before)
    first = call(np.moveaxis(picture, -1, 0), channel_axis=0, **QUICK)
    assert first.shape == (3, *shape)
    np.testing.assert_array_equal(np.moveaxis(first, 0, -1), call(picture, **QUICK))


@pytest.mark.thorough
def test_a_raw_picture_becomes_one_in_colour(picture):
    raw = np.asarray(operators.bayer("GBRG")(picture / np.float32(255)))[..., 0]
    raw = np.rint(4095 * raw).astype(np.uint16)
    after = dip_jax.demosaic(raw, "GBRG", data_range=(0, 4095), num_steps=80, options=TINY)
    assert after.shape == (40, 36, 3) and after.dtype == np.uint16 and after.max() <= 4095
    measured = np.asarray(operators.bayer("GBRG")(after.astype(np.float32)))[..., 0]
    np.testing.assert_array_equal(measured, raw)  # what is known comes back as it was


def test_alpha_is_enlarged_with_the_picture(picture):
    alpha = np.full((40, 36, 1), 255, np.uint8)
    alpha[:10] = 0
    given = Image.fromarray(np.concatenate([picture, alpha], axis=2))
    after = dip_jax.super_resolve(given, 2, **QUICK)
    assert after.shape == (80, 72, 4)
    assert (after[:16, :, 3] == 0).all() and (after[24:, :, 3] == 255).all()


@pytest.mark.thorough
def test_a_jpeg_knows_how_it_was_compressed(picture):
    for how in ({"quality": 20}, {"quality": 60, "subsampling": 0}):
        opened = saved(picture, **how)
        subsampling = "4:4:4" if "subsampling" in how else "4:2:0"
        given = dip_jax.remove_jpeg(
            np.asarray(opened), how["quality"], subsampling=subsampling, **QUICK
        )
        np.testing.assert_array_equal(dip_jax.remove_jpeg(opened, **QUICK), given)
    assert dip_jax.remove_jpeg(saved(picture[..., 0], quality=20), **QUICK).shape == (40, 36)


def test_a_picture_is_found_from_its_measurements(picture):
    """By the network, and better where the result is made to agree with what was measured."""
    x = picture / np.float32(255)
    operator = operators.stack(operators.downsample(2), operators.bayer())
    y = operator(x)
    how = {"shape": x.shape, "num_steps": 150, "options": TINY}
    after, info = dip_jax.restore(y, operator, return_info=True, **how)
    alone = dip_jax.restore(y, operator, **how | {"options": TINY | {"refine": False}})
    assert after.dtype == np.float32 and after.shape == x.shape
    assert psnr(after, x) > psnr(alone, x) + 1 > psnr(np.full_like(x, 0.5), x) + 5
    assert info.config["refine"] and info.figures["avg"]["psnr_heldout"] > 15
    assert "ssim_observed" not in info.figures["avg"]
    np.testing.assert_array_equal(alone, np.clip(info.results[0].x, 0, 1))


@pytest.mark.thorough
def test_the_same_call_gives_the_same_picture_and_seeds_their_mean(picture):
    x = jnp.asarray(picture / np.float32(255))
    operator = operators.blur(operators.gaussian(1.0))
    how = {"shape": x.shape, "return_info": True, **QUICK}
    one, _ = dip_jax.restore(operator(x), operator, rng=3, **how)
    again, _ = dip_jax.restore(operator(x), operator, rng=3, **how)
    np.testing.assert_array_equal(one, again)
    other, _ = dip_jax.restore(operator(x), operator, rng=4, **how)
    both, info = dip_jax.restore(operator(x), operator, seeds=[3, 4], **how)
    np.testing.assert_allclose(both, (one + other) / 2, atol=1e-6)
    assert info.uncertainty.shape == x.shape[:2] and info.uncertainty.max() > 0
    side_by_side = QUICK["options"] | {"lanes.at_once": 2, "lanes.form": "vmap"}
    how["options"] = side_by_side
    again, _ = dip_jax.restore(operator(x), operator, seeds=[3, 4], **how)
    np.testing.assert_allclose(again, both, atol=1e-3)


def test_someones_own_operator_takes_an_image_of_the_shape_that_was_asked_for(picture):
    seen = []

    def rows(x):
        seen.append(x.shape)
        return {"sums": x.sum(axis=0), "spectrum": jnp.fft.rfft(x, axis=1)}

    x = jnp.asarray(picture[..., 0] / np.float32(255))
    after = dip_jax.restore(rows(x), rows, shape=(40, 36), num_steps=30, options=TINY)
    assert after.shape == (40, 36) and set(seen) == {(40, 36)}
    assert psnr(after, x) > psnr(np.full_like(x, 0.5), x)


@pytest.mark.thorough
def test_two_functions_of_one_name_are_two_operators(picture):
    x = jnp.asarray(picture / np.float32(255))

    def scaled(factor):
        return lambda x: factor * x[::2]

    for factor in (1.0, -1.0):  # the second would find the program of the first
        y = scaled(factor)(x)
        after = dip_jax.restore(y, scaled(factor), shape=x.shape, num_steps=150, options=TINY)
        assert psnr(after[::2], x[::2]) > 15


def test_what_is_not_known_counts_for_nothing(picture):
    x = picture / np.float32(255)
    operator = operators.downsample(2)
    y = np.array(operator(x))
    known = np.ones(y.shape[:2], bool)
    known[5:9] = False
    spoilt, gaps = y.copy(), y.copy()
    spoilt[~known], gaps[~known] = 7, np.nan
    how = {"shape": x.shape, **QUICK}
    by_mask = dip_jax.restore(spoilt, operator, known=known, **how)
    np.testing.assert_array_equal(dip_jax.restore(gaps, operator, **how), by_mask)


@pytest.mark.thorough
def test_samples_that_the_mask_leaves_out_are_not_known(picture):
    x = picture[..., :1] / np.float32(255)
    operator = operators.fourier(np.random.default_rng(0).random((40, 36)) < 0.5)
    y = np.asarray(operator(x))
    after = dip_jax.restore(y[..., 0], operator, shape=(40, 36), num_steps=100, options=TINY)
    elsewhere = np.where(operator.known(), y, 99)
    again = dip_jax.restore(elsewhere, operator, shape=(40, 36), num_steps=100, options=TINY)
    np.testing.assert_array_equal(after, again)
    zero_filled = np.fft.ifft2(y[..., 0], norm="ortho").real
    assert psnr(after, x[..., 0]) > psnr(zero_filled, x[..., 0])


@pytest.mark.thorough
def test_counts_are_restored_in_their_own_range():
    x = 50 * resize(shepp_logan_phantom(), (48, 48)).astype(np.float32)
    operator = operators.blur(operators.gaussian(1.0))
    counts = np.random.default_rng(0).poisson(np.maximum(operator(x[..., None])[..., 0], 0))
    how = {"shape": (48, 48), "data_range": (0, 50), "num_steps": 150, "options": TINY}
    after = dip_jax.restore(counts, operator, noise="poisson", **how)
    assert 0 <= after.min() and after.max() <= 50
    assert np.mean((after - x) ** 2) < np.mean((counts - x) ** 2)


@pytest.mark.thorough
def test_two_priors_of_one_class_are_two(picture):
    x = jnp.asarray(picture / np.float32(255))
    how = {"shape": x.shape, "num_steps": 60, "options": TINY | {"refine": False}}
    found = []
    for bright in (0.0, 1.0):  # the second would find the program of the first
        prior = jax.tree_util.register_dataclass(
            dataclasses.make_dataclass(
                "Prior",
                [],
                namespace={"__call__": lambda self, x, b=bright: jnp.mean((x - b) ** 2)},
            )
        )()
        found.append(dip_jax.restore(BLUR(x), BLUR, prior=prior, **how).mean())
    assert found[1] > found[0] + 0.05


@pytest.mark.thorough
def test_a_jpeg_is_restored_as_it_is_by_its_own_function(picture):
    x = picture / np.float32(255)
    operator = operators.jpeg(30)
    y = np.asarray(operator(x))
    how = {"num_steps": 60, "options": TINY | {"network.skip": 4}}
    own = dip_jax.remove_jpeg(y, 30, **how)
    by_restore = dip_jax.restore(y, operator, shape=x.shape, **how)
    assert (
        abs(psnr(by_restore, x) - psnr(own, x)) < 1.5 and abs(by_restore.mean() - x.mean()) < 0.02
    )


def test_what_is_not_sampled_is_not_known_in_compositions_too(picture):
    x = picture[..., :1] / np.float32(255)
    mask = np.random.default_rng(0).random((40, 36)) < 0.4
    inner = operators.compose(operators.fourier(mask), operators.blur(operators.gaussian(1.0)))
    operator = operators.stack(operators.downsample(2), inner, lambda x: jnp.sum(x))
    y = operator(x)
    observation = observe_measured(y, operator, x.shape)
    share = [float(jnp.mean(m)) for m in jax.tree.leaves(observation.known)]
    assert share == [1, pytest.approx(mask.mean()), 1]
    fit, held = hold_out_measured(jax.random.key(0), observation.known, 0.1)
    assert float(fit[2]) == 1 and float(held[2]) == 0  # all that is known of the sum
    half = observe_measured(y, operator, x.shape, known=(True, False, True))
    assert [float(jnp.mean(m)) for m in jax.tree.leaves(half.known)] == [1, 0, 1]


@pytest.mark.thorough
def test_a_prior_is_added_to_the_data_term(picture):
    x = jnp.asarray(picture / np.float32(255))
    operator = operators.downsample(2)
    how = {"shape": x.shape, "num_steps": 200, "options": TINY | {"refine": False}}
    how["criterion"] = "none"  # of all of them the last step
    plain = dip_jax.restore(operator(x), operator, **how)
    calm = dip_jax.restore(operator(x), operator, prior=operators.total_variation(1.0), **how)
    own = dip_jax.restore(operator(x), operator, prior=lambda x: jnp.var(x), **how)
    assert np.abs(np.diff(calm, axis=0)).mean() < 0.7 * np.abs(np.diff(plain, axis=0)).mean()
    assert own.var() < plain.var()


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:the picture")  # has noise that seems correlated
def test_the_identity_is_denoising_and_inpainting(picture):
    noise = 0.1 * np.random.default_rng(0).standard_normal(picture.shape)
    y = np.clip(picture / 255 + noise, 0, 1).astype(np.float32)
    same = dip_jax.restore(y, operators.identity(), shape=y.shape, **QUICK)
    np.testing.assert_array_equal(same, dip_jax.denoise(y, **QUICK))
    known = np.ones(y.shape[:2], bool)
    known[10:15, 10:20] = False
    how = QUICK | {"options": TINY | {"network.skip": 4, "network.upsampling": "nearest"}}
    same = dip_jax.restore(y, operators.identity(), shape=y.shape, known=known, **how)
    np.testing.assert_array_equal(same, dip_jax.inpaint(y, ~known, **how))


@pytest.mark.thorough
def test_the_identity_takes_a_prior(picture):
    """As any operator does: then it is fitted as what was measured, and says so."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(picture.shape)
    y = np.clip(picture / 255 + noise, 0, 1).astype(np.float32)
    how = {"shape": y.shape, "num_steps": 100, "options": TINY | {"refine": False}}
    how |= {"criterion": "none", "return_info": True}
    found = {}
    for weight in (1e-6, 1.0):
        prior = operators.total_variation(weight)
        found[weight], info = dip_jax.restore(y, operators.identity(), prior=prior, **how)
        assert "not refined by its patches" in info.remarks[0]
    edges = {weight: np.abs(np.diff(x, axis=0)).mean() for weight, x in found.items()}
    assert edges[1.0] < 0.7 * edges[1e-6]
    same, _ = dip_jax.restore(y, operators.identity, prior=prior, **how)
    np.testing.assert_array_equal(same, found[1.0])
    known = np.ones(y.shape[:2], bool)
    known[10:15, 10:20] = False
    spoilt = np.where(known[..., None], y, 0)
    for given in (y, spoilt):
        found, _ = dip_jax.restore(given, operators.identity(), prior=prior, known=known, **how)
        assert 0.1 < found[11:14, 11:19].mean() < 0.9
    assert np.array_equal(
        found, dip_jax.restore(y, operators.identity(), prior=prior, known=known, **how)[0]
    )


@pytest.mark.thorough
@pytest.mark.slow
def test_counts_of_an_image_itself_are_restored_better_than_they_came():
    x = 30 * resize(shepp_logan_phantom(), (64, 64)).astype(np.float32) + 2
    counts = np.random.default_rng(0).poisson(x)
    how = {"shape": x.shape, "data_range": (0, 32), "num_steps": 300, "options": TINY}
    after = dip_jax.restore(counts, operators.identity(), noise="poisson", **how)
    assert after.shape == x.shape and 0 <= after.min() and after.max() <= 32
    assert np.mean((after - x) ** 2) < 0.75 * np.mean((counts - x) ** 2)


@pytest.mark.thorough
def test_what_is_held_out_together_can_be_told(picture):
    x = picture[..., 0] / np.float32(255)
    operator = operators.fourier(np.ones((40, 36), bool))
    for kind, axis in (("rows", 1), ("columns", 0)):
        options = TINY | {"heldout.kind": kind, "heldout.share": 0.2}
        how = {"shape": x.shape, "num_steps": 5, "options": options, "return_info": True}
        _, info = dip_jax.restore(operator(x[..., None]), operator, **how)
        held = np.asarray(info.results[0].held)[..., 0]
        assert (held.all(axis=axis) | ~held.any(axis=axis)).all()
        assert 0.1 < held.mean() < 0.3
    how["options"] = TINY | {"heldout.block": 8, "heldout.share": 0.2}
    _, info = dip_jax.restore(operator(x[..., None]), operator, **how)
    held = np.asarray(info.results[0].held)[:40, :32, 0].reshape(5, 8, 4, 8)
    assert (held.all(axis=(1, 3)) | ~held.any(axis=(1, 3))).all() and held.any()


@pytest.mark.thorough
def test_a_callback_sees_pictures_like_the_result_and_can_end(picture):
    steps = []

    def callback(step):
        steps.append((step.step, step.preview.shape, step.preview.dtype))
        return step.step >= 10

    _, info = dip_jax.super_resolve(
        picture, 2, num_steps=40, options=TINY, callback=callback, return_info=True
    )
    assert [n for n, *_ in steps] == [1, 5, 10]
    assert {rest for _, *rest in map(tuple, steps) for rest in [tuple(rest)]} == {
        ((80, 72, 3), np.dtype(np.uint8))
    }
    assert info.stop_reason == "asked" and info.steps == 10


BLUR = operators.blur(np.ones((3, 3)))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: dip_jax.restore(x[1:], BLUR, shape=x.shape), r"\(39, 36, 3\).*\(40, 36, 3\)"),
        (lambda x: dip_jax.restore((x, x), BLUR, shape=x.shape), "has shape"),
        (lambda x: dip_jax.restore(x, operators.stack(BLUR, BLUR), shape=x.shape), "not put tog"),
        (lambda x: dip_jax.restore(x + 0j, BLUR, shape=x.shape), "complex"),
        (lambda x: dip_jax.restore(x, BLUR, shape=40), "shape is 40"),
        (lambda x: dip_jax.restore(x, BLUR, shape=(40, 36.5, 3)), "shape is"),
        (lambda x: dip_jax.restore(x, 3, shape=x.shape), "the operator is 3"),
        (lambda x: dip_jax.restore(x, np.linalg.svd, shape=x.shape), "cannot take an image"),
        (lambda x: dip_jax.restore(x, BLUR, shape=x.shape, noise="salt"), "noise is 'salt'"),
        (lambda x: dip_jax.restore(-x, BLUR, shape=x.shape, noise="poisson"), "negative"),
        (lambda x: dip_jax.restore(x, BLUR, shape=x.shape, prior=1), "prior is 1"),
        (lambda x: dip_jax.restore(x, BLUR, shape=x.shape, prior=lambda x: x), "one real number"),
        (lambda x: dip_jax.restore(x, BLUR, shape=x.shape, prior=lambda: 0), "prior cannot take"),
        (lambda x: dip_jax.restore(x, BLUR, shape=x.shape, known="abc"), "known has dtype"),
        (lambda x: dip_jax.restore(255 * x, operators.identity(), shape=x.shape), "far beyond"),
        (lambda x: dip_jax.deblur(x, None), "expected an array of real numbers"),
        (lambda x: dip_jax.deblur(x, 1j * np.eye(3)), "expected an array of real numbers"),
        (lambda x: dip_jax.restore(x, BLUR, shape=x.shape, data_range=(1, 0)), "data_range is"),
        (lambda x: dip_jax.restore(x, BLUR, shape=x.shape, known=x[:3] > 0), "known has shape"),
        (lambda x: dip_jax.restore(x * np.nan, BLUR, shape=x.shape), "0 of the measurements"),
        (lambda x: dip_jax.restore(x, BLUR, shape=x.shape, options={"seamless": True}), "leave it"),
        (
            lambda x: dip_jax.restore(
                255 * x, operators.identity(), shape=x.shape, noise="poisson"
            ),
            "far beyond",
        ),
        (lambda x: dip_jax.restore({"a": x}, operators.identity(), shape=x.shape), "has dtype"),
        (lambda x: dip_jax.restore(x + 0j, operators.identity(), shape=x.shape), "has dtype comp"),
        (lambda x: dip_jax.restore(x, operators.identity(), shape=x.shape, noise="x"), "noise is"),
        (
            lambda x: dip_jax.restore((1.0, 2.0), lambda x: (x.sum(), x.max()), shape=x.shape),
            "no measurement can be held out",
        ),
        (
            lambda x: dip_jax.restore(x, BLUR, shape=x.shape, options={"heldout.kind": "lines"}),
            "expected one of 'squares', 'rows', 'columns'",
        ),
        (lambda x: dip_jax.super_resolve(x, 1), "factor is 1"),
        (lambda x: dip_jax.super_resolve(x[:8, :8], 2), "smaller than the 32 x 32"),
        (lambda x: dip_jax.super_resolve("small.png", 2), "is a path or a text"),
        (lambda x: dip_jax.deblur(x, np.ones((2, 3))), "two odd sides"),
        (lambda x: dip_jax.deblur(x, np.eye(3), boundary="valid"), "expected another"),
        (lambda x: dip_jax.demosaic(x), "channel_axis"),
        (lambda x: dip_jax.demosaic(x[..., 0], "RGBG"), "pattern is 'RGBG'"),
        (lambda x: dip_jax.remove_jpeg(x), "quality is None"),
        (lambda x: dip_jax.remove_jpeg(x, 120), "quality is 120"),
        (lambda x: dip_jax.remove_jpeg(x, 20, subsampling="4:1:0"), "subsampling is '4:1:0'"),
        (lambda x: dip_jax.deblur(x, np.eye(3), progress="yes"), "progress is 'yes'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(picture, call, words):
    with pytest.raises(dip_jax.InputError, match=words) as refused:
        call(picture / np.float32(255))
    assert "\n" not in str(refused.value)


def test_an_outside_program_of_jax_is_left_as_it_was(picture):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dip_jax.super_resolve(picture, 2, **QUICK)
    assert jax.config.jax_numpy_rank_promotion == "raise"
