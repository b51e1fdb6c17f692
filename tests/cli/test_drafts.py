"""`--draft`: a picture that its own patches restore is written with no step of a network."""

import numpy as np
import pytest
from PIL import Image

from dip_jax.cli import command
from dip_jax.cli.many_files import restore_files
from dip_jax.pictures import samples


@pytest.fixture
def clean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = samples.sample("chelsea", 96).pixels[:48, 16:64]
    fill = np.random.default_rng(1).random(x.shape[:2]) < 0.4
    Image.fromarray(np.where(fill[..., None], 0, x).astype(np.uint8)).save("holes.png")
    Image.fromarray((255 * fill).astype(np.uint8)).save("mask.png")
    return x, fill


@pytest.mark.parametrize("more", [(), ("--report", "run")], ids=["alone", "with a report"])
def test_the_words_of_a_draft(clean, capfd, more):
    x, fill = clean
    words = ("reconstruct", "holes.png", "--mask", "mask.png", "--draft", "-o", "out.png", *more)
    assert restore_files(command.make_parser().parse_args(words)) == 0
    said = capfd.readouterr()
    assert "finished: 0 steps, with no network\nout.png\n" in said.out
    assert "--set refine_alone=False fits one" in said.err
    made = np.asarray(Image.open("out.png"))
    np.testing.assert_array_equal(made[~fill], x[~fill])
    assert np.abs(made[fill].astype(float) - x[fill]).mean() < 8
