"""What a person may set for an array: which fields of the configuration, and which seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dip_jax.errors import InputError, field
from dip_jax.settings import limits, tasks

# Fields that only a run with files knows, those of a mask, and the rest that arguments stand for.
OF_FILES = tuple("image page mask clean sample damage preview_every checkpoint_every".split())
OF_MASKS = ("mask_polarity", "keep_known")
_OF_ARGUMENTS = ("image", "mask", *OF_MASKS, "preset", "seed", "seeds", "data_range")
_OF_RUNS = ("task", "degrade", *OF_FILES)


def changes_of(
    num_steps: int | None, criterion: str | None, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The fields that differ from the task's defaults, by their dotted names."""
    if not isinstance(options, Mapping | None):
        raise InputError(f"options is {options!r}; expected a dict such as {{'log_every': 10}}")
    changes = dict(options or {})
    for name in changes:
        if name in _OF_ARGUMENTS:
            raise InputError(f"{name!r} is not set among the others: it is given as ", field(name))
        if name in _OF_RUNS or str(name).startswith(("sample.", "damage.")):
            raise InputError(
                f"{name!r} is for runs with a configuration, 'python -m dip_jax.main': leave it out"
            )
    of_arguments = {"num_steps": num_steps, "stop.criterion": criterion}
    for name, value in of_arguments.items():
        if value is None:
            continue
        value = int(value) if isinstance(value, np.integer) else value
        if not np.array_equal(changes.setdefault(name, value), value):
            raise InputError(
                field(name), f" is {value!r}, and {name!r} is set to {changes[name]!r}: leave one"
            )
    if "num_steps" in changes:  # which a person has set
        changes.setdefault("refined_steps", 0)
    if changes.get("stop.criterion") == "oracle":
        raise InputError(
            field("stop.criterion"),
            " is 'oracle', which needs the clean picture; expected heldout, wmv or none",
        )
    return changes


def seeds_of(seeds: int | Sequence[int], rng: int | np.random.Generator | None) -> list[int]:
    """The seeds that `seeds` and `rng` of the Python interface stand for.

    Raises:
        InputError: if they are none, or stand for none.
    """
    if isinstance(seeds, int | np.integer) and not isinstance(seeds, bool):
        if not 1 <= seeds <= limits.MOST_SEEDS:
            raise InputError(
                field("seeds"), f" is {seeds}; expected a number from 1 to {limits.MOST_SEEDS}"
            )
        last = limits.LAST_SEED - int(seeds) + 1
        if isinstance(rng, np.random.Generator):
            first = int(rng.integers(last, endpoint=True))
        elif rng is None:
            first = 0
        elif isinstance(rng, int | np.integer) and not isinstance(rng, bool):
            first = int(rng)
        else:
            raise InputError(
                field("seed"),
                f" is {rng!r}; expected a whole number, a numpy.random.Generator or None",
            )
        if not 0 <= first <= last:
            raise InputError(field("seed"), f" is {rng}; expected a number from 0 to {last}")
        return list(range(first, first + int(seeds)))
    if rng is not None:
        raise InputError("rng and a list of seeds are given; expected one of them")
    try:
        chosen = [int(seed) for seed in seeds]  # type: ignore[union-attr]
        whole = not isinstance(seeds, str | bytes) and all(
            seed == given
            for seed, given in zip(chosen, seeds, strict=True)  # type: ignore[arg-type]
        )
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise InputError(f"seeds is {seeds!r}; expected how many, or a list of whole numbers")
    inside = all(0 <= seed <= limits.LAST_SEED for seed in chosen)
    if not chosen or not inside or len(set(chosen)) < len(chosen):
        raise InputError(
            f"seeds is {seeds!r}; expected different numbers from 0 to {limits.LAST_SEED}, one or "
            "more"
        )
    return chosen


def options_of(task: str, config: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    """What of a configuration an array has; of the seeds all, as they need not count up.

    Args:
        task: of `tasks.TASKS` or of `tasks.MEASURED`.
        config: as `tasks.defaults` gives it.
        seeds: to fit with.
    """
    fills = tasks.task_named(task).fills
    without = OF_FILES if fills else (*OF_FILES, *OF_MASKS, "seamless")
    options = {name: value for name, value in config.items() if name not in (*without, "seed")}
    return options | {"seeds": list(seeds)}
