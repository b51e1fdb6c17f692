"""What JAX and PyTorch compute of a case, and how far apart they are."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.parity.cases import CASES, Case, Floats, Results, Tree, inputs
from dip_jax.networks.hourglass import hourglass

STORED = Path(__file__).parents[2] / "tests" / "data" / "pytorch_reference.npz"
STEPS = 20


def computed_by_jax(case: Case) -> Results:
    """The results of `dip_jax`, at the full precision of the dtype on any device."""

    def data_term(params: Any, given: Any) -> Any:
        network = hourglass(case.architecture, case.channels, dtype=given.z.dtype)
        out = network.apply(params, given.z)
        total = jnp.sum(given.known * jnp.square(out - given.y))
        return total / (jnp.sum(given.known) * case.channels), out

    def fit(given: Any, lr: float) -> Any:
        """Output and gradients of the first step, and the losses of all."""
        optimizer = optax.adam(lr)

        # Hardly any optimisation by the compiler: compiling takes far longer than running.
        @functools.partial(jax.jit, compiler_options=dict(xla_backend_optimization_level=0))
        def step(params: Any, state: Any) -> Any:
            (loss, out), gradients = jax.value_and_grad(data_term, has_aux=True)(params, given)
            with jax.numpy_dtype_promotion("standard"):  # optax needs it
                changes, state = optimizer.update(gradients, state)
            return optax.apply_updates(params, changes), state, loss, out, gradients

        params, state, *first = step(given.params, optimizer.init(given.params))
        losses = first[:1]
        for _ in range(STEPS - 1):
            params, state, loss, *_ = step(params, state)
            losses.append(loss)
        return *jax.tree.map(np.asarray, first[1:]), np.asarray(losses, np.float64)

    drawn = inputs(case)
    with jax.default_matmul_precision("float32"):
        given = jax.tree.map(jnp.asarray, drawn)
        output, gradients, small = fit(given, case.small_lr)
        with jax.enable_x64(True):
            given = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), drawn)
            *_, double = fit(given, case.lr)
    return Results(output, gradients, double, small)


def computed_by_pytorch(case: Case) -> Results:
    """The results of the baseline; needs PyTorch, and runs on one thread of the CPU."""
    import torch

    from benchmarks.common import pytorch_baseline

    given = inputs(case)
    z, y, known = (pytorch_baseline.to_nchw(x) for x in given[1:])
    model = pytorch_baseline.Hourglass(case.architecture, case.depth, case.channels)
    pytorch_baseline.load(model, given.params)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small that a busy machine's threads only wait for each other
    try:
        out = model(z)
        pytorch_baseline.data_term(out, y, known).backward()
        output, gradients = pytorch_baseline.to_hwc(out), pytorch_baseline.gradients(model)
        small = pytorch_baseline.fit(model, z, y, known, STEPS, case.small_lr).losses
        model.double()
        pytorch_baseline.load(model, given.params)
        double = pytorch_baseline.fit(model, z, y, known, STEPS, case.lr).losses
    finally:
        torch.set_num_threads(threads)
    return Results(output, gradients, double.numpy(), small.double().numpy())


def stored(case: Case) -> Results:
    """What `--write` stored of `computed_by_pytorch`."""
    gradients: Tree = {}
    with np.load(STORED) as file:
        own = {
            key.removeprefix(f"{case.name}/"): file[key]
            for key in file.files
            if key.startswith(f"{case.name}/")
        }
    for key in [key for key in own if key.startswith("gradients/")]:
        _, layer, entry = key.split("/")
        gradients.setdefault(layer, {})[entry] = own[key]
    return Results(own["output"], gradients, own["losses"], own["losses_float32"])


def write() -> None:
    """Stores what PyTorch computes for all cases."""
    arrays: dict[str, Floats] = {}
    for case in CASES:
        results = computed_by_pytorch(case)
        arrays[f"{case.name}/output"] = results.output
        arrays[f"{case.name}/losses"] = results.losses
        arrays[f"{case.name}/losses_float32"] = results.losses_float32
        for layer, entries in results.gradients.items():
            for entry, gradient in entries.items():
                arrays[f"{case.name}/gradients/{layer}/{entry}"] = gradient
    STORED.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(STORED, allow_pickle=False, **arrays)


def deviations(ours: Results, theirs: Results) -> dict[str, float]:
    """How far apart two results are, `max |a − b| / max |b|` for each array.

    The gradients that are zero but for rounding are measured by the largest gradient of the whole
    network instead.

    Returns:
        "output", "losses", "losses_float32", and "gradients/<layer>/<entry>" for every parameter.

    Raises:
        ValueError: if the two do not have the same layers, entries and shapes.
    """
    if jax.tree.map(np.shape, ours) != jax.tree.map(np.shape, theirs):
        raise ValueError("results: the two do not have the same layers, entries and shapes")
    largest = max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(theirs.gradients))

    def relative(a: Floats, b: Floats, scale: float = 0.0) -> float:
        return float(np.abs(a - b).max() / (scale or np.abs(b).max()))

    found = {"output": relative(ours.output, theirs.output)}
    for name in ("losses", "losses_float32"):
        a, b = getattr(ours, name), getattr(theirs, name)
        found[name] = float(np.max(np.abs(a - b) / b))
    for layer, entries in theirs.gradients.items():
        for entry, gradient in entries.items():
            scale = largest if _vanishes(layer, entry) else 0.0
            a = ours.gradients[layer][entry]
            found[f"gradients/{layer}/{entry}"] = relative(a, gradient, scale)
    return found


def _vanishes(layer: str, entry: str) -> bool:
    """Whether this parameter only adds a constant to each channel that a norm then removes.

    So do the bias of every convolution but the last, and the offset of the norm after a join,
    whose constant survives reflection padding and convolution as a constant.
    """
    if layer.startswith("join"):
        return entry == "offset"
    return entry == "bias" and layer != "out"
