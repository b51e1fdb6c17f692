"""Every field of a configuration has its meaning."""

from dip_jax.settings import fields, limits, tasks
from dip_jax.settings.meanings import MEANINGS, allowed


def test_every_field_has_a_meaning_and_every_meaning_a_field():
    known = {
        name
        for task in (*tasks.TASKS, *tasks.MEASURED)
        for name in fields.fields(tasks.defaults(task))
    }
    assert set(MEANINGS) == known
    assert all(text.endswith(".") and "\n" not in text for text in MEANINGS.values())


def test_what_a_field_may_be_is_told():
    assert allowed("stop.criterion") == "heldout, wmv, oracle, none"
    assert allowed("average_share") == "at least 0 and at most 0.5"
    assert allowed("image") == ""
    of_limits = {*limits.CHOICES, *(span.path for span in limits.RANGES)}
    assert of_limits <= set(MEANINGS)
