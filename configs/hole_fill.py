"""Fills holes in a photograph of a cup of coffee.

    python -m dip_jax.main --config=configs/hole_fill.py

Measured at commit 4f62c2adc3 from a cold start on two cores of an AMD EPYC, compilation included,
against the clean picture:

    preset    picture     time           steps (chosen)      PSNR over the whole picture
    none      300 x 200   1 min 34 s      400 (400)           17.91 dB degraded, 32.31 dB restored

Peak memory 1.0 GB. `:draft` is a look in seconds, `:quick` a smoke run on a small sample; `:paper`,
the published setting for an accelerator, has not been measured.
Any field can be overridden, as in --config.num_steps=500; `dip-jax run hole_fill --help`
lists all.
"""

import ml_collections

from dip_jax.settings import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    """The configuration of a preset: none, "draft", "quick" or "paper"."""
    return ml_collections.ConfigDict(tasks.defaults("hole_fill", preset))
