"""Which tests are always run, and which only when asked for: `pytest -m ''` runs both."""

from collections.abc import Iterable
from typing import Any

import pytest

thorough = pytest.mark.thorough


def first_always(values: Iterable[Any], first: int = 1) -> list[Any]:
    """The parameters of a test, of which all but the first ones are for the thorough."""
    return [
        value
        if place < first
        else pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=thorough)
        for place, value in enumerate(values)
    ]
