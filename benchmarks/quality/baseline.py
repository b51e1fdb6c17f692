"""The fits of `quality` by the PyTorch baseline; to be imported where PyTorch is installed.

All known pixels are fitted, as published. What a person gets is the last step's; kept besides is
the best image of the same fit as the clean picture tells, in the masked tasks the best composite.
"""

import time
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import pytorch_baseline
from benchmarks.common.pytorch_baseline import to_hwc, to_nchw
from benchmarks.quality.figures import Entry, Images, entry
from benchmarks.quality.fits import AVG, OUT
from benchmarks.quality.plan import Config, Picture
from dip_jax.settings import build


class Baseline:
    """The baseline's network and what it is fitted to.

    Attributes:
        device: that it is fitted on.
    """

    def __init__(self, picture: Picture, config: Config, seed: int = 0) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._settings, self._seed = build.fit_settings(config), seed
        architecture, depth = self._settings.architecture, self._settings.input_depth
        h, w, channels = picture.y.shape
        size = architecture.padded(h, w)
        torch.manual_seed(seed)
        model = pytorch_baseline.Hourglass(architecture, depth, channels)
        self._model = model.to(self.device)
        self._z = self._settings.input_scale * torch.rand(1, depth, *size)
        if self._settings.input_kind == "meshgrid":
            rows, columns = (torch.linspace(0, 1, length) for length in size)
            self._z = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))[None]
        known = torch.ones(1, 1, h, w)
        if picture.fill is not None:
            known[0, 0] = torch.from_numpy(~picture.fill).float()
        pad = (0, size[1] - w, 0, size[0] - h)
        self._y = torch.nn.functional.pad(to_nchw(picture.y), pad)
        self._known = torch.nn.functional.pad(known, pad)

    def fit(
        self, steps: int, callback: pytorch_baseline.Callback | None = None
    ) -> pytorch_baseline.Fit:
        """Makes so many steps, from the weights that there are."""
        return pytorch_baseline.fit(
            self._model,
            self._z,
            self._y,
            self._known,
            steps,
            self._settings.learning_rate,
            self._settings.input_noise,
            self._seed,
            self._settings.average,
            callback,
            channels_last=True,
        )


def baseline(
    picture: Picture, config: Config, steps: int, seed: int = 0
) -> tuple[list[Entry], Images, dict[str, Any]]:
    """The PyTorch baseline after so many steps."""
    prepared = Baseline(picture, config, seed)
    h, w, _ = picture.y.shape
    put_in = torch.zeros(1, 1, h, w)
    if picture.fill is not None:
        put_in[0, 0] = torch.from_numpy(~picture.fill).float()
    y, clean, put_in = (
        x.to(prepared.device) for x in (to_nchw(picture.y), to_nchw(picture.clean), put_in)
    )
    best = {
        kind: [torch.full((), torch.inf, device=prepared.device), torch.zeros_like(clean)]
        for kind in (OUT, AVG)
    }

    def keep_best(step: int, out: Tensor, avg: Tensor, loss: Tensor) -> None:
        for kind, image in ((OUT, out), (AVG, avg)):
            x = put_in * y + (1 - put_in) * image[..., :h, :w]
            error = (x - clean).square().mean()
            best[kind] = [
                torch.where(error < best[kind][0], new, old)
                for new, old in zip((error, x), best[kind], strict=True)
            ]

    begin = time.perf_counter()
    fit = prepared.fit(steps, keep_best)
    last = {kind: picture.given(to_hwc(x)[:h, :w]) for kind, x in ((OUT, fit.out), (AVG, fit.avg))}
    a_step = (time.perf_counter() - begin) / steps  # the images have been waited for
    method = f"PyTorch, {steps} steps"
    entries = [
        entry(method, kind, last[kind], to_hwc(best[kind][1]), picture.clean, steps=steps)
        for kind in (OUT, AVG)
    ]
    images = {f"{method}|{kind}": last[kind] for kind in (OUT, AVG)}
    return entries, images, {"device": prepared.device, "step": a_step}
