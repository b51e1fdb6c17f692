"""The measuring: workers that take turns, a table as they go on, and what they were told."""

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.common import arithmetic, turns
from benchmarks.common.tables import RESULTS, machine, versions, write_report
from benchmarks.speed import commands, plan, report
from benchmarks.speed.plan import Unit, Variant
from dip_jax.report.records import write_json
from dip_jax.settings import build


class Crew:
    """The workers of the variants, new ones for each unit: what is left in memory slows others."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._cache = tempfile.TemporaryDirectory(prefix="dip_jax_speed_")
        self._workers: dict[str, turns.Worker] = {}

    def worker(self, variant: Variant) -> turns.Worker:
        """That of a variant, started if need be."""
        if variant.name not in self._workers:
            options = {
                "precision": variant.precision,
                "form": variant.form,
                "channels_last": variant.channels_last,
                "compile": variant.compile,
            }
            self._workers[variant.name] = turns.Worker(
                variant.module, options, self._threads, self._cache.name
            )
        return self._workers[variant.name]

    def dismiss(self, variant: Variant | None = None) -> None:
        """Ends a worker, or all."""
        names = list(self._workers) if variant is None else [variant.name]
        for name in names:
            if name in self._workers:
                self._workers.pop(name).close()


def measure(
    unit: Unit, found: Sequence[Variant], crew: Crew, args: argparse.Namespace, platform: str
) -> list[dict[str, Any]]:
    """The results of a unit: every variant compiles, then they take turns."""
    rounds, steps = plan.amount(unit, platform)
    rounds, steps = args.rounds or rounds, args.steps or steps
    results = [_result(unit, variant, args) for variant in found]
    request = {
        "task": unit.task,
        "size": unit.size,
        "lanes": unit.lanes,
        "channels": args.channels,
        "length": max(steps, 10),
    }

    def ask(i: int, do: str, **details: Any) -> turns.Message | None:
        if "error" in results[i]:
            return None
        try:
            return crew.worker(found[i]).ask(do, **details)
        except turns.Lost as lost:
            if do != "peak":  # what was timed before stays
                results[i]["error"] = str(lost)
            crew.dismiss(found[i])
            return None

    for i, result in enumerate(results):
        if answer := ask(i, "prepare", **request):
            result["first_step"] = answer["first_step"]
    for turn in range(rounds):
        for k in range(len(found)):
            i = (turn + k) % len(found)
            if answer := ask(i, "turn", steps=steps):
                results[i]["seconds"].append(answer["seconds"] / unit.lanes)
                results[i]["rest"] = answer["rest"]
    for i, result in enumerate(results):
        if answer := ask(i, "peak"):
            result["peak"] = answer["peak"]
        if "error" not in result:
            # The first step is of the first lane only.
            a_step = statistics.median(result["seconds"])
            result["compile"] = max(0.0, result["first_step"] - a_step)
    crew.dismiss()
    return results


def _result(unit: Unit, variant: Variant, args: argparse.Namespace) -> dict[str, Any]:
    settings = build.fit_settings(plan.configuration(unit.task, args.channels))
    shape = (settings.architecture, settings.input_depth, 3, unit.size, unit.size)
    return {
        "task": unit.task,
        "size": unit.size,
        "lanes": unit.lanes,
        "variant": variant.name,
        "side": variant.side,
        "precision": variant.precision,
        "operations": arithmetic.step_operations(*shape),
        "bytes": arithmetic.step_bytes(*shape),
        "seconds": [],
        "peak": None,
    }


def too_large(unit: Unit, args: argparse.Namespace) -> str:
    """Why a unit cannot be held by this machine's memory, or an empty string.

    An activation of every feature map for the gradient and one for the cotangent are the least.
    """
    settings = build.fit_settings(plan.configuration(unit.task, args.channels))
    shape = (settings.architecture, settings.input_depth, 3, unit.size, unit.size)
    needed, available = arithmetic.step_bytes(*shape), turns.available_bytes()
    if available is None or needed < 0.9 * available:
        return ""
    return f"needs about {needed / 1e9:.0f} GB of memory, {available / 1e9:.0f} are free"


@dataclasses.dataclass
class Report:
    """What is written; see `report`."""

    args: argparse.Namespace
    results: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    devices: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    rates: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    bandwidth: float = 0.0
    start_up: dict[str, Any] | None = None
    stopped: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    remarks: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    machine: dict[str, Any] = dataclasses.field(default_factory=machine)
    versions: dict[str, str] = dataclasses.field(default_factory=versions)

    @property
    def platform(self) -> str:
        return self.devices["dip_jax"]["platform"]

    def can_time(self, variant: Variant) -> bool:
        """Whether that side has the device that `dip_jax` has; PyTorch's name of a GPU is cuda."""
        other = self.devices.get(variant.side, {}).get("platform")
        return other is not None and (other == "cpu") == (self.platform == "cpu")

    def rate(self, crew: "Crew") -> None:
        """Measures the matrix product and the memory's bandwidth; keeps the highest."""
        for variant in _BOTH_SIDES:
            try:
                worker = crew.worker(variant)
                self.devices[variant.side] = worker.described
                large = worker.described["platform"] != "cpu"
                found = worker.ask("rates", side=8192 if large else 2048, values=2**26)
            except turns.Lost as lost:
                if variant.side == "dip_jax":
                    raise
                self.remarks.append(f"PyTorch was not timed: {lost}.")
                crew.dismiss(variant)
                continue
            self.bandwidth = max(self.bandwidth, found.get("bandwidth", 0.0))
            known = self.rates.setdefault(variant.side, {})
            for precision, value in found["matmul"].items():
                known[precision] = max(known.get(precision, 0.0), value)
        crew.dismiss()

    def leave_out(self, unit: Unit, variants: Sequence[Variant], why: str) -> None:
        """Enters programs that are not timed."""
        self.results += [_result(unit, v, self.args) | {"error": why} for v in variants]

    def write(self) -> str:
        """Writes table and JSON, and gives the table."""
        name = self.args.name or ("speed_quick" if self.args.quick else "speed")
        everything = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        everything["args"] = vars(self.args)
        RESULTS.mkdir(exist_ok=True)
        write_json(RESULTS / f"{name}.json", everything)
        text = self.text()
        write_report(f"{name}.md", text)
        return text

    def text(self) -> str:
        """The Markdown."""
        found, names, m = self.results, self.args.tasks, self.machine
        resting = max((r.get("rest", 0.0) for r in found), default=0.0)
        kinds = " and ".join(sorted({d["kind"] for d in self.devices.values()} - {"cpu"}))
        products = "; ".join(
            f"{side} " + ", ".join(f"{v / 1e9:.0f} GFLOP/s {p}" for p, v in rates.items())
            for side, rates in self.rates.items()
        )
        lines = [
            "# Speed",
            "",
            f"{m['cpu']}, {self.args.threads} cores, {m['memory_gb']} GB, {m['system']}"
            + (f"; {kinds}" if kinds else "; no accelerator")
            + ". "
            + ", ".join(f"{name} {version}" for name, version in self.versions.items())
            + f". The whole run took {self.seconds / 60:.0f} minutes.",
            "",
            *_NOTES.format(channels=self.args.channels).splitlines(),
            "",
            f"Matrix product: {products}. Memory: {self.bandwidth / 1e9:.0f} GB/s, reading and "
            f"writing. Workers kept at most {resting:.2f} cores busy when it was not their turn.",
            "",
            *report.speed_table(found, self.rates),
        ]
        if missing := report.not_measured(found):
            lines += ["", "Not measured:", "", *missing]
        if self.remarks:
            lines += ["", *dict.fromkeys(self.remarks)]
        lines += ["", "## Targets", ""]
        if self.platform == "cpu":
            lines += report.cpu_targets(found, names)
        else:
            lines += report.gpu_targets(found, names, self.stopped)
        if self.start_up is not None:
            lines += ["", "## Start-up", ""]
            lines += report.start_up_lines(self.start_up, self.platform)
        lines += ["", "## The floor", "", *_FLOOR.splitlines(), ""]
        lines += report.floor_table(found, self.rates, self.bandwidth)
        return "\n".join([*lines, ""])


