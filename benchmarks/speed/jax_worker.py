"""A worker that times the step of `dip_jax`; see `turns` and `speed`."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from benchmarks.common import turns


@dataclasses.dataclass
class Prepared:
    """A configuration that is ready to be timed.

    Attributes:
        advance: makes so many steps of every lane, or of the first one only, and waits for them.
        first_step: seconds from nothing to the end of the first lane's first step.
    """

    advance: Callable[[int, bool], None]
    first_step: float


def main(pipe: turns.Pipe, variant: turns.Message) -> None:
    """Answers what it is asked for: see `plan.Variant`."""
    import jax

    device = jax.local_devices()[0]
    pipe.answer(platform=device.platform, kind=device.device_kind)
    prepared: Prepared | None = None
    while (request := pipe.receive()) is not None:
        try:
            if request["do"] == "prepare":
                prepared = prepare(request, variant)
                pipe.answer(first_step=prepared.first_step)
            elif request["do"] == "turn":
                assert prepared is not None
                pipe.answer(seconds=turn(prepared, request["steps"]), rest=pipe.busy_at_rest)
            elif request["do"] == "peak":
                assert prepared is not None
                pipe.answer(peak=peak(prepared, device))
            else:
                pipe.answer(**rates(device, request["side"], request["values"]))
        except Exception as error:
            prepared = None
            pipe.answer(error=f"{type(error).__name__}: {str(error).splitlines()[0][:200]}")


def prepare(request: turns.Message, variant: turns.Message) -> Prepared:
    """Compiles a configuration and makes its first step."""
    import jax
    import numpy as np

    from benchmarks.common.beginning import begin
    from benchmarks.speed import plan
    from dip_jax.fit.fitting import make_fit
    from dip_jax.forward.observation import observe
    from dip_jax.lanes.slots import Slots
    from dip_jax.settings import build

    start = time.perf_counter()
    config = plan.configuration(request["task"], request["channels"], variant["precision"])
    settings = build.fit_settings(config)
    y, fill = plan.picture(config, request["size"])
    observation, _ = observe(y, fill)
    fit = make_fit(settings, build.criterion(config), y.shape[2])

    lane, current = begin(fit, observation, config["num_steps"])
    if variant["form"] == "single":
        step = jax.jit(fit.step, donate_argnums=0)

        def singles(count: int, only_first: bool) -> None:
            nonlocal current
            for _ in range(count):
                current, _ = step(current, lane)
            jax.block_until_ready(current)

        singles(1, True)
        return Prepared(singles, time.perf_counter() - start)

    lanes = request["lanes"]
    slots = Slots(
        fit,
        lane,
        current,
        per_device=lanes,
        devices=jax.local_devices()[:1],
        length=request["length"],
    )
    slots.put(0, lane, current)
    for seed in range(1, lanes):
        slots.put(seed, *begin(fit, observation, config["num_steps"], seed))
    until = np.zeros(lanes, np.int64)

    def chunk(count: int, only_first: bool) -> None:
        until[: 1 if only_first else lanes] += count
        slots.advance(until)

    chunk(1, True)
    return Prepared(chunk, time.perf_counter() - start)


def turn(prepared: Prepared, steps: int) -> float:
    """Seconds per step of all lanes, after a step of the first one that is not timed."""
    prepared.advance(1, True)
    begin = time.perf_counter()
    prepared.advance(steps, False)
    return (time.perf_counter() - begin) / steps


def peak(prepared: Prepared, device: Any) -> int | None:
    """The most memory, in bytes, during a step of all lanes."""
    turns.forget_peak()
    prepared.advance(1, False)
    if device.platform == "cpu":
        return turns.peak_bytes()
    return (device.memory_stats() or {}).get("peak_bytes_in_use")


def rates(device: Any, side: int, values: int) -> dict[str, Any]:
    """Operations per second of a matrix product of that side, by precision; bytes per second."""
    import jax
    import jax.numpy as jnp

    found: dict[str, Any] = {}
    precisions = ["float32"] if device.platform == "cpu" else ["float32", "tf32", "bfloat16"]
    for precision in precisions:
        kind = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
        how = {"float32": "highest", "tf32": "tensorfloat32"}.get(precision, "default")
        a = jnp.ones((side, side), kind)
        product = jax.jit(lambda x, how=how: jnp.matmul(x, x, precision=how))
        found[precision] = turns.best_rate(
            2 * side**3, lambda f=product, x=a: jax.block_until_ready(f(x))
        )
    scaled = jax.jit(lambda x: 1.5 * x, donate_argnums=0)
    x = jnp.ones(values, jnp.float32)

    def scale() -> None:
        nonlocal x
        x = jax.block_until_ready(scaled(x))

    return {"matmul": found, "bandwidth": turns.best_rate(8 * values, scale)}


if __name__ == "__main__":
    turns.serve(main)
