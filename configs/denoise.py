"""Removes noise: to a photograph of a cat, Gaussian noise of sigma 25 (of 255) is added first.

    python -m dip_jax.main --config=configs/denoise.py

Measured from a cold start on two CPU cores, compilation included, against the clean picture
(`:quick` at commit 51d565e, before a step became faster):

    preset    picture     time           steps (chosen)      PSNR over the whole picture
    none      300 x 200   2 min 48 s     1200 (1197)         20.22 dB degraded, 30.05 dB restored
    :quick    128 x 85    41 s           500 (500)           20.26 dB degraded, 28.61 dB restored

Peak memory 2.7 GB. `:paper` is the published setting, for an accelerator; it has
not been measured.
Any field can be overridden, as in --config.num_steps=500; `dip_jax/tasks.py` lists them all.
"""

import ml_collections

from dip_jax import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    """The configuration of a preset: none, "quick" or "paper"."""
    return ml_collections.ConfigDict(tasks.defaults("denoise", preset))
