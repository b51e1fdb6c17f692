"""Removes overlaid text from a photograph of an astronaut.

    python -m dip_jax.main --config=configs/text_inpaint.py

Measured at commit 773e403f3d from a cold start on two cores of an Intel Xeon, compilation included,
against the clean picture:

    preset    picture     time           steps (chosen)      PSNR over the whole picture
    none      256 x 256   1 min 24 s      350 (350)           12.46 dB degraded, 34.09 dB restored

Peak memory 0.9 GB. `:draft` is a look in seconds, `:quick` a smoke run on a small sample; `:paper`,
the published setting for an accelerator, has not been measured.
Any field can be overridden, as in --config.num_steps=500; `dip-jax run text_inpaint --help`
lists all.
"""

import ml_collections

from dip_jax.settings import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    """The configuration of a preset: none, "draft", "quick" or "paper"."""
    return ml_collections.ConfigDict(tasks.defaults("text_inpaint", preset))
