"""Deep Image Prior in JAX: restores damaged pictures with no training data.

`denoise`, `inpaint`, `fill_hole` and `reconstruct` take an array and give one like it. Importing
the package is light: JAX is imported when one of them is first looked up.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dip_jax.api import FitInfo, FitStep, denoise, fill_hole, inpaint, reconstruct
    from dip_jax.errors import InputError
    from dip_jax.restoring import Restoration

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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "InputError":
        from dip_jax import errors as module
    else:
        from dip_jax import api as module  # type: ignore[no-redef]
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
