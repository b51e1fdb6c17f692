"""Rebuilds a photograph of a cup of coffee from half of its pixels.

    python -m dip_jax.main --config=configs/reconstruct.py

Measured at commit 51d565e, before a step became faster, from a cold start on two CPU cores,
compilation included, against the clean picture:

    preset    picture     time           steps (chosen)      PSNR over the whole picture
    none      300 x 200   3 min 43 s     1200 (1200)         9.35 dB degraded, 29.93 dB restored
    :quick    128 x 85    45 s           500 (500)           9.35 dB degraded, 28.88 dB restored

Peak memory 1.6 GB. `:paper` is the published setting for an accelerator; it has not been measured.
Any field can be overridden, as in --config.num_steps=500; `dip_jax/tasks.py` lists them all.
"""

import ml_collections

from dip_jax import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    """The configuration of a preset: none, "quick" or "paper"."""
    return ml_collections.ConfigDict(tasks.defaults("reconstruct", preset))
