"""Does `dip_jax` compute what plain PyTorch computes, from the same weights, input and target?

For each of a few small cases (the networks of the tasks, and a picture of odd size) there are three
things to agree on: the output, the gradient of the data term in every parameter, and the losses of
20 noise-free steps of Adam. Everything that goes in is drawn by NumPy from the case's seed, so that
only results need to be stored.

Output and gradients are in float32. The losses are compared twice: in float64 at the learning rate
of the task, and in float32 at a very small one. In float32 at 0.01 the fit is chaotic: an input of
a LeakyReLU that rounding moves across 0 changes gradients by 1e-3, Adam turns that into steps of
full size, and after 20 steps PyTorch is up to 1e-1 away from PyTorch with `channels_last`.

    python -m benchmarks.parity           compares JAX with PyTorch and with the stored arrays
    python -m benchmarks.parity --write   stores what PyTorch computes in tests/data
"""

import argparse
import dataclasses
import functools
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from dip_jax.networks.hourglass import Hourglass, hourglass

STORED = Path(__file__).parents[1] / "tests" / "data" / "pytorch_reference.npz"
STEPS = 20

Floats = NDArray[np.floating[Any]]
Tree = dict[str, dict[str, Floats]]


@dataclasses.dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        name: its name, also in the stored file.
        architecture: the network.
        size: `(h, w)` of the picture, before padding.
        depth: channels of `z`; "meshgrid" needs 2.
        channels: channels of the picture.
        z: "noise" for U(0, 0.1), "meshgrid" for the coordinates in [0, 1].
        missing: "none", "hole" for a rectangle, or "pixels" for half of them at random.
        lr: the learning rate of Adam, that of the task.
        small_lr: one at which float32 is not chaotic.
        seed: of all that is drawn. Not just any: the gradient jumps where the input of a
            LeakyReLU crosses 0, so it is one where none is so close to 0 that rounding decides.
    """

    name: str
    architecture: Hourglass
    size: tuple[int, int]
    depth: int = 8
    channels: int = 3
    z: str = "noise"
    missing: str = "none"
    lr: float = 0.01
    small_lr: float = 3e-5
    seed: int = 0


class Inputs(NamedTuple):
    """What both sides start from, in the layout of JAX and padded to a size that the network takes.

    Attributes:
        params: the parameters.
        z: `(h, w, d)`.
        y: `(h, w, c)` in [0, 1].
        known: `(h, w, 1)`, 1 where `y` counts; 0 in the padding.
    """

    params: Tree
    z: Floats
    y: Floats
    known: Floats


class Results(NamedTuple):
    """What both sides compute.

    Attributes:
        output: `f(θ, z)` of the initial parameters, `(h, w, c)` with the padding.
        gradients: of the data term there, in names and layout of the JAX parameters.
        losses: the data term before each step of Adam in float64, `(STEPS,)`.
        losses_float32: the same in float32 and with `small_lr`.
    """

    output: Floats
    gradients: Tree
    losses: Floats
    losses_float32: Floats


def _architecture(
    channels: tuple[int, ...], skip: int, upsampling: str, taps: int = 3, pointwise: bool = True
) -> Hourglass:
    n = len(channels)
    return Hourglass(
        down=channels,
        up=channels,
        skip=(skip,) * n,
        down_kernel=(taps,) * n,
        up_kernel=(3,) * n,
        skip_kernel=(1,) * n,
        upsampling=(upsampling,) * n,
        pointwise=pointwise,
    )


CASES = (
    Case("denoise", _architecture((8,) * 3, 4, "bilinear"), (64, 48), seed=14),
    Case("text", _architecture((8,) * 3, 8, "nearest"), (64, 48), missing="hole", seed=5),
    Case(
        "hole",
        _architecture((6, 8, 10), 0, "nearest"),
        (64, 48),
        depth=2,
        z="meshgrid",
        missing="hole",
        seed=17,
    ),
    Case(
        "reconstruct",
        _architecture((8,) * 3, 4, "bilinear"),
        (48, 64),
        channels=1,
        missing="pixels",
        lr=0.001,
        seed=20,
    ),
    Case(
        "hole_library",
        _architecture((4, 6, 8, 8, 8, 8), 0, "nearest", taps=5, pointwise=False),
        (192, 192),  # the least that six scales of 5×5 can take
        depth=1,
        channels=1,
        missing="hole",
        small_lr=3e-6,
        seed=16,
    ),
    Case("odd_size", _architecture((8,) * 3, 4, "bilinear"), (45, 67), seed=13),
)


def inputs(case: Case) -> Inputs:
    """Draws what both sides start from; the same on every machine."""
    rng = np.random.default_rng(case.seed)
    h, w = case.size
    padded = case.architecture.padded(h, w)
    z = _input(case, rng, *padded)
    # Flat squares with a little noise on them: something that the network can begin to learn.
    squares = rng.random((-(-h // 8), -(-w // 8), case.channels), np.float32)
    y = squares.repeat(8, 0).repeat(8, 1)[:h, :w]
    y = 0.9 * y + 0.1 * rng.random(y.shape, np.float32)
    known = np.ones((h, w, 1), np.float32)
    if case.missing == "hole":
        known[h // 4 : h // 2, w // 3 : 2 * w // 3] = 0
    elif case.missing == "pixels":
        known = (rng.random(known.shape, np.float32) < 0.5).astype(np.float32)
    border = ((0, padded[0] - h), (0, padded[1] - w), (0, 0))
    return Inputs(_params(case, rng, z.shape), z, np.pad(y, border), np.pad(known, border))


def _input(case: Case, rng: np.random.Generator, h: int, w: int) -> Floats:
    if case.z == "noise":
        return np.float32(0.1) * rng.random((h, w, case.depth), np.float32)
    columns, rows = np.meshgrid(np.linspace(0, 1, w), np.linspace(0, 1, h))
    return np.stack([columns, rows], axis=-1).astype(np.float32)


def _params(case: Case, rng: np.random.Generator, shape: tuple[int, ...]) -> Tree:
    """Parameters as the network would have, but norms that are not the identity.

    A norm whose offset is 0 before a LeakyReLU and another norm has no gradient in its scale.
    """

    def uniform(shape: tuple[int, ...], low: float, high: float) -> Floats:
        return np.float32(low) + np.float32(high - low) * rng.random(shape, np.float32)

    params: Tree = {}
    shapes = parameter_shapes(case.architecture, shape, case.channels)
    for layer, entries in sorted(shapes.items()):
        if "kernel" in entries:
            bound = 1 / math.sqrt(math.prod(entries["kernel"].shape[:3]))
            ranges = {"kernel": (-bound, bound), "bias": (-bound, bound)}
        else:
            ranges = {"scale": (0.5, 1.5), "offset": (-0.5, 0.5)}
        params[layer] = {
            entry: uniform(entries[entry].shape, *ranges[entry]) for entry in sorted(entries)
        }
    return params


def parameter_shapes(architecture: Hourglass, shape: tuple[int, ...], channels: int) -> Any:
    """Shapes and dtypes of the JAX parameters for a `z` of that shape; allocates nothing."""
    z = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.eval_shape(hourglass(architecture, channels).init, jax.random.key(0), z)


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


def _summary(found: Mapping[str, float]) -> str:
    worst = max((key for key in found if key.startswith("gradients/")), key=lambda k: found[k])
    return (
        f"output {found['output']:.1e}   losses {found['losses']:.1e}, "
        f"float32 {found['losses_float32']:.1e}   "
        f"gradients {found[worst]:.1e} ({worst.removeprefix('gradients/')})"
    )


def _versions() -> str:
    try:
        import torch
    except ImportError:
        found = "no PyTorch"
    else:
        found = f"PyTorch {torch.__version__}"
    device = jax.devices()[0].device_kind
    return f"JAX {jax.__version__} on {device}, {found}, {platform.machine()} {platform.system()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {STORED.name} first")
    if parser.parse_args().write:
        write()
        print(f"wrote {STORED}, {STORED.stat().st_size / 1024:.0f} KiB")
    print(_versions())
    print("largest deviations of JAX, relative, from")
    for case in CASES:
        ours = computed_by_jax(case)
        try:
            live = _summary(deviations(ours, computed_by_pytorch(case)))
        except ImportError:
            live = "not installed"
        print(f"{case.name:13} PyTorch  {live}")
        print(f"{'':13} stored   {_summary(deviations(ours, stored(case)))}")


if __name__ == "__main__":
    main()
