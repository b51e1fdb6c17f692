"""Times as they are told: running down on a bar, in words, and as a rough range."""

import math


def clock(seconds: float) -> str:
    """What is left, rounded up: 0:07, 3:49, 1:02:03."""
    hours, minutes, rest = _parts(math.ceil(seconds))
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def in_words(seconds: float) -> str:
    """A time as a person says it: 7.3 s, 3 min 49 s, 1 h 2 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    hours, minutes, rest = _parts(round(seconds))
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def between(low: float, high: float) -> str:
    """A range of time in seconds, in the unit that suits its end: 2 to 3.5 minutes."""
    if high <= 10:
        return "a few seconds"
    for seconds, unit in ((3600, "hours"), (60, "minutes")):
        if high >= 2 * seconds:
            ends = [f"{end / seconds:.{0 if end >= 10 * seconds else 1}f}" for end in (low, high)]
            return f"{ends[0].removesuffix('.0')} to {ends[1].removesuffix('.0')} {unit}"
    return f"{max(10, 10 * round(low / 10))} to {10 * math.ceil(high / 10)} seconds"


def _parts(seconds: int) -> tuple[int, int, int]:
    minutes, rest = divmod(seconds, 60)
    return *divmod(minutes, 60), rest
