"""Removes the traces of JPEG at quality 10 from a photograph of a cat.

    python -m dip_jax.main --config=configs/remove_jpeg.py

The damage is done to a sample first. With `--config.image=FILE --config.degrade=none` it is your
own picture. `:draft` is a look in seconds, `:quick` a smoke run on a small sample; `:paper`, the
published network at full size for an accelerator, has not been measured.

Measured at commit a863398bdd from a cold start on two cores of an AMD EPYC, compilation included,
against the clean picture, 256 x 170 pixels: 58 s, steps 1200 (1189),
27.62 dB degraded, 27.82 dB restored.

Any field can be overridden, as in --config.num_steps=500; `dip-jax run remove_jpeg --help`
lists all.
"""

import ml_collections

from dip_jax.settings import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    """The configuration of a preset: none, "draft", "quick" or "paper"."""
    return ml_collections.ConfigDict(tasks.defaults("remove_jpeg", preset))
