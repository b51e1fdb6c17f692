"""A message is told in the words of the door that a person came by."""

import pickle
import threading

import numpy as np
import pytest

import dip_jax
from dip_jax.errors import (
    CONFIGURATION,
    PYTHON,
    WORKDIR,
    FitError,
    InputError,
    field,
    setting,
    speaking,
    told,
)

PARTS = (field("stop.patience"), " is -1 in ", WORKDIR, ": say ", setting("stop.criterion", "none"))


def test_each_door_has_its_words():
    assert told(*PARTS) == (
        "config.stop.patience is -1 in --workdir: say --config.stop.criterion=none"
    )
    with speaking(PYTHON):
        assert told(*PARTS) == "stop.patience is -1 in the folder: say criterion='none'"
        with speaking(CONFIGURATION):
            assert told(field("seed")) == "config.seed"
        assert told(field("seed")) == "rng"
    assert told(field("seed")) == "config.seed"


def test_an_error_is_told_where_it_is_shown_or_stays_as_it_was_spoken():
    with speaking(PYTHON):
        error, settled = FitError(*PARTS), FitError(*PARTS)
        settled.settle()
    assert str(error).startswith("config.stop.patience")
    assert str(settled).startswith("stop.patience")
    for one in (error, settled):
        again = pickle.loads(pickle.dumps(one))
        assert str(again) == str(one) and type(again) is FitError
    with pytest.raises(ValueError, match="of that kind"):
        raise InputError("no picture of that kind {braces} stay")


def test_a_door_speaks_for_its_own_thread():
    heard = []
    with speaking(PYTHON):
        thread = threading.Thread(target=lambda: heard.append(told(field("seed"))))
        thread.start()
        thread.join()
    assert heard == ["config.seed"]


def test_from_python_a_field_has_its_plain_name_and_nothing_stays_behind():
    with pytest.raises(dip_jax.InputError, match=r"^learning_rate is 0\.0, expected") as caught:
        dip_jax.denoise(np.zeros((40, 40)), options={"learning_rate": 0.0})
    assert str(caught.value) == caught.value.args[0]
    assert told(field("seed")) == "config.seed"
