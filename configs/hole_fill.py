"""Fills holes in a photograph of a cup of coffee.

    python -m dip_jax.main --config=configs/hole_fill.py

Measured at commit ff606c61df from a cold start on two cores of an Intel Xeon, compilation included,
against the clean picture:

    preset    picture     time           steps (chosen)      PSNR over the whole picture
    none      300 x 200   49 s            400 (400)           17.91 dB degraded, 33.57 dB restored

Peak memory 0.9 GB. `:draft` is a look in seconds, `:quick` a smoke run on a small sample; `:paper`,
the published setting for an accelerator, has not been measured.
Any field can be overridden, as in --config.num_steps=500; `dip-jax run hole_fill --help`
lists all.
"""

import ml_collections

from dip_jax.settings import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    """The configuration of a preset: none, "draft", "quick" or "paper"."""
    return ml_collections.ConfigDict(tasks.defaults("hole_fill", preset))
