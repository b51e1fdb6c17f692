"""A worker that times the step of the PyTorch baseline; see `turns` and `speed`.

The loop is `pytorch_baseline.fit` itself: the worker waits for its turn inside the callback that
the loop calls after each step.
"""

import contextlib
import time
from typing import Any

from benchmarks.common import turns


class _Released(Exception):
    """Ends the loop of the baseline."""


class _Turns:
    """The callback: makes the steps that a request asks for, then waits for the next one.

    For a turn those are one that is not timed and so many that are; for the memory, one.
    """

    def __init__(self, pipe: turns.Pipe, device: str, begin: float) -> None:
        self._pipe, self._device, self._begin = pipe, device, begin
        self._steps = self._left = 0
        self._warming = self._timed = False

    def __call__(self, step: int, out: Any, avg: Any, loss: Any) -> None:
        if step == 1:
            settle(self._device)
            self._pipe.answer(first_step=time.perf_counter() - self._begin)
            self._next()
        elif self._warming:
            settle(self._device)
            self._begin, self._warming = time.perf_counter(), False
        else:
            self._left -= 1
            if not self._left:
                settle(self._device)
                self._answer()
                self._next()

    def _answer(self) -> None:
        if self._timed:
            seconds = (time.perf_counter() - self._begin) / self._steps
            self._pipe.answer(seconds=seconds, rest=self._pipe.busy_at_rest)
        elif self._device == "cpu":
            self._pipe.answer(peak=turns.peak_bytes())
        else:
            import torch

            self._pipe.answer(peak=torch.cuda.max_memory_allocated())

    def _next(self) -> None:
        request = self._pipe.receive()
        if request is None:
            raise _Released
        self._timed = self._warming = request["do"] == "turn"
        self._steps = self._left = request.get("steps", 1)
        if not self._timed:
            turns.forget_peak()
            if self._device != "cpu":
                import torch

                torch.cuda.reset_peak_memory_stats()


def settle(device: str) -> None:
    """Waits for the device."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize()


def main(pipe: turns.Pipe, variant: turns.Message) -> None:
    """Answers what it is asked for: see `plan.Variant`."""
    import torch

    torch.set_num_threads(len(variant["cores"]))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    set_precision(variant["precision"])
    pipe.answer(platform=device, kind=kind)
    while (request := pipe.receive()) is not None:
        try:
            if request["do"] == "prepare":
                fit_in_turns(pipe, request, variant, device)
                return
            pipe.answer(**rates(device, request["side"]))
        except Exception as error:
            text = str(error).strip() or "no message"
            pipe.answer(error=f"{type(error).__name__}: {text.splitlines()[0][:200]}")


def set_precision(precision: str) -> None:
    """Whether float32 products may be computed in TF32, in matrix products and convolutions."""
    import torch

    torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.backends.cudnn.benchmark = True


def fit_in_turns(
    pipe: turns.Pipe, request: turns.Message, variant: turns.Message, device: str
) -> None:
    """The loop of the baseline on a configuration, until there are no more requests."""
    import torch

    from benchmarks.common import pytorch_baseline
    from benchmarks.speed import plan
    from dip_jax.settings import build

    class Autocast(pytorch_baseline.Hourglass):
        """The network in bfloat16, with float32 weights and output."""

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            with torch.autocast(z.device.type, torch.bfloat16):
                return super().forward(z).float()

    config = plan.configuration(request["task"], request["channels"])
    settings = build.fit_settings(config)
    y, fill = plan.picture(config, request["size"])
    network = Autocast if variant["precision"] == "bfloat16" else pytorch_baseline.Hourglass
    begin = time.perf_counter()
    torch.manual_seed(0)
    h, w = settings.architecture.padded(*y.shape[:2])
    model = network(settings.architecture, settings.input_depth, y.shape[2]).to(device)
    z = 0.1 * torch.rand(1, settings.input_depth, h, w)
    known = torch.ones(1, 1, *y.shape[:2])
    if fill is not None:
        known[0, 0] = torch.from_numpy(~fill).float()
    pad = (0, w - y.shape[1], 0, h - y.shape[0])
    with contextlib.suppress(_Released):
        pytorch_baseline.fit(
            model,
            z,
            torch.nn.functional.pad(pytorch_baseline.to_nchw(y), pad),
            torch.nn.functional.pad(known, pad),
            10**9,
            settings.learning_rate,
            settings.input_noise,
            average=settings.average,
            callback=_Turns(pipe, device, begin),
            channels_last=variant["channels_last"],
            compile=variant["compile"],
        )


def rates(device: str, side: int) -> dict[str, Any]:
    """Operations per second of a matrix product of that side, by precision."""
    import torch

    found: dict[str, float] = {}
    before = torch.get_float32_matmul_precision()
    for precision in ["float32"] if device == "cpu" else ["float32", "tf32", "bfloat16"]:
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        a = torch.ones(side, side, dtype=kind, device=device)

        def product(a: torch.Tensor = a) -> None:
            a @ a
            settle(device)

        found[precision] = turns.best_rate(2 * side**3, product)
    torch.set_float32_matmul_precision(before)
    return {"matmul": found}


if __name__ == "__main__":
    turns.serve(main)
