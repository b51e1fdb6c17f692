"""The figures of a report, in tables and words: what the run measured, and what it did."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from dip_jax.report.durations import in_words
from dip_jax.report.html.markup import tag

_STOPPED = {
    "criterion": "it stopped by itself",
    "num_steps": "all steps were made",
    "schedule": "it came to the end of its schedule",
    "diverged": "the fit kept falling apart",
    "interrupted": "it was interrupted",
    "asked": "it was interrupted",
    "no_fit": "no network was needed",
    "alone": "no network was fitted",
    "failed": "every fit failed",
}
_MEASURES = {
    "psnr_true": "PSNR in dB against the clean picture, over all of it. Higher is closer: 3 dB "
    "more is half the squared error. Only an experiment has a clean picture.",
    "ssim_true": "Structural similarity with the clean picture: at most 1, which is equality.",
    "psnr_heldout": "PSNR on known pixels of the degraded picture, or measurements, that the "
    "network was not fitted to. It needs no clean picture: it rises while the picture is learnt, "
    "and falls when the damage is.",
    "psnr_observed": "PSNR against the degraded picture, or the measurements, where they are "
    "known. Not a measure of quality: a network that copies the damage scores high.",
    "ssim_observed": "Structural similarity with the same; unknown pixels are 0 in both.",
}
_IMAGES = {
    "degraded": "the picture as it was fitted to",
    "out": "the network’s output at the chosen step",
    "avg": "the moving average of its outputs at the chosen step",
    "restored": "the picture that was written",
}


def figures(summary: Mapping[str, Any]) -> list[Element]:
    """Every figure of the summary in a table, and what its names mean; none if there are none."""
    found: dict[str, Any] = {"degraded": summary.get("degraded")} | (summary.get("metrics") or {})
    columns = {name: values for name, values in found.items() if values}
    measures = [name for name in _MEASURES if any(name in values for values in columns.values())]
    if not measures:
        return []
    table = _table(
        ["", *columns],
        [
            [name, *(_figure(name, values.get(name)) for values in columns.values())]
            for name in measures
        ],
    )
    lanes = summary.get("lanes") or []
    of_lanes = [chosen_figures(lane) for lane in lanes] if len(lanes) > 1 else []
    terms = {
        name: text
        for name, text in _MEASURES.items()
        if name in measures or any(name in values for values in of_lanes)
    }
    pictures = {name: _IMAGES[name] for name in columns if name in _IMAGES}
    if summary.get("chosen_image") == "mean":
        pictures |= {
            name: f"the mean over the seeds of {text.replace('the chosen', 'their chosen')}"
            for name, text in pictures.items()
            if name in ("out", "avg")
        }
    return [table, _terms(pictures), _terms(terms)]


def seeds(summary: Mapping[str, Any]) -> list[Element]:
    """The figures of each seed in a table; none for a single seed.

    Of a picture in parts they are those of all parts together.
    """
    lanes = summary.get("lanes") or []
    if summary.get("parts"):
        return _seeds_of_parts(lanes)
    return [_of_lanes(lanes, {"seed": "seed"}, "Seeds")] if len(lanes) > 1 else []


def parts(summary: Mapping[str, Any]) -> list[Element]:
    """The figures of each part of a picture in a table that is folded; none without parts."""
    lanes = summary.get("lanes") or []
    if not summary.get("parts") or not lanes:
        return []
    names = {"part": "part"} | ({"seed": "seed"} if len({one["seed"] for one in lanes}) > 1 else {})
    fits = count(len(lanes), "fit")
    return [tag("details", tag("summary", fits), _of_lanes(lanes, names, "Parts"))]


def _of_lanes(lanes: Sequence[Mapping[str, Any]], names: Mapping[str, str], of: str) -> Element:
    measures = [
        name
        for name in ("psnr_true", "psnr_heldout")
        if any(name in chosen_figures(lane) for lane in lanes)
    ]
    lines = [
        [
            *(str(lane.get(name)) for name in names.values()),
            _number(lane.get("steps")),
            _number(lane.get("chosen_step")),
            str(lane.get("chosen_image")),
            *(_figure(name, chosen_figures(lane).get(name)) for name in measures),
            in_words(lane["seconds"]) if lane.get("seconds") is not None else "–",
            _why(str(lane.get("stop_reason"))),
        ]
        for lane in lanes
    ]
    heads = [*names, "steps", "chosen step", "chosen image", *measures, "time", "why it ended"]
    return _table(heads, lines, "words", of=of)


def _seeds_of_parts(lanes: Sequence[Mapping[str, Any]]) -> list[Element]:
    by_seed: dict[int, list[Mapping[str, Any]]] = {}
    for lane in lanes:
        by_seed.setdefault(lane["seed"], []).append(lane)
    if len(by_seed) < 2:
        return []
    lines = [
        [
            str(seed),
            _number(len(of_seed)),
            _number(sum(lane["steps"] for lane in of_seed)),
            in_words(sum(lane["seconds"] for lane in of_seed)),
        ]
        for seed, of_seed in by_seed.items()
    ]
    return [_table(["seed", "parts", "steps", "time"], lines, "words", of="Seeds")]


def run(summary: Mapping[str, Any]) -> list[Element]:
    """What was done, on what, with what: the rest of the summary in words."""
    s = summary
    chosen, reason, shape = s.get("chosen_step"), s.get("stop_reason"), s.get("shape")
    filled, rollbacks = s.get("filled_share"), s.get("rollbacks")
    seconds, first, speed = (
        s.get(name) for name in ("seconds", "seconds_to_first_step", "steps_per_second")
    )
    fitted = s.get("stop_reason") not in ("alone", "no_fit")
    facts: dict[str, str | None] = {
        "task": s.get("task"),
        "image": s.get("image"),
        "page": s.get("page") and str(s["page"]),
        "shape": shape and f"{shape[1]:,} × {shape[0]:,} pixels, {count(shape[2], 'channel')}",
        "damage": s.get("added_damage") and f"{s['added_damage']}, added for an experiment",
        "filled share": None if filled is None else f"{100 * filled:.1f}%",
        "refined": None if "refined" not in s else ("yes" if s["refined"] else "no"),
        "seeds": ", ".join(map(str, s.get("seeds") or [])),
        "steps": _number(s.get("steps")) if fitted else None,
        "chosen step": None if chosen is None else _number(chosen),
        "chosen image": s.get("chosen_image") if fitted else None,
        "criterion": s.get("criterion") if fitted else None,
        "why it ended": reason and _why(reason),
        "rollbacks": f"{rollbacks:,}: the fit fell apart and went back to its last good state"
        if rollbacks
        else None,
        "time": None if seconds is None else in_words(seconds),
        "to the first step": None if first is None else f"{in_words(first)}, with compilation",
        "speed": None if speed is None else f"{speed:.3g} steps per second",
        "device": s.get("device"),
        "versions": ", ".join(f"{k} {v}" for k, v in (s.get("versions") or {}).items()),
    }
    known = {name: fact for name, fact in facts.items() if fact}
    return [_terms(known, "facts-list")] if known else []


def chosen_figures(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """The figures of the chosen image of a run or of one of its lanes; empty if it has none."""
    metrics = summary.get("metrics") or {}
    return metrics.get(summary.get("chosen_image")) or {}


def count(number: int, noun: str) -> str:
    """`number` with its noun, in the plural unless it is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _why(reason: str) -> str:
    words = _STOPPED.get(reason, reason)
    return words if reason in words else f"{words} ({reason})"


def _table(
    heads: Sequence[str], lines: Sequence[Sequence[str]], class_: str = "", of: str = "Figures"
) -> Element:
    """A table whose first column names its lines; where it is too wide it scrolls by itself."""
    return tag(
        "div",
        tag(
            "table",
            tag(
                "thead",
                tag("tr", [tag("th", x, scope="col") if x else tag("td") for x in heads]),
            ),
            tag(
                "tbody",
                [
                    tag("tr", tag("th", first, scope="row"), [tag("td", text) for text in rest])
                    for first, *rest in lines
                ],
            ),
        ),
        class_=f"wide {class_}".strip(),
        tabindex=0,
        role="group",
        aria_label=of,
    )


def _terms(terms: Mapping[str, str | None], class_: str = "terms") -> Element:
    pairs = [tag("div", tag("dt", term), tag("dd", text)) for term, text in terms.items()]
    return tag("dl", pairs, class_=class_)


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if name.startswith("psnr") else f"{value:.3f}"


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
