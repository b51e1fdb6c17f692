import ml_collections

from dip_jax import tasks


def get_config(preset: str = "") -> ml_collections.ConfigDict:
    return ml_collections.ConfigDict(tasks.defaults("text_inpaint", preset))
