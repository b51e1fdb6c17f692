"""Deep Image Prior in JAX: restores damaged pictures with no training data.

`denoise`, `inpaint`, `fill_hole` and `reconstruct` take an array and give one like it. Importing
the package is light: JAX is imported when one of them is first looked up. What a program has set of
JAX does not change their results, and they leave it as it is; compiled programs are kept in the
user's cache folder, as `lanes.disk` says, which also says how not to.
"""

import importlib
from typing import TYPE_CHECKING, Any

from dip_jax import forks as forks  # first of all: it is to see every fork

if TYPE_CHECKING:
    from dip_jax.api.functions import denoise, fill_hole, inpaint, reconstruct
    from dip_jax.api.info import FitInfo, FitStep
    from dip_jax.errors import InputError
    from dip_jax.lanes.jobs import Restoration

__version__ = "0.1.0"
__all__ = [
    "FitInfo",
    "FitStep",
    "InputError",
    "Restoration",
    "denoise",
    "fill_hole",
    "inpaint",
    "reconstruct",
]


_MODULES = {
    "FitInfo": "api.info",
    "FitStep": "api.info",
    "InputError": "errors",
    "Restoration": "lanes.jobs",
}  # of the others: api.functions


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"dip_jax.{_MODULES.get(name, 'api.functions')}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
