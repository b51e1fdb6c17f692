"""A run as a person sees it: the work directory, what it says, what it refuses, going on."""

import contextlib
import io
import json
import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from tiers import first_always

from dip_jax.errors import InputError, Interrupted
from dip_jax.finish import ensemble
from dip_jax.finish.composite import seamless
from dip_jax.finish.denoising import denoised
from dip_jax.finish.filling import filled
from dip_jax.forward.observation import observe
from dip_jax.lanes import figures
from dip_jax.pictures import reading, samples
from dip_jax.pictures.values import to_float
from dip_jax.report.experiment import note_of
from dip_jax.report.progress import PlainProgress
from dip_jax.run import seed_files
from dip_jax.run.inputs import added_damage, prepare
from dip_jax.run.many import run_folder
from dip_jax.run.one import run
from dip_jax.run.seed_folder import LaneFolder, Overall
from dip_jax.run.words import last_words
from dip_jax.settings import tasks

# The pictures of this file are 48 x 32, so that its fits share their programs.
TINY = {
    "network.scales": 1,
    "network.down": (4,),
    "network.up": (4,),
    "sample.side": 48,
    "num_steps": 25,
    "schedule.kind": "constant",  # so that a few steps show something
    "log_every": 10,
    "preview_every": 10,
    "checkpoint_every": 10,
}


LEARNT = {"learning_rate": 0.05}  # so that what is interrupted after 20 steps shows something


def config_of(task, **changes):
    config = tasks.defaults(task)
    for path, value in (TINY | changes).items():
        *sections, name = path.replace("__", ".").split(".")
        section = config
        for part in sections:
            section = section[part]
        assert name in section
        section[name] = value
    return config


def go(config, folder, **options):
    stream = io.StringIO()
    summary = run(config, folder, PlainProgress("test", stream), **options)
    return summary, stream.getvalue()


def interrupted(config, folder, should_stop):
    """A run that is asked to stop, whether it has something to show by then or not."""
    with contextlib.suppress(Interrupted):
        go(config, folder, should_stop=should_stop)


def read_json(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(Path(path).read_text(), parse_constant=refuse)


@pytest.fixture(scope="module")
def hole_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hole") / "run"
    summary, said = go(config_of("hole_fill", **LEARNT), folder)
    return folder, summary, said


def test_the_work_directory_has_all_that_is_promised(hole_run):
    folder, _, _ = hole_run
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.json",
        "restored.png",
        "degraded.png",
        "comparison.png",
        "curves.png",
        "report.html",
        "metrics.jsonl",
        "summary.json",
        "preview",
        "checkpoints",
    }
    assert sorted(p.name for p in (folder / "preview").iterdir()) == [
        "step_000010.png",
        "step_000020.png",
    ]
    assert read_json(folder / "config.json")["task"] == "hole_fill"


def test_the_summary_has_the_promised_fields(hole_run):
    folder, summary, _ = hole_run
    assert read_json(folder / "summary.json").keys() == summary.keys()
    promised = (
        "task image shape seeds steps chosen_step criterion stop_reason seconds "
        "seconds_to_first_step steps_per_second device versions metrics"
    )
    assert set(promised.split()) <= summary.keys()
    assert summary["shape"] == [32, 48, 3] and summary["seeds"] == [0]
    assert summary["steps"] == 25 and summary["stop_reason"] == "num_steps"
    assert 1 <= summary["chosen_step"] <= 25
    every = {"psnr_true", "ssim_true", "psnr_observed", "ssim_observed", "psnr_heldout"}
    assert summary["metrics"]["out"].keys() == summary["metrics"]["avg"].keys() == every
    assert summary["metrics"]["restored"].keys() == {"psnr_true", "ssim_true"}


def test_the_figures_are_those_of_the_pictures(hole_run):
    folder, summary, _ = hole_run
    clean = np.asarray(samples.sample("coffee", 48).pixels)
    for name in ("restored", "degraded"):
        pixels = np.asarray(Image.open(folder / f"{name}.png"))
        figures = summary["metrics"][name] if name == "restored" else summary["degraded"]
        assert figures["psnr_true"] == pytest.approx(
            peak_signal_noise_ratio(clean, pixels), abs=0.02
        )


