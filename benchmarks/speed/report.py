"""The report of `speed`: its tables, and how far the targets are met.

A result is a dict of `task`, `size`, `lanes`, `variant`, `side`, `precision`, and either `error`,
why it was not measured, or `seconds` (per lane-step, one for each round), `compile` (seconds),
`peak` (bytes), `rest` (cores that it kept busy when it was not its turn), `operations` and `bytes`
(per lane-step, as published).
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.common.tables import table

Result = Mapping[str, Any]
Rates = Mapping[str, Mapping[str, float]]


def median(result: Result) -> float:
    """Seconds per lane-step."""
    return statistics.median(result["seconds"])


def find(results: Sequence[Result], **wanted: Any) -> Result | None:
    """The measured result with these entries; None if there is none."""
    for result in results:
        if "error" not in result and all(result[name] == v for name, v in wanted.items()):
            return result
    return None


def best_pytorch(results: Sequence[Result], task: str, size: int) -> float | None:
    """Seconds of a step of the fastest variant of PyTorch, whatever its precision."""
    found = [
        median(r)
        for r in results
        if r["side"] == "pytorch" and (r["task"], r["size"]) == (task, size) and "error" not in r
    ]
    return min(found, default=None)


def best_rates(rates: Rates) -> dict[str, float]:
    """The higher of the frameworks' rates of a matrix product, by precision."""
    precisions = {precision for found in rates.values() for precision in found}
    return {p: max(found.get(p, 0.0) for found in rates.values()) for p in precisions}


def speed_table(results: Sequence[Result], rates: Rates) -> list[str]:
    """All that was measured."""
    best_rate, rows = best_rates(rates), []
    for result in sorted(results, key=lambda r: (r["size"], r["task"], r["lanes"])):
        if "error" in result:
            continue
        reference = best_pytorch(results, result["task"], result["size"])
        rate = result["operations"] / median(result)
        ms = [1e3 * f(result["seconds"]) for f in (statistics.median, min, max)]
        rows.append(
            [
                result["task"],
                f"{result['size']}²",
                str(result["lanes"]),
                result["variant"],
                f"{ms[0]:.1f} ({ms[1]:.1f} to {ms[2]:.1f})",
                "–" if reference is None else f"{reference / median(result):.2f}",
                f"{rate / 1e9:.0f}",
                f"{100 * rate / best_rate[result['precision']]:.0f}%",
                "–" if result["peak"] is None else f"{result['peak'] / 1e9:.2f}",
                f"{result['compile']:.1f}",
            ]
        )
    names = (
        "network|size|lanes|program|ms per lane-step (lowest to highest)|"
        "times as fast as the best PyTorch|GFLOP/s|of a matrix product|peak GB|compile, s"
    )
    return table(names.split("|"), rows)


def not_measured(results: Sequence[Result]) -> list[str]:
    """What is missing, and why; one line for each reason and program."""
    missing: dict[tuple[str, str], list[str]] = {}
    for r in results:
        if "error" in r:
            where = f"{r['task']} {r['size']}²" + (f" {r['lanes']} lanes" * (r["lanes"] > 1))
            missing.setdefault((r["variant"], r["error"]), []).append(where)
    return [f"- {who}, {why}: {', '.join(where)}" for (who, why), where in missing.items()]


def _verdict(what: str, ratio: float | None, least: float, strict: bool = False) -> str:
    """A line on a ratio that is to be so large."""
    wanted = f"{'more than' if strict else 'at least'} {least:g} wanted"
    if ratio is None:
        return f"- {what}: not measured ({wanted})"
    met = ratio > least if strict else ratio >= least
    return f"- {what}: {ratio:.2f} ({wanted}): **{'met' if met else 'missed'}**"


def _ratio(slow: Result | None, fast: Result | None) -> float | None:
    return None if slow is None or fast is None else median(slow) / median(fast)


