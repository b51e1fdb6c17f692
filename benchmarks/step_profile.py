"""Where the time of a step goes on a CPU: the pieces of the compiled program, by kind.

    python -m benchmarks.step_profile --task=text_inpaint --size=256

Prints and writes benchmarks/results/step_profile_<task>_<size>.md. XLA runs pieces that do not
depend on each other at the same time, so their times add up to more than that of the step.
"""

import argparse
import collections
import gzip
import json
import re
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

import jax
import jax.numpy as jnp

from benchmarks.common.beginning import begin, make_chunk
from benchmarks.common.samples import damaged
from benchmarks.common.tables import commit, machine, table, write_report
from dip_jax.fit.fitting import make_fit
from dip_jax.forward.observation import observe
from dip_jax.settings import build, tasks

STEPS = 3
LIBRARY = ("ynn", "dot", "convolution")
"""How the names of pieces begin that XLA leaves to a library; all others are its own loops."""

PARTS = (  # what a piece's origin in the program contains: the first that fits
    ("norms and activations", ("_activate", "moments")),
    ("other convolutions", ("_convolved", "_block", "_pointwise")),  # also those before a join
    ("convolution after upsampling and its join", ("_join",)),
    ("rest of the network", ("Hourglass",)),
    ("noise, loss, Adam, average, criterion", ("",)),
)
ORIGIN = re.compile(r"^\s*(?:ROOT )?%?([\w.-]+) = .*op_name=\"([^\"]*)\"", re.MULTILINE)


class Profile(NamedTuple):
    """Milliseconds per step.

    Attributes:
        pieces: of every piece of the program, by its name.
        origins: where in the network each piece comes from.
        whole: of the step, which is less than the sum, as pieces run at the same time.
    """

    pieces: collections.Counter[str]
    origins: dict[str, str]
    whole: float


def profile(task: str, size: int) -> Profile:
    """Runs a few steps of a task's published network under JAX's profiler."""
    config = tasks.defaults(task, "paper")
    _, y, fill = damaged(config, "astronaut", size)
    observation, _ = observe(y, fill)
    fit = make_fit(build.fit_settings(config), build.criterion(config), y.shape[2])
    lane, state = begin(fit, observation, config["num_steps"])
    chunk = make_chunk(fit.step, STEPS).lower(state, lane, jnp.int32(2)).compile()
    state, _ = chunk(state, lane, jnp.int32(2))
    jax.block_until_ready(state)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, create_perfetto_trace=True):
            start = time.perf_counter()
            state, _ = chunk(state, lane, state.step + STEPS)
            jax.block_until_ready(state)
            whole = 1e3 * (time.perf_counter() - start) / STEPS
        path = next(Path(folder).rglob("perfetto_trace.json.gz"))
        traced = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    pieces: collections.Counter[str] = collections.Counter()
    for event in traced:
        # A piece is named `kind.number`; Python's frames and the executor's own have other names.
        name = event.get("name", "")
        if event.get("ph") == "X" and name.split(".")[-1].isdigit() and " " not in name:
            pieces[name] += event["dur"] / 1e3 / STEPS
    return Profile(pieces, dict(ORIGIN.findall(chunk.as_text())), whole)


def by_part(found: Profile) -> dict[str, tuple[float, float]]:
    """For each of `PARTS`, the milliseconds in libraries and in XLA's own loops."""
    sums = {part: [0.0, 0.0] for part, _ in PARTS}
    for name, spent in found.pieces.items():
        if name.startswith(("while", "call", "conditional")):
            continue  # its pieces are counted
        origin = found.origins.get(name, "")
        part = next(part for part, words in PARTS if any(word in origin for word in words))
        sums[part][not name.startswith(LIBRARY)] += spent
    return {part: (library, loops) for part, (library, loops) in sums.items()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=tasks.TASKS, default="text_inpaint")
    parser.add_argument("--size", type=int, default=256, help="side in pixels (256)")
    args = parser.parse_args()
    startup.keep_compiled_programs()
    found = profile(args.task, args.size)
    parts = by_part(found)
    library, loops = (sum(column) for column in zip(*parts.values(), strict=True))
    lines = [
        f"# Profile of a step: {args.task}, {args.size}²",
        "",
        f"Published network on a CPU, {machine()['cpu']}, commit {commit()}. The step takes "
        f"{found.whole:.0f} ms; pieces run at the same time where they can, so they add up to "
        f"{library + loops:.0f} ms. Products are matrix products and sums over pixels, which XLA "
        "leaves to a library; passes are its own loops over memory.",
        "",
        *table(
            ["part", "products, ms", "passes, ms"],
            [[part, f"{a:.0f}", f"{b:.0f}"] for part, (a, b) in parts.items()]
            + [["all", f"{library:.0f}", f"{loops:.0f}"]],
        ),
        "",
        *table(
            ["the longest pieces", "from", "ms"],
            [
                [name, found.origins.get(name, "").split("body/")[-1].replace("|", ""), f"{ms:.1f}"]
                for name, ms in found.pieces.most_common(20)
            ],
        ),
        "",
    ]
    print("\n".join(lines))
    write_report(f"step_profile_{args.task}_{args.size}.md", "\n".join(lines))


if __name__ == "__main__":
    main()
