"""Fills holes in a photograph of a cup of coffee.

    python -m dip_jax.main --config=configs/hole_fill.py

Measured from a cold start on two CPU cores, compilation included, against the clean picture:

    preset    picture     time           steps (chosen)      PSNR over the whole picture
    none      300 x 200   1 min 24 s     600 (588)           17.91 dB degraded, 32.64 dB restored
    :quick    128 x 85    31 s           500 (499)           18.07 dB degraded, 32.80 dB restored

Peak memory 1.3 GB. `:paper` is the published setting for an accelerator; it has not been measured.
Any field can be overridden, as in --config.num_steps=500; `dip_jax/tasks.py` lists them all.
"""

import ml_collections

from dip_jax import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    """The configuration of a preset: none, "quick" or "paper"."""
    return ml_collections.ConfigDict(tasks.defaults("hole_fill", preset))
