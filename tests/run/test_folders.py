"""A folder of pictures: mixed sizes, what is wrong with some, going on, several seeds."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dip_jax.errors import InputError
from dip_jax.pictures import reading, samples
from dip_jax.report.progress import PlainProgress
from dip_jax.run.listing import entry_names, find_pictures, is_many, title
from dip_jax.run.many import run_folder
from dip_jax.run.one import run
from dip_jax.run.picture_run import PictureRun
from dip_jax.run.words import last_words
from dip_jax.settings import tasks


def config_of(**changes):
    config = tasks.defaults("hole_fill")
    config["network"] |= {"scales": 1, "down": (4,), "up": (4,)}
    config |= {"num_steps": 10, "log_every": 5, "preview_every": 0, "checkpoint_every": 5}
    config["refine"] = False
    return config | changes


def go(config, folder, **options):
    stream = io.StringIO()
    summary = run_folder(config, folder, PlainProgress("test", stream), **options)
    return summary, stream.getvalue()


def photo(folder, name, side, mask=True):
    pixels = samples.sample("coffee", side).pixels
    (folder / "photos").mkdir(exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    Image.fromarray(pixels).save(folder / "photos" / name)
    if mask:
        fill = np.zeros(pixels.shape[:2], np.uint8)
        fill[3:9, 5:12] = 255
        Image.fromarray(fill).save(folder / "masks" / f"{Path(name).stem}.png")


@pytest.fixture
def photos(tmp_path):
    photo(tmp_path, "a.png", 40)
    photo(tmp_path, "b.png", 24)
    photo(tmp_path, "c.tif", 39)
    photo(tmp_path, "d.png", 30, mask=False)
    photo(tmp_path, "e.png", 40)
    broken = tmp_path / "photos" / "e.png"
    broken.write_bytes(broken.read_bytes()[:300])
    photo(tmp_path, "f.png", 24)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "masks" / "f.png")
    return config_of(image=str(tmp_path / "photos" / "*"), mask=str(tmp_path / "masks"))


@pytest.mark.thorough
@pytest.mark.slow
def test_what_is_wrong_with_some_is_told_and_the_others_are_as_alone(photos, tmp_path):
    summary, said = go(photos, tmp_path / "run")
    assert (summary["restored"], summary["failed"], summary["left"]) == (3, 3, 0)
    rows = {row["folder"]: row for row in summary["pictures"]}
    assert list(rows) == ["a", "b", "c", "d", "e", "f"]
    assert [rows[name]["status"] for name in "abc"] == ["num_steps"] * 3
    assert "no file for d.png" in rows["d"]["reason"]
    assert "e.png" in rows["e"]["reason"] and "broken" in rows["e"]["reason"]
    assert "9 x 9" in rows["f"]["reason"]
    assert "[6 of 6]" in said
    for name, suffix in (("a", "png"), ("b", "png"), ("c", "tif")):
        one = photos | {
            "image": str(tmp_path / "photos" / f"{name}.{suffix}"),
            "mask": str(tmp_path / "masks" / f"{name}.png"),
        }
        alone = run(one, tmp_path / f"alone-{name}", PlainProgress("test", io.StringIO()))
        restored = f"restored.{suffix}"
        there = reading.read(tmp_path / "run" / name / restored).pixels
        np.testing.assert_array_equal(
            there, reading.read(tmp_path / f"alone-{name}" / restored).pixels
        )
        assert rows[name]["chosen_step"] == alone["chosen_step"]
        assert rows[name]["shape"] == list(there.shape)
    table = (tmp_path / "run" / "summary.md").read_text()
    assert "| a.png " in table and "40 × 27" in table and "- f.png: the mask" in table
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary


@pytest.mark.thorough
@pytest.mark.slow
def test_finished_pictures_are_kept_and_mended_ones_are_done(photos, tmp_path):
    asked = iter([False] * 4 + [True] * 50)  # in the midst of the second picture
    summary, _ = go(photos, tmp_path / "run", should_stop=lambda: next(asked))
    assert summary["stop_reason"] == "interrupted" and summary["left"] == 4
    kept = tmp_path / "run" / "a" / "restored.png"
    before = kept.stat().st_mtime_ns
    photo(tmp_path, "d.png", 30)
    summary, said = go(photos, tmp_path / "run")
    assert "1 of 6 pictures are done" in said
    assert (summary["restored"], summary["failed"], summary["left"]) == (4, 2, 0)
    assert kept.stat().st_mtime_ns == before
    again, _ = go(photos, tmp_path / "run")
    assert again["pictures"] == summary["pictures"]
    with pytest.raises(InputError, match="another run"):
        go(photos | {"num_steps": 11}, tmp_path / "run")


@pytest.mark.thorough
@pytest.mark.slow
def test_every_picture_has_its_seeds_in_refilled_places(tmp_path):
    for name, side in (("a.png", 24), ("b.png", 26), ("c.png", 25)):
        photo(tmp_path, name, side)
    config = config_of(image=str(tmp_path / "photos"), mask=str(tmp_path / "masks" / "*.png"))
    config |= {"seeds": 3, "learning_rate": 1e-4, "lanes": {"at_once": 2, "form": "vmap"}}
    summary, _ = go(config, tmp_path / "run")
    assert summary["restored"] == 3 and [row["seeds"] for row in summary["pictures"]] == [3] * 3
    one = config | {
        "image": str(tmp_path / "photos" / "b.png"),
        "mask": str(tmp_path / "masks" / "b.png"),
    }
    one |= {"lanes": {"at_once": 1, "form": "loop"}}
    run(one, tmp_path / "alone", PlainProgress("test", io.StringIO()))
    for seed in "012":
        with (
            np.load(tmp_path / "run" / "b" / "seeds" / seed / "result.npz") as there,
            np.load(tmp_path / "alone" / "seeds" / seed / "result.npz") as alone,
        ):
            np.testing.assert_allclose(there["x"], alone["x"], atol=1e-5)


def test_one_mask_serves_all_and_a_sample_of_the_folder_is_damaged(tmp_path):
    photo(tmp_path, "a.png", 24)
    photo(tmp_path, "b.png", 24)
    config = config_of(image=str(tmp_path / "photos"), mask=str(tmp_path / "masks" / "a.png"))
    assert [one.mask for one in find_pictures(config)] == [config["mask"]] * 2
    summary, _ = go(config_of(image=str(tmp_path / "photos"), num_steps=2), tmp_path / "run")
    row = summary["pictures"][1]
    assert row["psnr_true"] > 0 and row["psnr_degraded"] > 0
    assert "degraded, dB" in (tmp_path / "run" / "summary.md").read_text()


def test_pictures_are_read_only_when_their_turn_comes(tmp_path, monkeypatch):
    for name in "abcdef":
        photo(tmp_path, f"{name}.png", 24)
    open_now, most = set(), []
    read, forget = reading.read, PictureRun.forget

    def counting_read(path, *how, **named):
        if "photos" in str(path):
            open_now.add(Path(path).stem)
            most.append(len(open_now))
        return read(path, *how, **named)

    def counting_forget(self):
        open_now.discard(self.folder.name)
        forget(self)

    monkeypatch.setattr(reading, "read", counting_read)
    monkeypatch.setattr(PictureRun, "forget", counting_forget)
    config = config_of(image=str(tmp_path / "photos"), mask=str(tmp_path / "masks"), num_steps=2)
    summary, _ = go(config, tmp_path / "run")
    assert summary["restored"] == 6 and max(most) <= 2


@pytest.mark.skipif(os.name != "posix", reason="names there are UTF-16")
def test_a_name_that_is_not_utf_8_is_a_failure_of_that_picture_alone(tmp_path):
    photo(tmp_path, "a.png", 24)
    strange = os.fsdecode(b"\xb5m.png")
    try:
        photo(tmp_path, strange, 24)
    except (OSError, UnicodeError):
        pytest.skip("the file system takes no such name")
    config = config_of(image=str(tmp_path / "photos"), mask=str(tmp_path / "masks"))
    summary, _ = go(config | {"num_steps": 2}, tmp_path / "run")
    assert (summary["restored"], summary["failed"]) == (1, 1)
    assert json.loads((tmp_path / "run" / "summary.json").read_text("utf-8")) == summary
    assert (tmp_path / "run" / "summary.md").read_text("utf-8").count("not UTF-8") == 1


def test_an_empty_folder_is_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "photos").mkdir()
    for image in (tmp_path / "photos", tmp_path / "*.png"):
        with pytest.raises(InputError, match="stands for no picture"):
            go(config_of(image=str(image)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_picture_that_the_memory_is_too_small_for_fails_alone(tmp_path, monkeypatch):
    photo(tmp_path, "a.png", 24)
    photo(tmp_path, "b.png", 24)
    Image.new("L", (9000, 9000)).save(tmp_path / "photos" / "b.png")
    monkeypatch.setattr("dip_jax.settings.estimates.device_bytes", lambda device: 10**9)
    config = config_of(image=str(tmp_path / "photos"), mask=str(tmp_path / "masks"))
    config["parts"] = {**config["parts"], "kind": "whole"}
    summary, said = go(config | {"num_steps": 2}, tmp_path / "run")
    assert (summary["restored"], summary["failed"]) == (1, 1)
    assert "seconds for all steps of 1 picture;" in said
    assert "of memory with this network" in summary["pictures"][1]["reason"]


def test_names_that_collide_get_more_of_their_path():
    def names(*paths):
        return [name for (name,) in entry_names([Path(path) for path in paths], [1] * len(paths))]

    assert names("x/a.png", "x/b.png") == ["a", "b"]
    assert names("x/a.png", "x/a.tif", "x/b.png") == ["a.png", "a.tif", "b"]
    assert names("x/a.png", "x/A.png") != ["a", "A"]
    assert names("x/a.png", "y/a.png") == ["x-a.png", "y-a.png"]
    assert names("x/summary.json.png") == ["summary.json.png"]
    twins = names("p/x/a.png", "q/x/a.png")
    assert len(set(twins)) == 2 and all(name.startswith("a.png-") for name in twins)


def test_a_folder_and_a_pattern_stand_for_many(tmp_path):
    odd = tmp_path / "photo[1].png"
    odd.write_bytes(b"")
    assert is_many(str(tmp_path)) and is_many(str(tmp_path / "*.png"))
    assert not is_many(str(odd)) and not is_many("") and not is_many("no.png")
    assert title("scans/2024/*.png") == "2024" and title("scans") == "scans"
    assert title("*.png") == "pictures"


def test_damage_that_is_added_to_a_folder_of_pictures_cannot_be_missed(tmp_path):
    photo(tmp_path, "a.png", 24, mask=False)
    config = config_of(image=str(tmp_path / "photos")) | {"num_steps": 1}
    summary, said = go(config, tmp_path / "run")
    first = said.splitlines()[0]
    assert first.startswith("holes are cut into all pictures") and "--config.mask=" in first
    note = "holes were cut into all pictures by this run"
    assert last_words(summary, tmp_path / "run").splitlines()[-1].startswith(note)
    assert f"Mind that {note}" in (tmp_path / "run" / "summary.md").read_text("utf-8")
    page = (tmp_path / "run" / "a" / "report.html").read_text("utf-8")
    assert "Mind that holes were cut into a.png" in page
