"""The Python interface: like in, like out, and the same as the command lines compute."""

import inspect
import subprocess
import sys
import typing
from io import BytesIO

import jax
import numpy as np
import pytest
from checkout import ROOT
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

import dip_jax
from dip_jax.api.array_fit import prepare
from dip_jax.errors import InputError
from dip_jax.finish.filling import filled
from dip_jax.forward.observation import observe
from dip_jax.pictures import reading, writing
from dip_jax.report import progress
from dip_jax.run.one import run
from dip_jax.settings import fields, tasks

# One network for all tasks, so that they share compiled programs.
REFINED = {
    "network.scales": 1,
    "network.down": 4,
    "network.up": 4,
    "network.skip": 4,
    "network.upsampling": "nearest",
    "input.kind": "noise",
    "input.depth": 4,
    "log_every": 2,
}
TINY = REFINED | {"refine": False}  # where the refinement is not the subject
MASKED = ("inpaint", "fill_hole", "reconstruct")


def picture(shape, dtype=np.uint8, low=0, high=255, seed=0):
    """Smooth, with a little noise."""
    rng = np.random.default_rng(seed)
    waves = np.sum(np.sin(np.indices(shape) / 3.0), axis=0) / 6 + 0.5
    x = np.clip(waves + 0.02 * rng.normal(size=shape), 0, 1)
    values = low + x * (high - low)
    return (values if np.dtype(dtype).kind == "f" else np.rint(values)).astype(dtype)


def random_mask(shape, share=0.3, seed=0):
    return np.random.default_rng(seed).random(shape) < share


def test_the_public_face():
    assert dip_jax.__all__ == [
        *("FitInfo", "FitPart", "FitStep", "InputError", "Restoration"),
        *("deblur", "demosaic", "denoise", "fill_hole", "inpaint", "reconstruct"),
        *("remove_jpeg", "restore", "super_resolve"),
    ]
    assert all(inspect.getdoc(getattr(dip_jax, name)) for name in dip_jax.__all__)
    options = {
        *("num_steps", "seeds", "rng", "channel_axis", "data_range", "criterion", "preset"),
        *("options", "callback", "progress", "return_info"),
    }
    for name in ("denoise", *MASKED):
        function = getattr(dip_jax, name)
        parameters = inspect.signature(function).parameters
        given = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        keywords = {p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY}
        assert given == (["image"] if name == "denoise" else ["image", "mask"])
        assert keywords == (
            options if name == "denoise" else options | {"mask_polarity", "keep_known"}
        )
        assert set(typing.get_type_hints(function)) == {*parameters, "return"}
        assert all(p.default is not p.empty for p in parameters.values() if p.name in keywords)
        assert inspect.getdoc(function)
    assert set(dip_jax.__all__) <= set(dir(dip_jax))


def test_overloads_take_what_the_functions_take():
    from dip_jax.api import functions

    for name in ("denoise", *MASKED):
        keywords = set(inspect.signature(getattr(functions, name)).parameters) - {"image", "mask"}
        options = functions.Options if name == "denoise" else functions.MaskedOptions
        assert keywords == {*options.__annotations__, "return_info"}


def test_importing_the_package_does_not_import_jax():
    code = "import dip_jax, sys; assert 'jax' not in sys.modules and 'numpy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_no_other_name():
    with pytest.raises(AttributeError, match="no attribute 'denoize'"):
        dip_jax.denoize  # noqa: B018


LAYOUTS = [((10, 9), -1, 0), ((10, 9, 3), -1, 0), ((5, 10, 9), 0, 1)]
DTYPES = {
    "bool": (0, 1, None),
    "uint8": (0, 255, None),
    "uint16": (0, 4095, (0, 4095)),
    "int16": (-500, 500, (-500, 500)),
    "float16": (0, 1, None),
    "float32": (-3, 5, (-3, 5)),
    "float64": (0, 1, None),
}