_BOTH_SIDES = (
    Variant("dip_jax", "dip_jax"),
    Variant("PyTorch channels_last", "pytorch", channels_last=True),
)
_NOTES = """\
Published networks ({channels} channels) on pictures of that many pixels a side. A step is all of
it: noise on the input, network and gradient, Adam, moving average; that of `dip_jax` with its
default held-out criterion, best image and snapshot. Programs take turns round by round, each in a
process of its own with the same cores and the same settings of the C library's memory (freed memory
is kept, and huge pages are asked for where the system leaves that to the program); a step that is
not timed comes before each turn. Median over rounds. `dip_jax` runs chunks
of steps as the command does, unless it says single steps. PyTorch makes several lanes one after
another, so its figure for one lane holds for all. GFLOP/s are those of the arithmetic as published,
and what share of the rate of a matrix product of the same precision that is, measured in this run.
Peak memory is that of a step after the timed ones, the process' on a CPU (freed
memory is given back before) and that of the device's allocator on a GPU, where JAX counts
from the start of the worker. Compile: from a cold start to the first step, less a step;
`torch.compile` may find what it compiled for another network of the table."""
_FLOOR = """\
Arithmetic as published over the rate of a matrix product; least memory traffic (each convolution
and each norm one pass over its tensors) over the bandwidth. Less arithmetic for the same function
can go below it."""


def measure_all(args: argparse.Namespace) -> str:
    """Measures unit by unit and writes the report after each; gives the table."""
    begin, crew, report = time.perf_counter(), Crew(args.threads), Report(args)
    try:
        report.rate(crew)
        platform = report.platform
        found = plan.variants(platform)
        if platform != "cpu" and not all(map(report.can_time, found)):
            report.remarks.append("PyTorch was not timed: it does not see the accelerator.")
        found = [v for v in found if report.can_time(v)]
        for unit in plan.units(args.tasks, args.sizes, args.lanes, platform):
            timed, left = plan.chosen(found, unit, platform, args.quick)
            if args.all:
                timed, left = [v for v in found if v in timed or v in left], []
            report.leave_out(unit, left, "left out to save time (--all)")
            missing = too_large(unit, args) if platform == "cpu" else ""
            if time.perf_counter() - begin > 60 * args.minutes:
                missing = f"the {args.minutes:g} minutes were over"
            if missing:
                report.leave_out(unit, timed, missing)
                continue
            print(f"{unit.task} {unit.size}² {unit.lanes} lanes ...", flush=True)
            report.results += measure(unit, timed, crew, args, platform)
            report.seconds = time.perf_counter() - begin
            report.write()
        report.rate(crew)
    finally:
        crew.dismiss()
    try:
        if not args.no_start_up:
            print("start-up ...", flush=True)
            report.start_up = commands.start_up(1 if args.quick else 2)
        if platform != "cpu" and not args.quick:
            print("a denoising that stops by itself ...", flush=True)
            report.stopped = commands.self_stopped()
    except RuntimeError as error:
        report.remarks.append(f"The command could not be timed: {error}.")
    report.seconds = time.perf_counter() - begin
    return report.write()
