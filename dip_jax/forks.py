"""Whether this process was forked from one that had used JAX, whose threads it has not got.

JAX would wait for them for ever. The module is imported with the package, and imports nothing.
"""

import os
import sys

_is_lost = False


def is_lost() -> bool:
    """Whether JAX cannot be used in this process, because one before it had used it and forked."""
    return _is_lost


def _after_fork() -> None:
    global _is_lost
    # JAX has no public name for this. Its lock may be held by a thread that is not here.
    bridge = sys.modules.get("jax._src.xla_bridge")
    _is_lost = _is_lost or bool(getattr(bridge, "_backends", None))


if hasattr(os, "register_at_fork"):  # Windows cannot fork
    os.register_at_fork(after_in_child=_after_fork)
