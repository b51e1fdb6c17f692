"""What a fit needs of any network: two pure functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array

Params = Any


class Network(NamedTuple):
    """A network as two pure functions.

    Attributes:
        init: `init(key, z)` gives the parameters.
        apply: `apply(params, z)` gives the output, `(h, w, c)` in [0, 1].
    """

    init: Callable[[Array, Array], Params]
    apply: Callable[[Params, Array], Array]