def test_known_pixels_stay_exactly_what_they_were(hole_run):
    folder, _, _ = hole_run
    before = np.asarray(Image.open(folder / "degraded.png"))
    after = np.asarray(Image.open(folder / "restored.png"))
    changed = (before != after).any(axis=-1)
    hole = (before == 0).all(axis=-1)
    assert changed.any() and not changed[~hole].any()


def test_logged_rows_hold_every_figure(hole_run):
    folder, summary, _ = hole_run
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 10, 20, 25]
    wanted = {
        f"{measure}_{reference}_{image}"
        for measure, reference in (
            ("psnr", "true"),
            ("psnr", "observed"),
            ("psnr", "heldout"),
            ("ssim", "true"),
            ("ssim", "observed"),
        )
        for image in ("out", "avg")
    }
    assert all(wanted <= row.keys() for row in rows)
    assert rows[-1]["loss"] < rows[0]["loss"]
    best = summary["oracle"]["psnr_true_avg"]
    assert best >= max(row["psnr_true_avg"] for row in rows) - 1e-4


def test_the_run_says_what_share_the_mask_fills(hole_run):
    _, _, said = hole_run
    assert "hole_fill: coffee, 48 x 32 pixels" in said
    assert "the mask fills 10.0% of the picture" in said


def test_the_same_command_on_a_finished_run_changes_nothing(hole_run):
    folder, summary, _ = hole_run
    stamps = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    again, said = go(config_of("hole_fill", **LEARNT), folder)
    assert again == summary | read_json(folder / "summary.json")
    assert "nothing to do" in said
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == stamps


def test_another_configuration_is_refused_with_the_difference(hole_run):
    folder, _, _ = hole_run
    stamps = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    with pytest.raises(InputError, match=r"config.learning_rate was 0.05, is 0.02"):
        go(config_of("hole_fill", learning_rate=0.02), folder)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == stamps


