"""Large pictures as runs: every part a run of its own, gone on with where it was left."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tiers import first_always

import dip_jax
from dip_jax.errors import InputError, Interrupted
from dip_jax.pictures import reading
from dip_jax.pictures.reading import read
from dip_jax.report.progress import PlainProgress
from dip_jax.run.results import stop_reason_of
from dip_jax.run.start import start
from dip_jax.run.table import about_failed
from dip_jax.run.words import last_words
from dip_jax.run.workdir import as_begun, check_workdir
from dip_jax.settings import fields, tasks

CHANGES = {
    "network.scales": 1,
    "network.down": (4,),
    "network.up": (4,),
    "network.skip": (4,),
    "refine": False,
    "degrade": "none",
    "log_every": 5,
    "checkpoint_every": 5,
    "schedule.kind": "constant",
    "learning_rate": 0.05,
    "parts.steps": 15,
}


def config_of(task, image, mask, **changes):
    changes = {name.replace("__", "."): value for name, value in changes.items()}
    files = {"image": str(image), "mask": str(mask)}
    return fields.override(tasks.defaults(task), CHANGES | files | changes)


def go(config, folder, **options):
    stream = io.StringIO()
    summary = start(config, folder, PlainProgress("test", stream), **options)
    return summary, stream.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A grey picture of 16 bits with three scratches, far from each other."""
    folder = tmp_path_factory.mktemp("files")
    rows, columns = np.mgrid[:250, :330]
    x = 20000 + 15000 * np.sin(rows / 9) * np.cos(columns / 13)
    fill = np.zeros(x.shape, bool)
    fill[30:33, 30:70] = fill[200:203, 40:60] = fill[100:120, 270:273] = True
    Image.fromarray(np.where(fill, 65535, x).astype(np.uint16)).save(folder / "photo.png")
    Image.fromarray((255 * fill).astype(np.uint8)).save(folder / "mask.png")
    return folder / "photo.png", folder / "mask.png", fill


def pixels_of(path):
    return np.asarray(Image.open(path)).astype(int)


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory):
    photo, mask, _ = files
    folder = tmp_path_factory.mktemp("parted") / "run"
    summary, said = go(config_of("text_inpaint", photo, mask), folder)
    return folder, summary, said


def test_the_work_directory_of_parts(files, finished):
    photo, _, fill = files
    folder, summary, said = finished
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "restored.png", "comparison.png", "curves.png", "crops.png"),
        *("report.html", "metrics.jsonl", "summary.json", "parts"),
    }
    assert sorted(path.name for path in (folder / "parts").iterdir()) == ["0001", "0002", "0003"]
    before, after = pixels_of(photo), pixels_of(folder / "restored.png")
    np.testing.assert_array_equal(after[~fill], before[~fill])
    assert (after[fill] < 60000).all()
    assert summary["parts"] == 3 and summary["parts_left"] == 0 and summary["seeds"] == [0]
    assert summary["steps"] == 45 and len(summary["lanes"]) == 3
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert {row["part"] for row in rows} == {0, 1, 2}
    assert "only what is around the damage is fitted" in said
    assert "photo.png, 330 x 250 pixels" in said and "3 of 3 parts are done" in said
    assert "3 parts" in last_words(summary, folder)


