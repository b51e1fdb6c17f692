"""What is wrong with the flags of a configuration, in one line and in their own words."""

import pytest
from absl import flags
from checkout import ROOT
from ml_collections import config_flags

from dip_jax.cli import causes

CONFIG = "--config=configs/denoise.py"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # by how ml_collections loads a file
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            (CONFIG, "--config.num_steps=abc"),
            "--config.num_steps is 'abc', expected a whole number",
        ),
        ((CONFIG, "--config.learning_rate=low"), "'low', expected a number"),
        ((CONFIG, "--config.keep_known=maybe"), "'maybe', expected True or False"),
        ((CONFIG, "--config.nm_steps=3"), "no field 'nm_steps'; did you mean 'num_steps'?"),
        ((CONFIG, "--image=a.png"), "no flag --image: did you mean --config.image?"),
        ((CONFIG, "--steps=5"), "no flag --steps: did you mean --config.num_steps?"),
        (("--config.num_steps=5",), "say --config=configs/hole_fill.py before"),
        (("--config=configs/denois.py",), "'configs/denois.py' cannot be loaded"),
        (("--config", "pyproject.toml"), "'pyproject.toml' cannot be loaded"),
        (("--config=configs/denoise.py:fast",), "config.preset is 'fast'"),
        ((CONFIG, "--config.task=hole_fill"), "--config.task cannot be set"),
        ((CONFIG, "--config.preset=quick"), "such as --config=configs/hole_fill.py:quick"),
    ],
)
def test_a_wrong_flag_is_told_in_one_line(words, said, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["main", *words])  # where fields are looked for
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "", flag_values=values)
    try:
        values(["main", *words])
        if values["config"].value is not None:
            values["config"].value.to_dict()
        told = causes.not_to_be_set(config_flags.get_override_values(values["config"]))
    except Exception as error:
        told = causes.cause(error, ["main", *words])
    assert said in told and "\n" not in told.strip()


def test_a_picture_without_a_flag_is_told_how_it_is_given(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert "--config.image=README.md" in causes.misplaced("README.md")
    assert "options look like --config.num_steps=500" in causes.misplaced("nothing")
