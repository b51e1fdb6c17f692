"""The same network and the same loop in plain PyTorch, to check and to time `dip_jax` against.

Everything here keeps PyTorch's own conventions: a batch axis of 1 and channels second, so `z` is
`(1, d, h, w)`, the output `(1, c, h, w)` in [0, 1], and `known` `(1, 1, h, w)` or `(1, c, h, w)`.
Layers carry the names of the JAX parameters, so that weights and gradients can cross over.

Source: Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", CVPR 2018; structure and symbols are those
of `networks.hourglass`.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dip_jax.networks.hourglass import Hourglass

Params = Mapping[str, Mapping[str, NDArray[np.float32]]]
Callback = Callable[[int, Tensor, Tensor, Tensor], None]


class Fit(NamedTuple):
    """What `fit` computed.

    Attributes:
        out: the output of the last step, `(1, c, h, w)`.
        avg: the moving average of the outputs, `(1, c, h, w)`.
        losses: the data term of each step, `(steps,)`.
    """

    out: Tensor
    avg: Tensor
    losses: Tensor


class Hourglass(nn.Module):
    """The hourglass of `architecture`: `(1, depth, h, w)` to `(1, channels, h, w)` in [0, 1].

    Batch normalisation is in training mode and keeps no running statistics. Both sides of the
    input must be those that `architecture.padded` gives.
    """

    def __init__(self, architecture: Hourglass, depth: int, channels: int) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.layers = nn.ModuleDict()
        self.act = nn.LeakyReLU(0.2, inplace=True)
        below = depth
        for i in range(a.scales):
            inner = a.up[i + 1] if i + 1 < a.scales else a.down[i]
            self._add(f"down{i}", below, a.down[i], a.down_kernel[i], stride=2)
            self._add(f"deep{i}", a.down[i], a.down[i], a.down_kernel[i])
            if a.skip[i]:
                self._add(f"skip{i}", below, a.skip[i], a.skip_kernel[i])
            self.layers[f"join{i}_norm"] = _norm(a.skip[i] + inner)
            self._add(f"up{i}", a.skip[i] + inner, a.up[i], a.up_kernel[i])
            if a.pointwise:
                self._add(f"pointwise{i}", a.up[i], a.up[i], 1)
            below = a.down[i]
        self.layers["out"] = nn.Conv2d(a.up[0], channels, 1)
        self.upsamplings = nn.ModuleList(_upsample(method) for method in a.upsampling)

    def forward(self, z: Tensor) -> Tensor:
        a = self.architecture
        x, inputs = z, []
        for i in range(a.scales):
            inputs.append(x)
            x = self._block(f"deep{i}", self._block(f"down{i}", x))
        for i in reversed(range(a.scales)):
            x = self.upsamplings[i](x)
            if a.skip[i]:
                x = torch.cat([self._block(f"skip{i}", inputs[i]), x], dim=1)
            x = self._block(f"up{i}", self.layers[f"join{i}_norm"](x))
            if a.pointwise:
                x = self._block(f"pointwise{i}", x)
        return torch.sigmoid(self.layers["out"](x))

    def _add(self, name: str, below: int, features: int, taps: int, stride: int = 1) -> None:
        if taps > 1:
            self.layers[f"{name}_pad"] = nn.ReflectionPad2d(taps // 2)
        self.layers[f"{name}_conv"] = nn.Conv2d(below, features, taps, stride)
        self.layers[f"{name}_norm"] = _norm(features)

    def _block(self, name: str, x: Tensor) -> Tensor:
        if f"{name}_pad" in self.layers:
            x = self.layers[f"{name}_pad"](x)
        return self.act(self.layers[f"{name}_norm"](self.layers[f"{name}_conv"](x)))


def load(model: Hourglass, params: Params) -> None:
    """Copies the parameters of the JAX network, such as `params["down0_conv"]["kernel"]`, in.

    The model keeps its own device and dtype.

    Raises:
        ValueError: if layers, entries or shapes are not those of the model.
    """
    own = _parameters(model)
    found = {layer: set(entries) for layer, entries in params.items()}
    if found != {layer: set(entries) for layer, entries in own.items()}:
        raise ValueError(f"parameters: layers are {sorted(params)}, expected {sorted(own)}")
    with torch.no_grad():
        for layer, entries in own.items():
            for entry, parameter in entries.items():
                value = np.asarray(params[layer][entry])
                value = value.transpose(3, 2, 0, 1) if entry == "kernel" else value
                if value.shape != parameter.shape:
                    raise ValueError(
                        f"parameters: {layer}/{entry} is {value.shape} in the layout of PyTorch, "
                        f"expected {tuple(parameter.shape)}"
                    )
                parameter.copy_(torch.from_numpy(value.copy()))


def gradients(model: Hourglass) -> dict[str, dict[str, NDArray[np.float32]]]:
    """The gradients that the last `backward` left, in names and layout of the JAX parameters."""

    def array(entry: str, gradient: Tensor | None) -> NDArray[np.float32]:
        if gradient is None:
            raise ValueError("gradients: there are none yet, call backward() first")
        gradient = gradient.permute(2, 3, 1, 0) if entry == "kernel" else gradient
        return np.ascontiguousarray(gradient.cpu().numpy())

    return {
        layer: {entry: array(entry, parameter.grad) for entry, parameter in entries.items()}
        for layer, entries in _parameters(model).items()
    }


def data_term(out: Tensor, y: Tensor, known: Tensor) -> Tensor:
    """The mean of `(out − y)²` over the known values, a scalar."""
    known = known.expand_as(out)
    return (known * (out - y).square()).sum() / known.sum()


def fit(
    model: Hourglass,
    z: Tensor,
    y: Tensor,
    known: Tensor,
    steps: int,
    lr: float,
    input_noise: float = 0.0,
    seed: int = 0,
    average: float = 0.99,
    callback: Callback | None = None,
    *,
    channels_last: bool = False,
    compile: bool = False,
) -> Fit:
    """Fits the model, in place, to the known values of `y` with Adam, as published.

    Args:
        model: the fit runs on the device and in the dtype of its parameters.
        z: the fixed input, `(1, d, h, w)`.
        y: the observed image, `(1, c, h, w)` in [0, 1].
        known: 1 where `y` is known and 0 elsewhere, `(1, 1, h, w)` or `(1, c, h, w)`.
        steps: 1 or more.
        lr: the learning rate.
        input_noise: standard deviation s of the fresh noise that each step adds to `z`.
        seed: of that noise.
        average: the weight of the past in the moving average, which starts with the first output.
        callback: called as `callback(step, out, avg, loss)` after each step, counted from 1. The
            average is updated in place: copy it to keep it.
        channels_last: keep images and kernels in memory with the channels last.
        compile: run the model through `torch.compile`.
    """
    first = next(model.parameters())
    device, dtype = first.device, first.dtype
    memory = torch.channels_last if channels_last else torch.contiguous_format
    if channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    z, y, known = (x.to(device, dtype, memory_format=memory) for x in (z, y, known))
    forward: Callable[[Tensor], Tensor] = torch.compile(model) if compile else model
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    generator = torch.Generator(device).manual_seed(seed)
    noise = torch.empty_like(z)
    avg, losses = torch.zeros_like(y), []
    for step in range(1, steps + 1):
        noisy = z
        if input_noise:
            noisy = torch.add(z, noise.normal_(generator=generator), alpha=input_noise)
        optimizer.zero_grad()
        out = forward(noisy)
        loss = data_term(out, y, known)
        loss.backward()
        optimizer.step()
        out, loss = out.detach(), loss.detach()
        avg.lerp_(out, 1 - average if step > 1 else 1.0)
        losses.append(loss)
        if callback is not None:
            callback(step, out, avg, loss)
    return Fit(out, avg, torch.stack(losses))


def to_nchw(x: NDArray[np.float32]) -> Tensor:
    """`(h, w, c)` to a tensor `(1, c, h, w)`."""
    return torch.from_numpy(np.array(x, np.float32).transpose(2, 0, 1).copy())[None]


def to_hwc(x: Tensor) -> NDArray[np.float32]:
    """A tensor `(1, c, h, w)` to `(h, w, c)`."""
    return np.ascontiguousarray(x.detach()[0].permute(1, 2, 0).cpu().numpy())


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-5, track_running_stats=False)


def _upsample(method: str) -> nn.Upsample:
    if method == "nearest":
        return nn.Upsample(scale_factor=2, mode="nearest")
    return nn.Upsample(scale_factor=2, mode=method, align_corners=False)


def _parameters(model: Hourglass) -> dict[str, dict[str, Tensor]]:
    """The parameters under their JAX names, in their PyTorch layout."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, layer in model.layers.items():
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            found[name] = {"kernel": layer.weight, "bias": layer.bias}
        elif isinstance(layer, nn.BatchNorm2d):
            found[name] = {"scale": layer.weight, "offset": layer.bias}
    return found