def test_the_same_run_again_does_nothing_and_another_picture_is_refused(files, finished, tmp_path):
    photo, mask, _ = files
    folder, summary, _ = finished
    config = config_of("text_inpaint", photo, mask)
    again, said = go(config, folder)
    assert "nothing to do" in said and again == json.loads(json.dumps(summary))
    kept = photo.read_bytes()
    try:
        Image.fromarray(np.asarray(Image.open(photo)) // 2).save(photo)
        with pytest.raises(InputError, match="another picture"):
            go(config, folder)
    finally:
        photo.write_bytes(kept)


@pytest.mark.parametrize("logs", first_always([6, 2]))
def test_an_interrupted_run_goes_on_to_the_same_picture(files, finished, tmp_path, logs):
    photo, mask, _ = files
    config, asked = config_of("text_inpaint", photo, mask), []

    def should_stop():
        asked.append(1)
        return len(asked) >= logs

    folder = tmp_path / "run"
    try:
        summary, said = go(config, folder, should_stop=should_stop)
        assert summary["stop_reason"] == "interrupted" and summary["parts_left"] >= 1
        assert "goes on" in last_words(summary, folder)
    except Interrupted:
        assert logs == 2
    summary, said = go(config, folder)
    assert "going on with" in said
    whole = finished[0]
    assert (folder / "restored.png").read_bytes() == (whole / "restored.png").read_bytes()
    assert summary["stop_reason"] == finished[1]["stop_reason"]
    assert (folder / "metrics.jsonl").read_text().count("\n") == (
        whole / "metrics.jsonl"
    ).read_text().count("\n")


@pytest.mark.thorough
def test_seeds_of_parts(files, tmp_path):
    photo, mask, fill = files
    config = config_of("hole_fill", photo, mask, seeds=2, parts__steps=10)
    summary, _ = go(config, tmp_path / "run")
    assert summary["seeds"] == [0, 1] and summary["steps"] == 2 * 3 * 10
    spread = pixels_of(tmp_path / "run" / "uncertainty.png")
    assert not spread[~fill].any() and (spread[fill] > 0).mean() > 0.9


@pytest.mark.thorough
def test_a_folder_with_a_large_picture_and_a_small_one(files, tmp_path, monkeypatch):
    photo, mask, _ = files
    opened = []
    monkeypatch.setattr(
        reading,
        "read",
        lambda path, *given, **more: opened.append(path) or read(path, *given, **more),
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "masks").mkdir()
    for name, (h, w) in {"large.png": (250, 330), "small.png": (40, 60)}.items():
        picture, marks = Image.open(photo), Image.open(mask)
        box = (20, 10, 20 + w, 10 + h) if h < 250 else (0, 0, w, h)
        picture.crop(box).save(tmp_path / "in" / name)
        marks.crop(box).save(tmp_path / "masks" / name)
    config = config_of(
        "text_inpaint", tmp_path / "in", tmp_path / "masks", num_steps=15, parts__steps=10
    )
    summary, said = go(config, tmp_path / "run")
    assert summary["restored"] == 2 and not summary["failed"], said
    by_name = {row["folder"]: row for row in summary["pictures"]}
    assert by_name["large"]["steps"] == 30 and by_name["small"]["steps"] == 15
    assert (tmp_path / "run" / "large" / "parts").is_dir()
    assert not (tmp_path / "run" / "small" / "parts").exists()
    assert sum("large.png" in str(path) for path in opened) == 1
    again, said = go(config, tmp_path / "run")
    assert "2 of 2 pictures are done" in said and again["restored"] == 2


def test_a_run_of_before_there_were_parts_goes_on_as_a_whole(files, tmp_path):
    photo, mask, _ = files
    config = config_of("text_inpaint", photo, mask)
    assert as_begun(tmp_path, config) == config
    before = {name: value for name, value in config.items() if name != "parts"}
    (tmp_path / "config.json").write_text(json.dumps(before))
    now = as_begun(tmp_path, config)
    assert now["parts"]["kind"] == "whole" and check_workdir(tmp_path, now)


def test_a_header_that_no_memory_could_hold_is_refused_before_the_first_fit(files, tmp_path):
    photo, mask, _ = files
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(photo, tmp_path / "in" / name)
    config = config_of("text_inpaint", tmp_path / "in", mask, parts__memory=0.1)
    summary, _ = go(config, tmp_path / "run")
    assert summary["failed"] == 2 and not summary["restored"]
    assert all("allows 0.1" in row["reason"] for row in summary["pictures"])
    assert not (tmp_path / "run" / "a").exists()


def test_without_any_result_either_nothing_was_to_be_fitted_or_all_failed():
    assert stop_reason_of([], []) == "no_fit"
    assert stop_reason_of([], [{"part": 1, "seed": 0, "reason": "gone"}]) == "failed"


def test_failures_are_counted_by_what_failed():
    failed = [{"part": 2, "seed": 0}, {"part": 2, "seed": 1}, {"part": 5, "seed": 0}]
    assert about_failed({"failed": failed, "parts": 9}, 2) == "2 of 9 parts failed"
    assert about_failed({"failed": [{"seed": 3}], "parts": None}, 4) == "1 of 4 seeds failed"


def test_a_torn_part_is_fitted_again(files, finished, tmp_path):
    photo, mask, _ = files
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    (folder / "summary.json").unlink()
    torn = folder / "parts" / "0002" / "part.npz"
    torn.write_bytes(torn.read_bytes()[:100])
    _, said = go(config_of("text_inpaint", photo, mask), folder)
    assert "2 of 3 parts are done" in said
    assert (folder / "restored.png").read_bytes() == (finished[0] / "restored.png").read_bytes()


@pytest.fixture(scope="module")
def smooth_files(tmp_path_factory):
    """A picture that is smooth but on its right side, with a scratch in either half."""
    folder = tmp_path_factory.mktemp("smooth")
    rows, columns = np.mgrid[:200, :300]
    x = 128 + 60 * np.sin(rows / 90) * np.cos(columns / 120)
    x[:, 160:] += 30 * np.random.default_rng(0).standard_normal((200, 140))
    x = np.rint(x.clip(0, 255)).astype(np.uint8)
    fill = np.zeros(x.shape, bool)
    fill[20:23, 30:60] = fill[170:180, 250:254] = True
    Image.fromarray(np.where(fill, 255, x).astype(np.uint8)).save(folder / "photo.png")
    Image.fromarray((255 * fill).astype(np.uint8)).save(folder / "mask.png")
    Image.fromarray((255 * (fill & (columns < 150))).astype(np.uint8)).save(folder / "left.png")
    return folder, x, fill


@pytest.mark.thorough
def test_a_run_fits_only_where_the_picture_is_not_smooth(smooth_files, tmp_path):
    files, x, fill = smooth_files
    config = config_of("text_inpaint", files / "photo.png", files / "mask.png", refine=True)
    summary, said = go(config, tmp_path / "run")
    assert "smooth around 1 of 2 places" in said
    assert summary["parts"] == 1 and summary["steps"] == 15 and summary["refined"]
    restored = pixels_of(tmp_path / "run" / "restored.png")
    np.testing.assert_array_equal(restored[~fill], x[~fill])
    assert np.abs(restored - x)[20:23, 30:60].max() <= 2
    own = ("degrade", "refine", "checkpoint_every")  # of runs, or told apart
    options = {name: value for name, value in CHANGES.items() if name not in own}
    given = pixels_of(files / "photo.png").astype(np.uint8)
    np.testing.assert_array_equal(restored, dip_jax.inpaint(given, fill, options=options))
    # A run of before there was this goes on with all of its parts.
    written = json.loads((tmp_path / "run" / "config.json").read_text())
    del written["parts"]["continue_smooth"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(written))
    assert not as_begun(tmp_path / "run", config)["parts"]["continue_smooth"]


def test_a_run_of_a_smooth_picture_needs_no_fit(smooth_files, tmp_path):
    files, x, _ = smooth_files
    config = config_of("text_inpaint", files / "photo.png", files / "left.png", refine=True)
    folder = tmp_path / "run"
    summary, _ = go(config, folder)
    assert summary["stop_reason"] == "no_fit" and summary["steps"] == 0 and not summary["lanes"]
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "restored.png", "comparison.png", "crops.png"),
        *("report.html", "metrics.jsonl", "summary.json"),
    }
    assert "with no network" in last_words(summary, folder)
    page = (folder / "report.html").read_text()
    assert "continued there by a smooth surface" in page and "no network was needed" in page
    assert np.abs(pixels_of(folder / "restored.png") - x)[20:23, 30:60].max() <= 2
    assert "nothing to do" in go(config, folder)[1]


def test_a_folder_of_smooth_pictures_is_gone_on_with(smooth_files, tmp_path):
    files, x, _ = smooth_files
    for name in ("in", "masks"):
        (tmp_path / name).mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(files / "photo.png", tmp_path / "in" / name)
        shutil.copy(files / "left.png", tmp_path / "masks" / name)
    config = config_of("text_inpaint", tmp_path / "in", tmp_path / "masks", refine=True, seeds=2)
    summary, said = go(config, tmp_path / "run")
    assert summary["restored"] == 2 and not summary["failed"], said
    assert [row["status"] for row in summary["pictures"]] == ["no_fit", "no_fit"]
    assert not (tmp_path / "run" / "a" / "uncertainty.png").exists()
    again, said = go(config, tmp_path / "run")
    assert "2 of 2 pictures are done" in said and again["restored"] == 2
    assert np.abs(pixels_of(tmp_path / "run" / "b" / "restored.png") - x)[20:23, 30:60].max() <= 2