def cpu_targets(results: Sequence[Result], names: Sequence[str]) -> list[str]:
    """The targets on a CPU, of one lane, each with what was measured."""
    lines = []
    sizes = sorted({256} | {r["size"] for r in results if r["size"] > 256})
    for size in sizes:
        for task in names:
            at = {"task": task, "size": size, "lanes": 1}
            ours = find(results, variant="dip_jax", **at)
            for variant, least in (("PyTorch channels_last", 1.3), ("torch.compile", 1.0)):
                theirs = find(results, variant=variant, **at)
                what = f"{task}, {size}²: times as fast as {variant}"
                lines.append(_verdict(what, _ratio(theirs, ours), least, strict=least == 1.0))
    for size in sorted({r["size"] for r in results}):
        for task in names:
            at = {"task": task, "size": size, "lanes": 1}
            single = find(results, variant="dip_jax, single steps", **at)
            chunks = find(results, variant="dip_jax", **at)
            if single is not None and chunks is not None:
                what = f"{task}, {size}²: speed of chunks of steps over single steps"
                lines.append(_verdict(what, _ratio(single, chunks), 0.98))
    return lines


def gpu_targets(
    results: Sequence[Result], names: Sequence[str], stopped: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """The targets on a GPU, each with what was measured.

    Without TF32 of its own, `dip_jax` is judged as it computes by default.
    """
    lines = []
    for task in names:
        one = {"task": task, "size": 512, "lanes": 1}
        ours = _tf32(results, **one)
        for variant, least in (("PyTorch channels_last TF32", 2.0), ("torch.compile TF32", 1.3)):
            what = f"{task}, 512²: times as fast as {variant}"
            lines.append(_verdict(what, _ratio(find(results, variant=variant, **one), ours), least))
    for task in names:
        eager = find(results, task=task, size=256, lanes=1, variant="PyTorch channels_last TF32")
        ours = _tf32(results, task=task, size=256, lanes=8)
        what = f"{task}, 256²: throughput of 8 lanes over PyTorch channels_last TF32"
        lines.append(_verdict(what, _ratio(eager, ours), 3.0))
    return lines + _stopped_targets(stopped)


def _tf32(results: Sequence[Result], **at: Any) -> Result | None:
    return find(results, variant="dip_jax TF32", **at) or find(results, variant="dip_jax", **at)


def _stopped_targets(stopped: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = []
    for precision, run in stopped.items():
        met = "met" if run["seconds"] < 8 else "missed"
        lines.append(
            f"- denoising at 512² in {precision}, stopped by itself at step {run['steps']:.0f} "
            f"with {run['psnr']:.2f} dB: {run['seconds']:.1f} s the whole command, "
            f"{run['fit_seconds']:.1f} s the fit (less than 8 s wanted): **{met}**"
        )
    if "bfloat16" in stopped and "float32" in stopped:
        loss = stopped["float32"]["psnr"] - stopped["bfloat16"]["psnr"]
        met = "met" if loss <= 0.1 else "missed"
        lines.append(f"- bfloat16 loses {loss:.2f} dB (at most 0.1 wanted): **{met}**")
    return lines


def floor_table(results: Sequence[Result], rates: Rates, bandwidth: float) -> list[str]:
    """The time below which the published arithmetic and its memory traffic cannot go."""
    best_rate, rows = best_rates(rates), []
    for result in results:
        if "error" in result or result["lanes"] != 1 or not result["variant"].startswith("dip_jax"):
            continue
        arithmetic = result["operations"] / best_rate[result["precision"]]
        traffic = result["bytes"] / bandwidth
        if result["precision"] == "bfloat16":
            traffic /= 2
        rows.append(
            [
                result["task"],
                f"{result['size']}²",
                result["variant"],
                f"{1e3 * arithmetic:.2f}",
                f"{1e3 * traffic:.2f}",
                f"{1e3 * median(result):.2f}",
                f"{median(result) / (arithmetic + traffic):.2f}",
            ]
        )
    names = (
        "network|size|program|arithmetic, ms|memory traffic, ms|measured, ms|"
        "measured over the sum of both"
    )
    return table(names.split("|"), rows)


def start_up_lines(seconds: Mapping[str, Any], platform: str) -> Iterator[str]:
    """Seconds to the first step of the command."""
    warm = statistics.median(seconds["warm"])
    yield from table(
        ["compiled programs", "seconds from the start of the process to the first logged step"],
        [
            ["none yet", f"{seconds['cold']:.1f}"],
            ["kept from an earlier run", ", ".join(f"{s:.1f}" for s in seconds["warm"])],
        ],
    )
    if platform == "cpu":
        met = "met" if warm < 5 else "missed"
        yield ""
        yield f"- second start: {warm:.1f} s (less than 5 s wanted): **{met}**"
