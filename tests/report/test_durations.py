"""Times as they are told."""

import pytest

from dip_jax.report.durations import between, clock, in_words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1, 9, "a few seconds"),
        (3, 12, "10 to 20 seconds"),
        (61, 119, "60 to 120 seconds"),
        (61, 120, "1 to 2 minutes"),
        (800, 1500, "13 to 25 minutes"),
        (3600, 9000, "1 to 2.5 hours"),
    ],
)
def test_a_range_of_time_in_words(low, high, words):
    assert between(low, high) == words


@pytest.mark.parametrize(
    ("seconds", "left", "words"),
    [
        (0.2, "0:01", "0.2 s"),
        (7.26, "0:08", "7.3 s"),
        (59.6, "1:00", "1 min 0 s"),
        (229.4, "3:50", "3 min 49 s"),
        (3723.0, "1:02:03", "1 h 2 min"),
    ],
)
def test_one_time_on_a_bar_and_in_words(seconds, left, words):
    assert (clock(seconds), in_words(seconds)) == (left, words)