@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_same_result_bit_for_bit(hole_run, tmp_path):
    whole, whole_summary, _ = hole_run
    asked = iter([False, False, True])
    summary, _ = go(
        config_of("hole_fill", **LEARNT), tmp_path / "run", should_stop=lambda: next(asked)
    )
    assert summary["stop_reason"] == "interrupted" and summary["steps"] == 20
    assert (tmp_path / "run" / "restored.png").exists()
    summary, said = go(config_of("hole_fill", **LEARNT), tmp_path / "run")
    assert "going on after step 20" in said
    assert summary["stop_reason"] == "num_steps"
    assert summary["metrics"] == whole_summary["metrics"]
    assert summary["chosen_step"] == whole_summary["chosen_step"]
    for name in ("restored.png", "preview/step_000020.png"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()
    rows, whole_rows = (
        [
            {k: v for k, v in json.loads(line).items() if k != "seconds"}
            for line in (folder / "metrics.jsonl").read_text().splitlines()
        ]
        for folder in (tmp_path / "run", whole)
    )
    assert rows == whole_rows


def test_a_run_that_was_killed_before_its_result_was_written_writes_it(tmp_path):
    config = config_of("hole_fill", num_steps=3, preview_every=0)
    folder = tmp_path / "run"
    before, _ = go(config, folder)
    restored = (folder / "restored.png").read_bytes()
    for name in ("summary.json", "restored.png"):
        (folder / name).unlink()
    after, _ = go(config, folder)
    assert (folder / "restored.png").read_bytes() == restored
    assert after["metrics"] == before["metrics"] and after["steps"] == before["steps"] == 3


def save(path, pixels):
    Image.fromarray(pixels).save(path)
    return str(path)


@pytest.fixture
def photo(tmp_path):
    return save(tmp_path / "photo.png", samples.sample("coffee", 48).pixels)


def half_mask(shape, path):
    mask = np.zeros(shape, np.uint8)
    mask[5:12, 6:16] = 255
    return save(path, mask)


@pytest.mark.slow
def test_a_persons_own_damaged_picture_has_no_clean_figures(photo, tmp_path):
    mask = half_mask((32, 48), tmp_path / "mask.png")
    config = config_of("hole_fill", image=photo, mask=mask)
    summary, said = go(config, tmp_path / "run")
    assert summary["degraded"] == {} and summary["oracle"] == {}
    assert not [k for figures in summary["metrics"].values() for k in figures if "true" in k]
    before, after = (
        np.asarray(Image.open(photo)),
        np.asarray(Image.open(tmp_path / "run/restored.png")),
    )
    assert after.shape == before.shape and after.dtype == before.dtype
    known = np.asarray(Image.open(mask)) == 0
    np.testing.assert_array_equal(after[known], before[known])
    assert (after[~known] != before[~known]).any()
    assert "experiment" not in said
    assert not (tmp_path / "run" / "degraded.png").exists()


@pytest.mark.slow
def test_keep_polarity_is_the_opposite_mask(photo, tmp_path):
    mask = np.asarray(Image.open(half_mask((32, 48), tmp_path / "mask.png")))
    inverted = save(tmp_path / "inverted.png", 255 - mask)
    same = {"image": photo, "num_steps": 2, "refine": False}
    go(config_of("hole_fill", mask=str(tmp_path / "mask.png"), **same), tmp_path / "a")
    go(config_of("hole_fill", mask=inverted, mask_polarity="keep", **same), tmp_path / "b")
    assert (tmp_path / "a/restored.png").read_bytes() == (tmp_path / "b/restored.png").read_bytes()


@pytest.mark.thorough
@pytest.mark.slow
def test_an_own_noisy_picture_and_its_clean_one(photo, tmp_path):
    noisy = np.asarray(Image.open(photo)).astype(float)
    noisy += 20 * np.random.default_rng(0).normal(size=noisy.shape)
    path = save(tmp_path / "noisy.png", noisy.clip(0, 255).astype(np.uint8))
    summary, _ = go(config_of("denoise", image=path, clean=photo), tmp_path / "with")
    assert 18 < summary["degraded"]["psnr_true"] < 26
    assert "psnr_true" in summary["metrics"]["restored"]
    own = {"image": path, "degrade": "none"}
    summary, _ = go(config_of("denoise", **own), tmp_path / "without")
    assert summary["degraded"] == {} and summary["refined"] is True
    # Of it the network's held-out pixels tell nothing: the refinement has seen them.
    assert "psnr_heldout" not in summary["metrics"]["restored"]
    summary, _ = go(config_of("denoise", **own, refine=False), tmp_path / "alone")
    assert summary["refined"] is False
    assert "psnr_heldout" in summary["metrics"]["restored"]


@pytest.mark.thorough
def test_a_picture_that_is_damaged_for_an_experiment_is_announced(photo, tmp_path):
    config = config_of("denoise", image=photo, num_steps=1)
    summary, said = go(config, tmp_path / "run")
    assert said.startswith(f"noise is added to {Path(photo).name}, taken for a clean picture")
    assert said.splitlines()[0].endswith("--config.degrade=none")
    assert summary["added_damage"] == "noise"
    note = f"noise was added to {Path(photo).name} by this run"
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert f"Mind that {note}" in page and "say --config.degrade=none." in page
    # Last of all, and of a run that had ended before as well.
    last = last_words(go(config, tmp_path / "run")[0], tmp_path / "run").splitlines()[-1]
    assert last.startswith(note) and last.endswith("say --config.degrade=none")


@pytest.mark.parametrize("change", [{"image": ""}, {"degrade": "none"}])
def test_of_a_sample_and_of_a_restoration_nothing_is_said_of_added_damage(change, photo):
    config = config_of("denoise", image=photo) | change
    assert added_damage(config) is None and note_of({"added_damage": added_damage(config)}) == ""


BAD = {
    "missing file": ({"image": "nowhere.png"}, "nowhere.png"),
    "a directory": ({"image": "."}, "directory"),
    "broken file": ({"image": "broken.png"}, "broken.png"),
    "mask of another size": ({"image": "photo.png", "mask": "small.png"}, r"20 x 20.*48 x 32|size"),
    "mask that fills nothing": ({"image": "photo.png", "mask": "black.png"}, "nothing"),
    "mask that fills everything": ({"image": "photo.png", "mask": "white.png"}, "everything"),
    "missing mask": ({"image": "photo.png", "mask": "no.png"}, "no.png"),
    "mask without a picture": ({"mask": "white.png"}, r"config\.image"),
    "clean without a picture": ({"clean": "photo.png"}, r"config\.image"),
    "clean of another size": (
        {"image": "photo.png", "mask": "half.png", "clean": "small.png"},
        "config.clean is 20 x 20",
    ),
    "no mask": ({"image": "photo.png", "degrade": "none"}, "config.mask"),
    "noise for holes": ({"degrade": "noise"}, "fills unknown pixels"),
    "oracle without a clean picture": (
        {"image": "photo.png", "mask": "half.png", "stop.criterion": "oracle"},
        "clean",
    ),
    "too small for the network": (
        {"image": "photo.png", "mask": "half.png", "network.scales": 6},
        "48 x 32 pixels, smaller than the 64 x 64",
    ),
    "unknown sample": ({"sample.name": "lena"}, "astronaut"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line_and_nothing_is_written(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("photo.png", samples.sample("coffee", 48).pixels)
    Path("broken.png").write_bytes(Path("photo.png").read_bytes()[:300])
    save("small.png", np.zeros((20, 20, 3), np.uint8))
    for name, value in (("black", 0), ("white", 255)):
        save(f"{name}.png", np.full((32, 48), value, np.uint8))
    half_mask((32, 48), "half.png")
    before = sorted(os.listdir())
    changes, words = BAD[case]
    with pytest.raises(InputError, match=words) as refused:
        go(config_of("hole_fill", **changes), tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert sorted(os.listdir()) == before


def test_denoising_takes_no_mask(photo, tmp_path):
    mask = half_mask((32, 48), tmp_path / "mask.png")
    with pytest.raises(InputError, match="takes none"):
        go(config_of("denoise", image=photo, mask=mask), tmp_path / "run")


def test_a_folder_with_other_files_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        go(config_of("hole_fill"), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_work_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        go(config_of("hole_fill"), tmp_path / "file")


@pytest.mark.slow
def test_a_checkpoint_of_another_picture_is_refused(photo, tmp_path):
    mask = half_mask((32, 48), tmp_path / "mask.png")
    config = config_of("hole_fill", image=photo, mask=mask)
    interrupted(config, tmp_path / "run", lambda: True)
    save(photo, 255 - np.asarray(Image.open(photo)))
    with pytest.raises(InputError, match="another picture"):
        go(config, tmp_path / "run")


@pytest.mark.slow
def test_a_grey_16_bit_picture_comes_back_as_one(tmp_path):
    ramp = np.linspace(1000, 60000, 40 * 36).reshape(36, 40).astype(np.uint16)
    path = save(tmp_path / "grey.png", ramp)
    mask = half_mask((36, 40), tmp_path / "mask.png")
    config = config_of("hole_fill", image=path, mask=mask, num_steps=5, refine=False)
    go(config, tmp_path / "run")
    after = reading.read(tmp_path / "run" / "restored.png").pixels
    assert after.dtype == np.uint16 and after.shape == ramp.shape
    known = np.asarray(Image.open(mask)) == 0
    np.testing.assert_array_equal(after[known], ramp[known])


@pytest.mark.slow
def test_a_float_tiff_with_a_nan_is_restored_with_the_nan_filled(tmp_path):
    ramp = np.linspace(0.1, 0.9, 40 * 36, dtype=np.float32).reshape(36, 40)
    ramp[20, 30], ramp[21, 30] = np.nan, np.inf
    path = save(tmp_path / "ramp.tif", ramp)
    mask = half_mask((36, 40), tmp_path / "mask.png")
    config = config_of("hole_fill", image=path, mask=mask, refine=False)
    summary, said = go(config, tmp_path / "run")
    assert "2 values are NaN or infinite: taken as unknown" in said
    assert summary["restored"] == "restored.tif"
    after = reading.read(tmp_path / "run" / "restored.tif").pixels
    assert after.dtype == np.float32 and np.isfinite(after).all()
    known = (np.asarray(Image.open(mask)) == 0) & np.isfinite(ramp)
    np.testing.assert_array_equal(after[known], ramp[known])
    assert (tmp_path / "run" / "preview" / "step_000010.png").exists()


def test_a_picture_with_a_nan_is_no_clean_picture(tmp_path):
    ramp = np.full((36, 40), 0.5, np.float32)
    ramp[20, 30] = np.nan
    path = save(tmp_path / "ramp.tif", ramp)
    with pytest.raises(InputError, match="NaN or infinite"):
        go(config_of("hole_fill", image=path), tmp_path / "run")


@pytest.mark.slow
def test_each_interval_counts_for_itself(tmp_path):
    from dip_jax.lanes.checkpoints import Checkpoints

    intervals = {"log_every": 7, "preview_every": 5, "checkpoint_every": 4, "num_steps": 13}
    go(config_of("hole_fill", refine=False, **intervals), tmp_path / "run")
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 7, 13]
    previews = sorted(path.name for path in (tmp_path / "run" / "preview").iterdir())
    assert previews == ["step_000005.png", "step_000010.png"]
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints")
    assert checkpoints.latest_step() == 13
    checkpoints.close()
    assert (tmp_path / "run" / "checkpoints" / "12").exists()


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(hole_run, tmp_path):
    _, whole_summary, _ = hole_run
    asked = iter([False, False, True])
    go(config_of("hole_fill", **LEARNT), tmp_path / "run", should_stop=lambda: next(asked))
    damaged = tmp_path / "run" / "checkpoints" / "20"
    for path in damaged.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    summary, said = go(config_of("hole_fill", **LEARNT), tmp_path / "run")
    assert "damaged checkpoints were passed over: [20]" in said
    assert summary["metrics"] == whole_summary["metrics"]
    assert len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == 4


def test_a_finished_run_does_not_answer_for_another_picture(photo, tmp_path):
    mask = half_mask((32, 48), tmp_path / "mask.png")
    config = config_of("hole_fill", image=photo, mask=mask, num_steps=1)
    go(config, tmp_path / "run")
    before = (tmp_path / "run" / "restored.png").read_bytes()
    save(photo, 255 - np.asarray(Image.open(photo)))
    with pytest.raises(InputError, match="another picture or mask"):
        go(config, tmp_path / "run")
    assert (tmp_path / "run" / "restored.png").read_bytes() == before


def test_nothing_left_to_fit_is_an_error_and_no_black_picture(photo, tmp_path):
    mask = half_mask((32, 48), tmp_path / "mask.png")
    config = config_of("hole_fill", image=photo, mask=mask, heldout__block=1000)
    with pytest.raises(InputError, match="no known value is left to fit"):
        go(config, tmp_path / "run")
    assert not (tmp_path / "run" / "restored.png").exists()


@pytest.fixture(scope="module")
def three_seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds") / "run"
    summary, said = go(config_of("denoise", seeds=3, seed=4), folder)
    return folder, summary, said


def member(folder, seed):
    with np.load(folder / "seeds" / str(seed) / "result.npz") as archive:
        return {name: archive[name] for name in ("x", "x_out", "x_avg", "held")}


@pytest.mark.thorough
def test_several_seeds_give_their_mean_and_how_they_differ(three_seeds):
    folder, summary, said = three_seeds
    observation, _ = observe(prepare(config_of("denoise", seeds=3, seed=4)).y)
    seeds = [member(folder, seed) for seed in (4, 5, 6)]
    x = np.stack([denoised(seed["x"], observation) for seed in seeds])
    restored = np.asarray(Image.open(folder / "restored.png"))
    np.testing.assert_array_equal(restored, np.round(255 * x.mean(axis=0)).astype(np.uint8))
    shown = np.asarray(Image.open(folder / "uncertainty.png"))
    assert shown.shape == restored.shape[:2] and shown.max() == 65535
    spread = np.sqrt(x.var(axis=0).mean(axis=-1))
    dark = spread < summary["uncertainty"]["white"]
    scaled = shown[dark] / 65535 * summary["uncertainty"]["white"]
    np.testing.assert_allclose(scaled, spread[dark], atol=2e-6)
    assert summary["uncertainty"]["mean"] == pytest.approx(spread.mean(), rel=1e-4)
    assert "seed 5: finished at step 25" in said
    # The first one's, which has compiled the program that the others find.
    first = [lane["seconds_to_first_step"] for lane in summary["lanes"]]
    assert summary["seconds_to_first_step"] == first[0] > first[2]


def test_the_summary_of_several_seeds_has_each_ones_own_figures(three_seeds):
    folder, summary, _ = three_seeds
    assert summary["seeds"] == [4, 5, 6] and summary["steps"] == 75
    assert [lane["seed"] for lane in summary["lanes"]] == [4, 5, 6]
    clean = to_float(samples.sample("chelsea", 48).pixels)
    for lane in summary["lanes"]:
        assert 1 <= lane["chosen_step"] <= lane["steps"] == 25
        measured = peak_signal_noise_ratio(clean, member(folder, lane["seed"])["x_avg"])
        assert lane["metrics"]["avg"]["psnr_true"] == pytest.approx(measured, abs=1e-3)
    members = [lane["metrics"]["avg"]["psnr_true"] for lane in summary["lanes"]]
    assert summary["metrics"]["avg"]["psnr_true"] > np.mean(members)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [(row["seed"], row["step"]) for row in rows] == [
        (seed, step) for seed in (4, 5, 6) for step in (1, 10, 20, 25)
    ]
    assert read_json(folder / "summary.json")["lanes"][0].keys() == summary["lanes"][0].keys()


@pytest.mark.slow
def test_a_seed_in_an_ensemble_is_the_seed_alone(three_seeds, tmp_path):
    folder, summary, _ = three_seeds
    alone, _ = go(config_of("denoise", seed=5, refine=False), tmp_path / "run")
    assert alone["metrics"]["avg"] == summary["lanes"][1]["metrics"]["avg"]
    pixels = np.asarray(Image.open(tmp_path / "run" / "restored.png"))
    expected = np.round(255 * member(folder, 5)["x"]).astype(np.uint8)
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.thorough
@pytest.mark.slow
def test_an_interrupted_ensemble_keeps_its_finished_seeds(three_seeds, tmp_path, monkeypatch):
    whole, whole_summary, _ = three_seeds
    looked_at = []
    monkeypatch.setattr(figures, "is_usable", lambda *asked: looked_at.append(asked))
    asked = iter([False] * 6 + [True])  # the second seed is at its third logged step
    config = config_of("denoise", seeds=3, seed=4)
    summary, _ = go(config, tmp_path / "run", should_stop=lambda: next(asked))
    # A seed that shows nothing yet is left out, and goes on later.
    assert len(looked_at) == 1
    assert summary["stop_reason"] == "interrupted" and summary["seeds"] == [4]
    kept = tmp_path / "run" / "seeds" / "4" / "result.npz"
    before = kept.stat().st_mtime_ns
    # How lanes are worked off does not change what comes out, so it may differ.
    config = config_of("denoise", seeds=3, seed=4, lanes__at_once=2, lanes__form="loop")
    summary, said = go(config, tmp_path / "run")
    assert "1 of 3 seeds are finished, and 1 begun" in said
    assert kept.stat().st_mtime_ns == before
    # To the bit as a person's process compiles it; the quick way of the tests rounds otherwise.
    for image, of in whole_summary["metrics"].items():
        assert summary["metrics"][image] == pytest.approx(of, abs=1e-3)
    restored, expected = (
        np.asarray(Image.open(folder / "restored.png")).astype(int)
        for folder in (tmp_path / "run", whole)
    )
    assert np.abs(restored - expected).max() <= 1
    again, said = go(config, tmp_path / "run")
    assert again["stop_reason"] == "num_steps" and "nothing to do" in said


def test_a_run_that_ends_at_its_first_step_has_no_result_and_goes_on(tmp_path):
    config = config_of("hole_fill", num_steps=3)
    with pytest.raises(Interrupted, match="the same command goes on"):
        go(config, tmp_path / "run", should_stop=lambda: True)
    assert not (tmp_path / "run" / "restored.png").exists()
    summary, said = go(config, tmp_path / "run")
    assert "going on after step 1" in said and summary["stop_reason"] == "num_steps"


@pytest.mark.parametrize("how", ["refined", "seamless", "pasted"])
def test_what_is_filled_meets_the_known_pixels_unless_pasted(how, tmp_path):
    changes = {"refined": {}, "seamless": {"refine": False}, "pasted": {"seamless": False}}[how]
    config = config_of("hole_fill", seeds=2, num_steps=1, preview_every=1, **changes)
    folder = tmp_path / "run"
    go(config, folder)
    before = np.asarray(Image.open(folder / "degraded.png"), np.float32) / 255
    fill = (before == 0).all(axis=-1)
    observation, _ = observe(before, fill)
    members = [member(folder, seed) for seed in (0, 1)]

    def met(x):
        return x if how == "pasted" else np.asarray(seamless(jnp.asarray(x), observation))

    def given(images):
        x, held = images["x"], images["held"]
        return filled(x, observation, held) if how == "refined" else met(x)

    restored = np.asarray(Image.open(folder / "restored.png"), np.float32) / 255
    mean = np.mean([given(images) for images in members], axis=0)
    np.testing.assert_allclose(restored[fill], mean[fill], atol=0.6 / 255)
    preview = Image.open(folder / "seeds" / "0" / "preview" / "step_000001.png")
    shown = np.asarray(preview, np.float32) / 255
    np.testing.assert_allclose(shown[fill], met(members[0]["x_avg"])[fill], atol=0.6 / 255)
    np.testing.assert_array_equal(shown[~fill], before[~fill])


def test_known_pixels_are_certain(tmp_path):
    config = config_of("hole_fill", seeds=2, num_steps=3, preview_every=0)
    go(config, tmp_path / "run")
    shown = np.asarray(Image.open(tmp_path / "run" / "uncertainty.png"))
    hole = (np.asarray(Image.open(tmp_path / "run" / "degraded.png")) == 0).all(axis=-1)
    assert not shown[~hole].any() and (shown[hole] > 0).mean() > 0.9


def rewrite(path, **changes):
    with np.load(path) as archive:
        arrays = dict(archive)
    figures = json.loads(str(arrays["figures"])) | changes
    arrays["figures"] = np.array(json.dumps({k: v for k, v in figures.items() if v != "gone"}))
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def test_a_result_that_does_not_say_what_was_held_out_is_read(three_seeds, tmp_path):
    folder, _, _ = three_seeds
    path = tmp_path / "result.npz"
    with np.load(folder / "seeds" / "4" / "result.npz") as archive:
        mark = json.loads(str(archive["figures"]))["fingerprint"]
        assert archive["held"].any()
        np.savez(path, **{name: archive[name] for name in archive if name != "held"})
    assert seed_files.read_result(path, mark).held is None


@pytest.mark.parametrize("harm", first_always(["torn", "older", "newer", "foreign"]))
def test_a_result_that_cannot_be_used_is_one_line_and_the_others_count(harm, tmp_path):
    config = config_of("hole_fill", seeds=2, num_steps=1, preview_every=0, refine=False)
    whole, _ = go(config, tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    harmed = tmp_path / "run" / "seeds" / "0" / "result.npz"
    if harm == "torn":
        harmed.write_bytes(harmed.read_bytes()[:500])
    else:
        changes = {"older": {"rollbacks": "gone"}, "newer": {"x_new": 1}}
        rewrite(harmed, **changes.get(harm, {"fingerprint": "other"}))
    other = (tmp_path / "run" / "seeds" / "1" / "result.npz").read_bytes()
    summary, said = go(config, tmp_path / "run")
    assert summary["seeds"] == [1] and [one["seed"] for one in summary["failed"]] == [0]
    words = "another work directory" if harm == "foreign" else "remove it to go on"
    assert words in summary["failed"][0]["reason"] and "\n" not in summary["failed"][0]["reason"]
    assert "seed 0 failed" in said
    assert (tmp_path / "run" / "seeds" / "1" / "result.npz").read_bytes() == other
    harmed.unlink()
    summary, _ = go(config, tmp_path / "run")
    assert summary["failed"] == [] and summary["metrics"] == whole["metrics"]


@pytest.mark.slow
def test_a_seed_with_a_foreign_checkpoint_does_not_keep_the_others_from_ending(tmp_path):
    config = config_of("hole_fill", seeds=2, num_steps=2, preview_every=0, refine=False)
    for folder, damage in (("run", 0), ("other", 1)):
        started = config | {"damage": config["damage"] | {"seed": damage}}
        interrupted(started, tmp_path / folder, lambda: True)
    own = tmp_path / "run" / "seeds" / "0" / "checkpoints"
    own.rename(tmp_path / "own")
    (tmp_path / "other" / "seeds" / "0" / "checkpoints").rename(own)
    summary, said = go(config, tmp_path / "run")
    assert summary["seeds"] == [1] and "another picture" in summary["failed"][0]["reason"]
    own.rename(tmp_path / "foreign")
    (tmp_path / "own").rename(own)
    summary, said = go(config, tmp_path / "run")
    assert summary["seeds"] == [0, 1] and summary["failed"] == []
    assert "1 of 2 seeds are finished, and 1 begun" in said


@pytest.mark.slow
def test_metrics_that_are_torn_or_foreign_are_left_out(tmp_path):
    config = config_of("hole_fill", preview_every=0, refine=False)
    asked = iter([False, True])
    interrupted(config, tmp_path / "run", lambda: next(asked))
    path = tmp_path / "run" / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + b'[1, 2]\n{"loss": 3}\n\xff')
    summary, _ = go(config, tmp_path / "run")
    assert summary["stop_reason"] == "num_steps"
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 10, 20, 25]


@pytest.mark.thorough
def test_each_picture_of_a_folder_makes_the_steps_that_it_needs(tmp_path, monkeypatch):
    # How it is refined, which takes long, has no say in that.
    monkeypatch.setattr(ensemble, "denoised", lambda x, *_, **__: x)
    (tmp_path / "in").mkdir()
    clean = samples.sample("chelsea", 48).pixels
    for name, sigma in (("strong", 40), ("weak", 3)):
        noise = np.random.default_rng(0).normal(0, sigma, clean.shape)
        pixels = np.clip(np.round(clean + noise), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{name}.png")
    few, all_steps = 20, tasks.defaults("denoise")["num_steps"]
    config = config_of(
        "denoise",
        image=str(tmp_path / "in"),
        degrade="none",
        num_steps=all_steps,
        refined_steps=few,
        log_every=all_steps,
        checkpoint_every=all_steps,
        preview_every=0,
    )
    stream = io.StringIO()
    progress = PlainProgress("test", stream, every_seconds=0.0)
    summary = run_folder(config, tmp_path / "run", progress)
    steps = {row["folder"]: row["steps"] for row in summary["pictures"]}
    assert steps == {"strong": few, "weak": all_steps}
    told = read_json(tmp_path / "run" / "strong" / "summary.json")
    assert told["steps"] == few and told["refined"]
    # What the first need not make counts as made, so that the bar ends at its end.
    assert f"step {2 * all_steps}/{2 * all_steps}" in stream.getvalue()
    one = config | {"image": str(tmp_path / "in" / "strong.png")}
    alone, said = go(one, tmp_path / "alone")
    assert alone["steps"] == few and f"test: {few} steps" in said and f"step {few}/{few}" in said
    together = (tmp_path / "run" / "strong" / "restored.png").read_bytes()
    assert (tmp_path / "alone" / "restored.png").read_bytes() == together
    assert "nothing to do" in go(one, tmp_path / "alone")[1]


@pytest.mark.parametrize("started", [True, False])
def test_steps_that_need_not_be_made_count_once(tmp_path, started):
    """Of two seeds the first has ended; that they have fewer steps is learnt before or after."""
    total, few = 600, 300
    overall = Overall(PlainProgress("test", io.StringIO()))
    lanes = [LaneFolder(tmp_path / str(seed), seed, total, False, "", overall) for seed in range(2)]
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "result.npz").touch()
    for lane in lanes:
        lane.look()
    assert overall.steps == total
    if started:
        overall.start(2 * total)
    for lane in lanes:
        lane.shorten(few)
    if not started:
        overall.start(sum(lane.num_steps for lane in lanes))
    all_of_them = 2 * total if started else 2 * few
    assert overall.steps == all_of_them - few
    lanes[1].give_up("for the test")
    assert overall.steps == all_of_them
