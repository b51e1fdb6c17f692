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
import platform
from collections.abc import Mapping

import jax

from benchmarks.parity.cases import CASES
from benchmarks.parity.compare import (
    STORED,
    computed_by_jax,
    computed_by_pytorch,
    deviations,
    stored,
    write,
)


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
