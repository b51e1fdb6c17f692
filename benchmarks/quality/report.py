"""The report of `quality`: tables of one suite in Markdown, and who is ahead of whom."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.tables import table
from benchmarks.quality.figures import Entry, means
from benchmarks.quality.quoted import quoted

Results = Mapping[str, Any]


def report(results: Results) -> str:
    """The report of a suite, of what `quality` writes as JSON."""
    suite, pictures = results["suite"], results["pictures"]
    per_picture = [picture["entries"] for picture in pictures]
    shown = ", ".join(f"{p['name']} {p['shape'][1]}×{p['shape'][0]}" for p in pictures)
    lines = [f"# Quality: {suite}", "", *about(results), f"Pictures: {shown}.", ""]
    if len(pictures) > 1:
        lines += ["## Mean", "", *figures_table(means(per_picture)), ""]
    if comparison := ahead(means(per_picture)):
        lines += ["## Who is ahead", "", *comparison, ""]
    if published := quoted(results):
        lines += ["## As published", "", *published, ""]
    for picture in pictures:
        lines += [f"## {picture['name']}", "", *figures_table(picture["entries"]), *small(picture)]
    for row in results["rows"]:
        lines += [f"## A row of its own: {row['label']}", ""]
        lines += [*figures_table(row["entries"]), *small(row), *ahead(row["entries"]), ""]
    return "\n".join(lines)


def about(results: Results) -> list[str]:
    """How it was measured, and on what."""
    machine, versions = results["machine"], results["versions"]
    config, base = results["config"], results["baseline"]
    installed = ", ".join(
        f"{name} {version}" for name, version in versions.items() if name != "commit"
    )
    measured = [*results["pictures"], *results["rows"]]
    commits = {found["commit"] for picture in measured for found in picture["details"].values()}
    network = config["network"]
    seamless = results["masked"] and config["seamless"]
    lines = [
        f"`{results['command']}`, {results['device']}; {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['system']}; {installed}; measured at commit {', '.join(sorted(commits))}.",
        "",
        f"{results['damage']} PSNR in dB and SSIM over the whole picture, of floats"
        + (", with the known pixels put in, by `dip_jax` without a seam." if seamless else "")
        + (", with the known pixels put in." if results["masked"] and not seamless else "")
        + ("" if results["masked"] else ".")
        + " All methods see the same damaged pictures.",
        "",
        "- **Self-stopped**: without the clean picture. `dip_jax` chooses its step by held-out "
        "pixels, and ends by itself or at its limit of steps; PyTorch is taken at its last step; "
        "the parameters of the classical methods are the best on other photographs"
        + ("." if results["masked"] else ", and they are told the noise level."),
        "- **Oracle**: with the clean picture in hand. The best step of the same fit (of an "
        "ensemble, the mean of its members' best), and the best parameters for each picture."
        + (
            " The step of `dip_jax` is the best of the network's image with known pixels pasted in."
            if results["masked"] and not results["in_turns"]
            else ""
        ),
    ]
    if results["seeds"]:
        lines.append(
            f"- `dip_jax`: the settings of the task, {network['down'][0]} channels, at most "
            f"{config['num_steps']} steps"
            + (f", with {', '.join(results['changes'])}" if results["changes"] else "")
            + "; n seeds are the mean of n members that each end so, averaged over the disjoint "
            "groups of the seeds"
            + (" (spread: their standard deviation)" if results["seeds"] > 1 else "")
            + ". `result` is what a person gets, the one of the output and the average that each "
            "member chose"
            + (
                ", refined ("
                + (
                    "by the known pixels, with a Wiener filter and non-local Bayes"
                    if results["masked"]
                    else "by non-local means, a Wiener filter and non-local Bayes of the degraded "
                    "picture, for its own estimate of the noise; not where that seems correlated "
                    "from pixel to pixel"
                )
                + "; the seconds are not counted, and the oracle's choice is that of the network's "
                "image); output and average are the network's alone"
                if config["refine"]
                else ""
            )
            + f". {at_limit(results['pictures'])}"
            + (
                " The task's defaults were chosen with these photographs among others, not for "
                "each of them."
                if results["samples"]
                else ""
            )
        )
    if base is not None:
        words = (
            "the published count"
            if base["steps"] == base["published"]
            else (f"reduced from the published {base['published']} to save time")
        )
        lines.append(
            f"- PyTorch: the same network (as many channels), so that a step is equal work; else "
            f"the published settings, learning rate {base['learning_rate']:g}, {base['steps']} "
            f"steps ({words}), nothing held out."
        )
    lines += [f"- {line}" for line in results["missing"]]
    lines += [
        "- Seconds per picture: of the fits those of a step, "
        + (
            "timed in turns for the table, by the steps, compilation apart"
            if results["in_turns"]
            else "by the steps; a step of `dip_jax` is a lane's share of one of all lanes side by "
            "side, after the first, and one of PyTorch the mean of all, the oracle's work included"
        )
        + "; of the classical methods with the parameters chosen.",
        "",
    ]
    return lines


def at_limit(pictures: Sequence[Mapping[str, Any]]) -> str:
    """How many fits ended at their limit of steps."""
    reasons = [
        reason
        for picture in pictures
        for reason in picture["details"].get("dip_jax", {}).get("stop_reason", ())
    ]
    ended = sum(reason == "num_steps" for reason in reasons)
    return f"Of the {len(reasons)} fits {ended} ended at the limit."


def figures_table(entries: Sequence[Entry]) -> list[str]:
    """The figures of every method and image, with their spread over seeds where there is any."""
    names = "method|image|self-stopped, dB|SSIM|oracle, dB|SSIM|seconds".split("|")
    spreads = any(e.get("spread") is not None for e in entries)
    if spreads:
        names.insert(3, "spread, dB")
    rows = []
    for e in entries:
        spread = e.get("spread")
        rows.append(
            [
                e["method"],
                e["image"] or "–",
                f"{e['psnr']:.2f}",
                *([] if not spreads else ["–"] if spread is None else [f"{spread:.2f}"]),
                f"{e['ssim']:.3f}",
                "–" if e["oracle_psnr"] is None else f"{e['oracle_psnr']:.2f}",
                "–" if e["oracle_ssim"] is None else f"{e['oracle_ssim']:.3f}",
                "–" if e["seconds"] is None else _seconds(e["seconds"]),
            ]
        )
    return table(names, rows)


def small(picture: Mapping[str, Any]) -> list[str]:
    """The parameters of the classical methods, and the steps of this project's fits."""
    details, lines = picture["details"], [""]
    chosen = [
        f"{name} " + ", ".join(f"{k} {_plain(v)}" for k, v in found["parameters"].items())
        for name, found in details.items()
        if found.get("parameters")
    ]
    if chosen:
        lines += [f"Parameters: {'; '.join(chosen)}.", ""]
    if fits := details.get("dip_jax"):
        steps = ", ".join(
            f"{made} ({best}{'' if reason == 'criterion' else ', ' + reason.replace('_', ' ')})"
            for made, best, reason in zip(
                fits["steps"], fits["chosen_step"], fits["stop_reason"], strict=True
            )
        )
        lines += [f"Steps of the seeds, and in brackets the one chosen: {steps}.", ""]
    return lines


def ahead(entries: Sequence[Entry]) -> list[str]:
    """The largest ensemble and one seed, self-stopped, against each other method, self-stopped."""
    own = [e for e in entries if e["method"].startswith("dip_jax") and e["image"] == "result"]
    others: dict[str, Entry] = {}
    for e in entries:
        if not e["method"].startswith(("dip_jax", "degraded")):
            best = others.get(e["method"])
            others[e["method"]] = e if best is None or e["psnr"] > best["psnr"] else best
    if not own or not others:
        return []
    lines = []
    for mine in [own[-1], *own[:1]] if len(own) > 1 else own:
        for name, other in others.items():
            gain = mine["psnr"] - other["psnr"]
            verdict = "ahead" if gain > 0 else "**behind**"
            against = f"{name} {other['image']}".strip()
            lines.append(
                f"- {mine['method']} ({mine['psnr']:.2f} dB) against {against} "
                f"({other['psnr']:.2f} dB): {gain:+.2f} dB, {verdict}"
            )
    return lines


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _seconds(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"
