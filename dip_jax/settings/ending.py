"""What a configuration makes of the results: which ending they have."""

from dip_jax.finish.ensemble import Ending
from dip_jax.settings.tasks import MEASURED, Config, task_of


def ending(config: Config) -> Ending:
    """How the results of the seeds become the picture given.

    What is filled is refined by the known values around it, so not where these are not kept, or
    are not trusted so far as to be met without a seam. Noise is not refined with ES-WMV, which is
    the criterion for noise that denoisers would take for the picture.

    Args:
        config: as `tasks.defaults` gives it.
    """
    if config["task"] == "demosaic":
        return Ending(True, config["seamless"], config["refine"], config["refine_judged"])
    if config["task"] in MEASURED:
        return Ending(keep_known=False, seamless=False, refine=config["refine"])
    fills = task_of(config).fills
    keep_known = fills and config["keep_known"]
    seamless = keep_known and config["seamless"]
    can_refine = seamless if fills else config["stop"]["criterion"] != "wmv"
    return Ending(keep_known, seamless, config["refine"] and can_refine, config["refine_judged"])
