"""Finds Shepp and Logan's phantom from 30 views with noise of 1 %.

    python -m dip_jax.main --config=configs/tomography.py

The sinogram is made of a sample first. With `--config.image=FILE --config.degrade=none` it is your
own, and `--config.data_range="(0, 60)"` says what its values are. `:draft` is a look in seconds,
`:quick` a smoke run of few steps; `:paper`, the published network for an accelerator, has not been
measured.

Measured at commit a863398bdd from a cold start on two cores of an AMD EPYC, compilation included,
against the clean picture, 128 x 128 pixels: 2 min 21 s, steps 1200 (1188),
33.45 dB found.

Any field can be overridden, as in --config.num_steps=500; `dip-jax run tomography --help`
lists all.
"""

import ml_collections

from dip_jax.settings import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    """The configuration of a preset: none, "draft", "quick" or "paper"."""
    return ml_collections.ConfigDict(tasks.defaults("tomography", preset))