@pytest.mark.thorough
@pytest.mark.slow
@settings(
    deadline=None,
    max_examples=10,
    phases=[Phase.generate],  # each example costs seconds: no search for a smaller one
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(
    st.sampled_from(LAYOUTS),
    st.sampled_from(list(DTYPES)),
    st.sampled_from(("denoise", *MASKED)),
    st.sampled_from(["size", "shape"]),
    st.booleans(),
    st.integers(0, 9),
)
def test_like_in_like_out(layout, dtype, task, of, holes, seed):
    shape, axis, first = layout
    low, high, data_range = DTYPES[dtype]
    before = picture(shape, dtype, low, high, seed)
    if holes and before.dtype.kind == "f":
        before[random_mask(shape, 0.1, seed + 1)] = np.nan
    mask = random_mask(shape[first : first + 2] if of == "size" else shape, 0.3, seed)
    whole = mask if mask.ndim == len(shape) else np.expand_dims(mask, axis)
    hidden = np.broadcast_to(whole, shape)
    if task != "denoise":
        # What is there cannot come back by luck, not even where there are two values only.
        noise = np.random.default_rng(seed + 2).random(shape) < 0.5
        before = np.where(hidden, np.where(noise, low, high), before).astype(before.dtype)
    untouched = before.copy()
    options = REFINED if seed % 3 == 0 else TINY
    how = dict(num_steps=3, channel_axis=axis, data_range=data_range, options=options)
    function = getattr(dip_jax, task)
    after = function(before, **how) if task == "denoise" else function(before, mask, **how)
    assert after.shape == shape and after.dtype == before.dtype
    assert np.isfinite(after).all()
    assert after.min() >= low and after.max() <= high
    np.testing.assert_array_equal(before, untouched)
    if task != "denoise":
        kept = ~hidden & np.isfinite(before)
        assert after[kept].tobytes() == before[kept].tobytes()
        assert (after[hidden] != before[hidden]).any()


@pytest.mark.slow
def test_a_fit_restores():
    clean = picture((48, 64), np.uint8)
    rng = np.random.default_rng(0)
    noisy = np.clip(clean + 25 * rng.normal(size=clean.shape), 0, 255).astype(np.uint8)
    after = dip_jax.denoise(
        noisy, num_steps=300, options={"network.scales": 2, "network.down": 8, "network.up": 8}
    )
    errors = [np.mean((x.astype(float) - clean) ** 2) for x in (noisy, after)]
    assert errors[1] < 0.5 * errors[0]


@pytest.fixture(scope="module")
def two_seeds():
    before = picture((12, 10, 2), np.float64, -1, 3)
    mask = random_mask((12, 10))
    after, info = dip_jax.inpaint(
        before,
        mask,
        seeds=2,
        rng=5,
        data_range=(-1, 3),
        num_steps=6,
        options=REFINED,
        return_info=True,
    )
    return before, mask, after, info


@pytest.mark.thorough
def test_the_info_of_several_seeds(two_seeds):
    before, mask, after, info = two_seeds
    assert [result.seed for result in info.results] == [5, 6] == list(info.chosen_steps)
    assert info.steps == 12 and info.stop_reason == "schedule" and info.seconds > 0
    assert [row["step"] for row in info.history] == [1, 2, 4, 6] * 2
    assert {row["seed"] for row in info.history} == {5, 6}
    assert {"out", "avg", "mean"} == set(info.figures)
    assert info.config["num_steps"] == 6 and info.config["network"]["down"] == (4,)
    assert info.config["degrade"] == "none" and info.config["data_range"] == (-1, 3)
    assert not {"sample", "damage", "image", "mask"} & info.config.keys()
    assert info.uncertainty.shape == (12, 10)
    assert (info.uncertainty[~mask] == 0).all() and (info.uncertainty[mask] > 0).all()
    # Of two values, the standard deviation is half of their difference.
    observation, _ = observe((before + 1) / 4, mask)
    given_by = np.stack([filled(r.x, observation, r.held) for r in info.results])
    half = np.abs(given_by[0] - given_by[1]) / 2 * 4
    np.testing.assert_allclose(
        info.uncertainty[mask], np.sqrt((half**2).mean(-1))[mask], rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(after[mask], -1 + 4 * given_by.mean(axis=0)[mask], rtol=1e-4)
    assert info.config["seamless"] is True


def test_a_seed_is_the_same_however_it_is_asked_for(two_seeds):
    before, mask, _, info = two_seeds
    how = dict(data_range=(-1, 3), num_steps=6, options=TINY, return_info=True)
    by_list = dip_jax.inpaint(before, mask, seeds=[6], **how)[1]
    np.testing.assert_array_equal(by_list.results[0].x, info.results[1].x)
    drawn = [
        dip_jax.inpaint(before, mask, rng=np.random.default_rng(3), **how)[0] for _ in range(2)
    ]
    np.testing.assert_array_equal(*drawn)
    assert by_list.uncertainty is None


def test_denoising_keeps_no_pixels_that_could_be_met():
    with pytest.raises(InputError, match="'seamless' is for known pixels"):
        dip_jax.denoise(np.zeros((40, 40)), options={"seamless": False})


@pytest.mark.parametrize(
    "seeds, fitted", [([3, 17], [3, 17]), (2, [0, 1]), ([2**32 - 1, 0], [2**32 - 1, 0])]
)
def test_the_seeds_that_were_fitted_are_recorded(seeds, fitted):
    how = dict(seeds=seeds, num_steps=2, options=TINY, return_info=True)
    _, info = dip_jax.denoise(picture((12, 10)), **how)
    assert [result.seed for result in info.results] == fitted == info.config["seeds"]
    assert "seed" not in info.config


def test_all_comes_from_the_network_if_asked(two_seeds):
    before, mask, after, info = two_seeds
    how = dict(seeds=[5, 6], data_range=(-1, 3), num_steps=6, return_info=True)
    raw, its = dip_jax.inpaint(
        before, ~mask, mask_polarity="keep", keep_known=False, options=TINY, **how
    )
    mean = np.mean([result.x for result in info.results], axis=0)
    np.testing.assert_allclose(raw, -1 + 4 * mean, rtol=1e-5, atol=1e-5)
    assert its.config["seamless"] is False
    # Pasted in, the network's pixels are those of the raw result.
    pasted, _ = dip_jax.inpaint(before, mask, options=TINY | {"seamless": False}, **how)
    np.testing.assert_array_equal(pasted[mask], raw[mask])
    np.testing.assert_array_equal(pasted[~mask], before[~mask])
    assert (pasted[mask] != after[mask]).all()


def test_a_seed_that_fails_is_left_out_with_a_warning():
    before = picture((10, 9))
    # Two of the three known pixels are held out together: where it is the third that goes with
    # them, which the seed decides, nothing is left to fit.
    mask = np.ones((10, 9), bool)
    mask[0, [0, 1, 8]] = False
    changes = {"heldout.share": 0.67, "heldout.block": 5, "seamless": False}
    how = dict(num_steps=2, options=TINY | changes)
    with pytest.warns(RuntimeWarning, match="of 6 seeds failed") as warned:
        after, info = dip_jax.reconstruct(before, mask, seeds=6, return_info=True, **how)
    assert warned[0].filename == __file__
    good = [result.seed for result in info.results]
    assert good and info.failed and sorted([*good, *info.failed]) == list(range(6))
    assert all("no known value is left to fit" in why for why in info.failed.values())
    mean = np.mean([result.x for result in info.results], axis=0)[..., 0]
    np.testing.assert_array_equal(after[mask], np.rint(255 * mean)[mask])
    with pytest.raises(dip_jax.InputError, match="no known value is left"):
        dip_jax.reconstruct(before, mask, seeds=list(info.failed), **how)


def test_options_may_be_numpy_scalars_and_arrays():
    changes = {"num_steps": np.int64(5), "learning_rate": np.float32(0.5), "remat": np.bool_(True)}
    changes |= {"network.down": np.array([4, 8]), "precision": np.str_("tf32")}
    changed = fields.override(tasks.defaults("denoise"), changes)
    assert changed["num_steps"] == 5 and type(changed["num_steps"]) is int
    assert changed["learning_rate"] == 0.5 and type(changed["learning_rate"]) is float
    assert changed["remat"] is True and changed["network"]["down"] == (4, 8)
    assert type(changed["precision"]) is str
    with pytest.raises(dip_jax.InputError, match="expected a whole number"):
        fields.override(tasks.defaults("denoise"), {"num_steps": np.float64(5)})


def test_a_callback_sees_the_fit_and_ends_it():
    before = picture((10, 9, 3), np.uint16, 0, 65535)
    seen = []

    def stop(step):
        seen.append(step)
        assert step.preview is step.preview
        assert step.preview.shape == before.shape and step.preview.dtype == before.dtype
        return step.step >= 4

    after, info = dip_jax.denoise(
        before, num_steps=50, seeds=2, callback=stop, options=TINY, return_info=True
    )
    assert [step.step for step in seen] == [1, 2, 4]
    assert info.stop_reason == "asked" and info.steps == 4 and after.shape == before.shape
    assert seen[0].num_steps == 50 and seen[0].seed == 0
    assert np.isfinite(seen[-1].row["psnr_heldout_avg"])


def test_ended_before_the_calm_could_be_judged_the_average_is_the_result():
    before = picture((10, 9))
    after, info = dip_jax.denoise(
        before, criterion="wmv", callback=lambda step: True, options=TINY, return_info=True
    )
    assert info.steps == 1 and info.chosen_steps == {0: 1} and after.dtype == before.dtype


def test_of_several_seeds_one_that_has_only_begun_is_left_out():
    before = picture((12, 10))
    options = TINY | {"lanes.at_once": 1}

    def stop(step):
        return step.seed == 1

    _, info = dip_jax.denoise(
        before, num_steps=120, seeds=2, callback=stop, options=options, return_info=True
    )
    assert list(info.chosen_steps) == [0] and info.stop_reason == "asked" and not info.failed


def test_what_a_callback_raises_comes_through():
    def fail(step):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        dip_jax.denoise(picture((10, 9)), num_steps=2, callback=fail, options=TINY)


@pytest.mark.thorough
def test_the_same_as_a_run_gives_also_in_double_precision(tmp_path):
    before = picture((12, 10, 3))
    mask = random_mask((12, 10))
    writing.write(tmp_path / "before.png", before)
    writing.write(tmp_path / "mask.png", np.uint8(255) * mask)
    config = tasks.defaults("reconstruct")
    config |= {"image": str(tmp_path / "before.png"), "mask": str(tmp_path / "mask.png")}
    config |= {"num_steps": 8, "log_every": 2, "preview_every": 0}
    config["network"] |= {"scales": 1, "down": (4,), "up": (4,), "upsampling": ("nearest",)}
    config["input"] |= {"depth": 4}
    with progress.make_progress("run") as shown, jax.enable_x64(True):
        run(config, tmp_path / "run", shown)
    after = dip_jax.reconstruct(before, mask, num_steps=8, options=REFINED)
    np.testing.assert_array_equal(reading.read(tmp_path / "run/restored.png").pixels, after)


def test_progress_is_shown_on_standard_error_and_only_if_asked(capsys):
    before = picture((10, 9))
    dip_jax.denoise(before, num_steps=2, options=TINY)
    assert capsys.readouterr() == ("", "")
    dip_jax.denoise(before, num_steps=2, options=TINY, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "2/2" in err


def pil(shape=(40, 36), mode="RGB"):
    return Image.fromarray(picture((*shape, 3))).convert(mode)


HOLE = np.zeros((40, 36), bool)
HOLE[12:20, 10:24] = True
HOW = dict(num_steps=2, options=TINY)


def test_an_image_of_pillow_is_what_it_shows():
    palette = pil(mode="P")
    expected = dip_jax.inpaint(np.asarray(palette.convert("RGB")), HOLE, **HOW)
    for mask in (HOLE, Image.fromarray(HOLE), Image.fromarray(np.uint8(255) * HOLE).convert("RGB")):
        np.testing.assert_array_equal(dip_jax.inpaint(palette, mask, **HOW), expected)


def test_alpha_of_an_image_of_pillow_goes_past_or_is_the_mask():
    image, seen = pil(mode="RGBA"), []
    image.putalpha(Image.fromarray(np.where(HOLE, 0, 200).astype(np.uint8)))
    callback = lambda step: seen.append(step.preview.shape)  # noqa: E731
    after, info = dip_jax.inpaint(image, HOLE, callback=callback, return_info=True, **HOW)
    assert after.shape == (40, 36, 4) and set(seen) == {after.shape}
    np.testing.assert_array_equal(after[..., 3], np.asarray(image)[..., 3])
    assert "transparent in 100.0% of what the mask fills" in info.remarks[0]
    assert info.remarks[1:] == ("the mask fills 7.8% of the picture",)
    by_alpha, told = dip_jax.inpaint(image, return_info=True, **HOW)
    np.testing.assert_array_equal(by_alpha, after[..., :3])
    assert "alpha of the image is the mask" in told.remarks[0]
    image.putalpha(255)
    with pytest.raises(InputError, match="nowhere wholly transparent"):
        dip_jax.inpaint(image, **HOW)


def test_grey_with_alpha_is_grey_with_alpha_again():
    image = pil(mode="LA")
    image.putalpha(77)
    fit = prepare("denoise", image, options=TINY)
    assert fit.before.shape == (40, 36) and fit.observation.y.shape == (40, 36, 1)
    after = Image.fromarray(fit._like_given(np.asarray(fit.observation.y)))
    assert after.mode == "LA"
    np.testing.assert_array_equal(np.asarray(after), np.asarray(image))


def test_a_mask_painted_in_colours_is_one_and_per_value_masks_are_bool():
    image = picture((40, 36, 3))
    red = np.where(HOLE[..., None], (255, 0, 0), 0).astype(np.uint8)
    fit = prepare("text_inpaint", image, red, options=TINY)
    np.testing.assert_array_equal(fit.observation.known[..., 0] == 0, HOLE)
    assert "(255, 0, 0)" in fit.remarks[0]
    known = prepare("text_inpaint", image, red > 0, options=TINY).observation.known
    np.testing.assert_array_equal(known == 0, red > 0)


def test_an_image_that_is_turned_and_a_mask_that_is_not_do_not_meet():
    exif = Image.Exif()
    exif[274] = 3
    buffer = BytesIO()
    pil((40, 40)).save(buffer, "PNG", exif=exif)
    with pytest.raises(InputError, match="exif_transpose"):
        dip_jax.inpaint(Image.open(buffer), np.eye(40) > 0, **HOW)
