"""What the benchmark of held-out measurements compares."""

import numpy as np
import pytest

from benchmarks import heldout
from dip_jax.settings import tasks
from dip_jax.settings.fields import override

TINY = {"network.scales": 1, "network.down": (4,), "network.up": (4,)}


@pytest.mark.parametrize("name", heldout.SUITES)
def test_its_settings_can_be_used(name):
    suite = heldout.SUITES[name]
    assert suite.choices[0] == heldout.SINGLE  # which is what is compared with
    for kind, block in suite.choices:
        changes = {"heldout.kind": kind, "heldout.block": block}
        heldout.build.fit_settings(override(tasks.defaults(suite.task), changes))


@pytest.mark.thorough
def test_the_oracle_sees_the_steps_after_the_stop():
    suite = heldout.SUITES["deblur"]
    clean = np.random.default_rng(0).random((32, 32, 1)).astype(np.float32)
    changes = TINY | {"num_steps": 40, "stop.patience": 2, "refine": False}
    stopped = heldout.fitted(suite, clean, 0, changes)
    assert stopped["steps"] == 40 and stopped["step"] <= stopped["oracle step"]
    assert stopped["result"] == pytest.approx(stopped["chosen"], abs=1e-3)
    assert stopped["chosen"] <= stopped["oracle"]
    longer = heldout.fitted(suite, clean, 0, changes | {"stop.patience": 100})
    assert longer["oracle"] == pytest.approx(stopped["oracle"], abs=1e-3)
    assert longer["step"] >= stopped["step"]
