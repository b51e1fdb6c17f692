"""The plain forms that the fast ones must agree with: XLA's own operations, one after the other."""

import jax
import jax.numpy as jnp
from jax import lax


def conv(x, kernel, bias, *, stride=1):
    p = kernel.shape[0] // 2
    padded = jnp.pad(x, ((p, p), (p, p), (0, 0)), mode="reflect")
    out = lax.conv_general_dilated(
        padded[None], kernel, (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return out[0] + bias[None, None]


def upsample(x, method):
    h, w, c = x.shape
    return jax.image.resize(x, (2 * h, 2 * w, c), method)


def norm(x, scale, offset):
    mean, variance = jnp.mean(x, (0, 1)), jnp.var(x, (0, 1))
    normalised = (x - mean[None, None]) / jnp.sqrt(variance + 1e-5)[None, None]
    return normalised * scale[None, None] + offset[None, None]


def hourglass(architecture, params, z):
    """The network as it is drawn: everything is upsampled, joined and normalised."""

    def normalised(x, name):
        return norm(x, params[f"{name}_norm"]["scale"], params[f"{name}_norm"]["offset"])

    def convolved(x, name, stride=1):
        return conv(x, params[name]["kernel"], params[name]["bias"], stride=stride)

    def block(x, name, stride=1):
        x = normalised(convolved(x, f"{name}_conv", stride), name)
        return jnp.where(x >= 0, x, 0.2 * x)

    def scale(x, i):
        deep = block(block(x, f"down{i}", 2), f"deep{i}")
        if i + 1 < architecture.scales:
            deep = scale(deep, i + 1)
        joined = upsample(deep, architecture.upsampling[i])
        if architecture.skip[i]:
            joined = jnp.concatenate([block(x, f"skip{i}"), joined], axis=-1)
        joined = block(normalised(joined, f"join{i}"), f"up{i}")
        return block(joined, f"pointwise{i}") if architecture.pointwise else joined

    return jax.nn.sigmoid(convolved(scale(z, 0), "out"))
