"""The configuration of every task, as one file for `--config`: `dip-jax run` gives it there.

    --config=dip_jax/settings/configuration.py:hole_fill:quick

It is the same as `--config=configs/hole_fill.py:quick`, and comes with the installed package, where
there is no folder `configs`.
"""

import ml_collections

from dip_jax.settings import tasks


def get_config(name: str) -> ml_collections.ConfigDict:
    """The configuration of a task and a preset, such as "hole_fill" or "hole_fill:quick"."""
    task, _, preset = name.partition(":")
    return ml_collections.ConfigDict(tasks.defaults(task, preset))
