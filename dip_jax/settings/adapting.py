"""What a picture is looked at for before it is fitted, by its configuration."""

from dip_jax.prepare.prepared import Adapting
from dip_jax.settings.tasks import Config


def adapting(config: Config) -> Adapting:
    """What a picture is looked at for.

    Args:
        config: as `tasks.defaults` gives it.
    """
    return Adapting(**config["adapt"])
