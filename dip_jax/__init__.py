"""Deep Image Prior in JAX: restores damaged pictures with no training data.

`denoise`, `inpaint`, `fill_hole` and `reconstruct` take an array and give one like it;
`super_resolve`, `deblur`, `demosaic` and `remove_jpeg` find the picture that an array was measured
of, and `restore` does for any operator, those of `dip_jax.operators` or one's own. Importing the
package is light: JAX is imported when one of them is first looked up. What a program has set of
JAX does not change their results, and they leave it as it is; compiled programs are kept in the
user's cache folder, as `lanes.disk` says, which also says how not to.
"""

import importlib
from typing import TYPE_CHECKING, Any

from dip_jax import forks as forks  # first of all: it is to see every fork

if TYPE_CHECKING:
    from dip_jax.api.functions import denoise, fill_hole, inpaint, reconstruct
    from dip_jax.api.info import FitInfo, FitPart, FitStep
    from dip_jax.api.measured import deblur, demosaic, remove_jpeg, restore, super_resolve
    from dip_jax.errors import InputError
    from dip_jax.lanes.jobs import Restoration

__version__ = "0.1.0"
__all__ = [
    "FitInfo",
    "FitPart",
    "FitStep",
    "InputError",
    "Restoration",
    "deblur",
    "demosaic",
    "denoise",
    "fill_hole",
    "inpaint",
    "reconstruct",
    "remove_jpeg",
    "restore",
    "super_resolve",
]


_MODULES = {
    "FitInfo": "api.info",
    "FitPart": "api.info",
    "FitStep": "api.info",
    "InputError": "errors",
    "Restoration": "lanes.jobs",
    "deblur": "api.measured",
    "demosaic": "api.measured",
    "remove_jpeg": "api.measured",
    "restore": "api.measured",
    "super_resolve": "api.measured",
}  # of the others: api.functions


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"dip_jax.{_MODULES.get(name, 'api.functions')}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
