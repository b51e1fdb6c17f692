"""What a configuration makes of the results: which ending they have."""

from dip_jax.finish.ensemble import Ending
from dip_jax.settings.tasks import Config, task_of


def ending(config: Config) -> Ending:
    """How the results of the seeds become the picture given.

    Filled values are refined by the known ones around them. So they are not refined if known values
    are not kept, or need not be met without a seam. With ES-WMV a noisy picture is not refined: it
    is the criterion for noise that denoisers would take for the picture.

    Args:
        config: as `tasks.defaults` gives it.
    """
    refinement = task_of(config).refinement
    if refinement in ("agreement", "compression"):
        return Ending(keep_known=False, seamless=False, refine=config["refine"])
    fills = refinement == "filling"
    keep_known = fills and config["keep_known"]
    seamless = keep_known and config["seamless"]
    can_refine = seamless if fills else config["stop"]["criterion"] != "wmv"
    return Ending(keep_known, seamless, config["refine"] and can_refine, config["refine_judged"])
