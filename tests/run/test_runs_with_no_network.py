"""Runs that are refined alone: their folder, their words, and those that were begun before."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from dip_jax.errors import Interrupted
from dip_jax.pictures import samples
from dip_jax.report.progress import PlainProgress
from dip_jax.run.start import start
from dip_jax.run.words import last_words
from dip_jax.run.workdir import as_begun
from dip_jax.settings import fields, tasks

CHANGES = {"degrade": "none", "refine_alone": True}


@pytest.fixture(scope="module")
def clean():
    return samples.sample("chelsea", 96).pixels[:64, 16:80]


@pytest.fixture(scope="module")
def fill(clean):
    return np.random.default_rng(1).random(clean.shape[:2]) < 0.5


@pytest.fixture(scope="module")
def files(clean, fill, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name in ("in", "masks"):
        (folder / name).mkdir()
    given = np.where(fill[..., None], 0, clean).astype(np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(given).save(folder / "in" / name)
        Image.fromarray((255 * fill).astype(np.uint8)).save(folder / "masks" / name)
    return folder / "in", folder / "masks"


def config_of(image, mask, **changes):
    files = {"image": str(image), "mask": str(mask)}
    return fields.override(tasks.defaults("reconstruct"), CHANGES | files | changes)


def go(config, folder, **options):
    stream = io.StringIO()
    summary = start(config, folder, PlainProgress("test", stream), **options)
    return summary, stream.getvalue()


def test_a_run_with_no_network(files, clean, fill, tmp_path):
    config, folder = config_of(files[0] / "a.png", files[1] / "a.png"), tmp_path / "run"
    summary, said = go(config, folder)
    assert summary["stop_reason"] == "alone" and summary["steps"] == 0 and summary["refined"]
    assert "by its own patches, with no network; --config.refine_alone=False fits one" in said
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "restored.png", "comparison.png"),
        *("report.html", "metrics.jsonl", "summary.json"),
    }
    restored = np.asarray(Image.open(folder / "restored.png"))
    np.testing.assert_array_equal(restored[~fill], clean[~fill])
    assert np.square((restored / 255.0 - clean / 255.0)[fill]).mean() < 0.002
    page = (folder / "report.html").read_text()
    assert "restored by its own patches, with no network" in page
    assert "smooth surface" not in page and "criterion" not in page
    assert summary["seconds"] > 0 and "of refinement" in page and "At full size" not in page
    assert "finished: 0 steps, with no network" in last_words(summary, folder)
    assert "nothing to do" in go(config, folder)[1]


def test_a_folder_of_them(files, tmp_path):
    summary, said = go(config_of(*files, seeds=2), tmp_path / "run")
    assert summary["restored"] == 2 and not summary["failed"], said
    assert [row["status"] for row in summary["pictures"]] == ["alone", "alone"]
    first, second = (
        np.asarray(Image.open(tmp_path / "run" / name / "restored.png")) for name in ("a", "b")
    )
    np.testing.assert_array_equal(first, second)


def test_tiles_are_gone_on_with(tmp_path):
    clean = samples.sample("chelsea", 300).pixels[:160, :160]
    noise = 25 * np.random.default_rng(2).standard_normal(clean.shape)
    Image.fromarray(np.clip(clean + noise, 0, 255).round().astype(np.uint8)).save(
        tmp_path / "y.png"
    )
    changes = {"image": str(tmp_path / "y.png"), "degrade": "none", "parts.kind": "tiles"}
    config = fields.override(tasks.defaults("denoise", "draft"), changes | {"parts.side": 128})
    answers, folder = iter([False, False, True]), tmp_path / "run"
    with pytest.raises(Interrupted, match="the same command goes on"):
        go(config, folder, should_stop=lambda: next(answers))
    assert len(list((folder / "tiles").iterdir())) == 2
    (folder / "tiles" / "0002.npz").write_bytes(b"torn")
    asked = []
    summary, said = go(config, folder, should_stop=lambda: bool(asked.append(0)))
    assert summary["stop_reason"] == "alone" and "4 of 4 tiles are made" in said
    assert len(asked) == 3 and not (folder / "tiles").exists()
    go(config, tmp_path / "other")
    one, other = ((tmp_path / name / "restored.png").read_bytes() for name in ("run", "other"))
    assert one == other


def test_a_draft_that_was_begun_before_goes_on_as_a_fit(files, tmp_path):
    draft = tasks.defaults("reconstruct", "draft")
    assert draft["refine_alone"]
    before = {name: value for name, value in draft.items() if name != "refine_alone"}
    (tmp_path / "config.json").write_text(json.dumps(before))
    assert not as_begun(tmp_path, draft)["refine_alone"]
    asked_for = fields.override(tasks.defaults("reconstruct"), {"refine_alone": True})
    assert as_begun(tmp_path, asked_for)["refine_alone"]  # and is refused, for it was not so
    (tmp_path / "config.json").write_text(json.dumps(draft))
    assert as_begun(tmp_path, draft)["refine_alone"]
