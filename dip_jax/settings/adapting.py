"""What a picture is examined for before the fit, according to its configuration."""

from dip_jax.prepare.prepared import Adapting
from dip_jax.settings.tasks import Config


def adapting(config: Config) -> Adapting:
    """What a picture is examined for.

    Args:
        config: as `tasks.defaults` gives it.
    """
    return Adapting(**config["adapt"])
