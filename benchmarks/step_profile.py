"""Where the time of a step goes on a CPU: the pieces of the compiled program, by kind.

    python -m benchmarks.step_profile --task=text_inpaint --size=256

Prints and writes benchmarks/results/step_profile_<task>.md. XLA runs pieces that do not depend on
each other at the same time, so the pieces' times add up to more than that of the step.
"""

import argparse
import collections
import gzip
import json
import tempfile
import time
from pathlib import Path

from dip_jax import startup

startup.keep_freed_memory()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from benchmarks.samples import damaged  # noqa: E402
from benchmarks.tables import commit, table, write_report  # noqa: E402
from dip_jax import tasks  # noqa: E402
from dip_jax.fitting import make_chunk, make_fit  # noqa: E402
from dip_jax.observation import observe  # noqa: E402

STEPS = 3
KINDS = (  # the first word that a piece's name begins with
    ("matrix products and sums over pixels", ("ynn", "dot", "convolution")),
    ("one pass over memory: norms, activations, transforms", ("",)),
)
"""`ynn_fusion` and `dot` are pieces that XLA leaves to a library; all others are its own loops."""


def events(task: str, size: int) -> tuple[collections.Counter, float]:
    """Milliseconds per step of every piece, and of the whole step."""
    config = tasks.defaults(task, "paper")
    _, y, fill = damaged(config, "astronaut", size)
    observation, _ = observe(y, fill)
    fit = make_fit(tasks.fit_settings(config), tasks.criterion(config), y.shape[2])
    lane = jax.jit(fit.make_lane)(jax.random.key(0), observation)
    state = jax.tree.map(jnp.copy, jax.jit(fit.init)(jax.random.key(1), lane))
    chunk = make_chunk(fit.step, STEPS)
    state, _ = chunk(state, lane, jnp.int32(2))
    jax.block_until_ready(state)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, create_perfetto_trace=True):
            begin = time.perf_counter()
            state, _ = chunk(state, lane, state.step + STEPS)
            jax.block_until_ready(state)
            whole = 1e3 * (time.perf_counter() - begin) / STEPS
        path = next(Path(folder).rglob("perfetto_trace.json.gz"))
        traced = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    found: collections.Counter = collections.Counter()
    for event in traced:
        # A piece is named `kind.number`; Python's frames and the executor's own have other names.
        name = event.get("name", "")
        if event.get("ph") == "X" and name.split(".")[-1].isdigit() and " " not in name:
            found[name] += event["dur"] / 1e3 / STEPS
    return found, whole


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=tasks.TASKS, default="text_inpaint")
    parser.add_argument("--size", type=int, default=256, help="side in pixels (256)")
    args = parser.parse_args()
    startup.keep_compiled_programs()
    found, whole = events(args.task, args.size)
    sums = dict.fromkeys((kind for kind, _ in KINDS), 0.0)
    for name, spent in found.items():
        sums[next(kind for kind, words in KINDS if name.startswith(words))] += spent
    lines = [
        f"# Profile of a step: {args.task}, {args.size}²",
        "",
        f"Published network on a CPU, commit {commit()}. The step takes {whole:.0f} ms; pieces run "
        f"at the same time where they can, so they add up to {sum(sums.values()):.0f} ms.",
        "",
        *table(["kind", "ms"], [[kind, f"{spent:.0f}"] for kind, spent in sums.items()]),
        "",
        *table(
            ["the longest pieces", "ms"],
            [[name, f"{spent:.1f}"] for name, spent in found.most_common(15)],
        ),
        "",
    ]
    print("\n".join(lines))
    write_report(f"step_profile_{args.task}.md", "\n".join(lines))


if __name__ == "__main__":
    main()
