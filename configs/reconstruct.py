"""Rebuilds a photograph of a cup of coffee from half of its pixels.

    python -m dip_jax.main --config=configs/reconstruct.py

Measured at commit 773e403f3d from a cold start on two cores of an Intel Xeon, compilation included,
against the clean picture:

    preset    picture     time           steps (chosen)      PSNR over the whole picture
    none      300 x 200   1 min 31 s     300 (300)           9.35 dB degraded, 34.20 dB restored

Peak memory 1.0 GB. `:draft` is a look in seconds, `:quick` a smoke run on a small sample; `:paper`,
the published setting for an accelerator, has not been measured.
Any field can be overridden, as in --config.num_steps=500; `dip-jax run reconstruct --help`
lists all.
"""

import ml_collections

from dip_jax.settings import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    """The configuration of a preset: none, "draft", "quick" or "paper"."""
    return ml_collections.ConfigDict(tasks.defaults("reconstruct", preset))
