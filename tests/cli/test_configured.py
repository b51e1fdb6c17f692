"""`dip-jax run`: the configurations that come with the package, and what is wrong in one line."""

import importlib.util

import pytest
from absl import flags
from checkout import ROOT
from ml_collections import config_flags

from dip_jax import __main__ as door
from dip_jax.cli import causes, configured, startup
from dip_jax.errors import speaking
from dip_jax.settings import configuration, tasks


@pytest.fixture(autouse=True)
def _process_as_it_is(monkeypatch):
    """What `dip_jax.main` sets when it is imported cannot be taken back; its words can."""
    monkeypatch.setattr("sys.argv", ["pytest"])
    monkeypatch.setattr(startup, "prepare_memory", lambda **_: None)


def config_of(path):
    spec = importlib.util.spec_from_file_location("config_of_a_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config


@pytest.mark.parametrize("preset", tasks.PRESETS)
@pytest.mark.parametrize("task", tasks.DOORS)
def test_it_is_that_of_the_checkout(task, preset):
    name = f"{task}:{preset}" if preset else task
    theirs = config_of(ROOT / "configs" / f"{task}.py")(preset)
    assert configuration.get_config(name).to_dict() == theirs.to_dict()


def test_a_task_goes_by_both_of_its_names():
    assert configured.flag_of(["inpaint:quick"]) == configured.flag_of(["text_inpaint:quick"])
    assert configured.flag_of(["hole_fill"]).endswith("configuration.py:hole_fill")
    assert configured.flag_of(["restore"]) is None  # it takes an operator, which is Python


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say TASK after 'run' (denoise, text_inpaint"),
        (("--config.seed=1",), "as in 'dip-jax run hole_fill'"),
        (("hole_fil:quick",), "did you mean hole_fill:quick?"),
        (("restore",), "'restore' is no task"),
        (("configs/mine.py",), "python -m dip_jax.main --config=configs/mine.py"),
        (("photo.png",), "a picture is given as --config.image=photo.png"),
    ],
)
def test_what_is_no_task_is_told(words, said, capsys):
    assert door.main(["run", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("denoise:fast",), "such as dip-jax run TASK:draft"),
        (("denoise", "--config.nm_steps=3"), "no field 'nm_steps'; did you mean 'num_steps'?"),
        (("denoise", "--config.xyz=3"), "no field 'xyz': 'dip-jax run TASK --help' lists all"),
        (("denoise", "--config.task=hole_fill"), "choose that, such as dip-jax run hole_fill"),
        (("denoise", "--config.preset=quick"), "such as dip-jax run hole_fill:quick"),
        (("denoise", "--steps=5"), "did you mean --config.num_steps?"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # by how ml_collections loads a file
def test_a_wrong_field_is_told_in_words_of_this_door(words, said, monkeypatch):
    monkeypatch.setattr("sys.argv", ["dip-jax", "run", *words])
    argv = ["dip-jax run", configured.flag_of(words), *words[1:]]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "", flag_values=values)
    with speaking(configured.RUN):
        try:
            values(argv)
            overridden = config_flags.get_override_values(values["config"])
            told = causes.not_to_be_set(overridden, configured.EXAMPLE)
        except Exception as error:
            told = causes.cause(error, argv)
    assert said in told and "\n" not in told.strip()


def test_it_is_meant_where_it_is_misspelt(capsys):
    with pytest.raises(SystemExit) as ended:
        door.main(["rnu", "denoise"])
    assert ended.value.code == 2 and "did you mean run?" in capsys.readouterr().err


def test_help_lists_every_field(capsys):
    assert door.main(["run", "--help"]) == 0
    out = capsys.readouterr().out
    assert "exit codes:" in out and all(task in out for task in tasks.DOORS)
    assert door.main(["run", "deblur", "--help"]) == 0
    out = capsys.readouterr().out
    assert "  operator.sigma = 1.6\n" in out
    assert "Allowed: heldout, wmv, oracle, none." in " ".join(out.split())


def test_the_other_door_is_the_command(capsys):
    with pytest.raises(SystemExit) as ended:
        door.main(["denoise", "--help"])
    assert ended.value.code == 0 and "the number of fits" in capsys.readouterr().out
