"""Fills holes in a photograph of a cup of coffee.

    python -m dip_jax.main --config=configs/hole_fill.py

Measured on two CPU cores against the clean picture, over the whole of it:

    preset    picture     steps (chosen)      PSNR
    none      300 x 200   600 (600)           17.91 dB degraded, 31.07 dB restored

Peak memory 2.0 GB. `:quick` is a smoke run. `:paper` is the published setting for an accelerator;
it has not been measured.
Any field can be overridden, as in --config.num_steps=500; `dip_jax/tasks.py` lists them all.
"""

import ml_collections

from dip_jax import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    """The configuration of a preset: none, "quick" or "paper"."""
    return ml_collections.ConfigDict(tasks.defaults("hole_fill", preset))
