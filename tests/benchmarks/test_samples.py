"""The pictures of the benchmarks."""

import numpy as np
import pytest

from benchmarks.common import samples
from dip_jax.run.inputs import prepare
from dip_jax.settings import tasks


@pytest.mark.parametrize("task", tasks.TASKS)
def test_a_benchmark_damages_a_sample_as_the_command_does(task):
    """Burnt-in text is white in both: the benchmarks' was black."""
    config = tasks.defaults(task)
    config["sample"] |= {"side": 64}
    job = prepare(config)
    clean, y, fill = samples.damaged(config, config["sample"]["name"], 64)
    np.testing.assert_array_equal(clean, job.clean)
    np.testing.assert_array_equal(y, job.y)
    assert (fill is None) == (job.fill is None)
    if fill is not None:
        np.testing.assert_array_equal(fill, job.fill)
        if task == "text_inpaint":
            assert (y[fill] == 1).all()
