"""What operators measure of clean pictures, for the benchmarks: `y`, and the operator.

Images are `(h, w, c)` in [0, 1]; noise is always the same.
"""

import io
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from PIL import Image
from skimage.data import shepp_logan_phantom
from skimage.transform import resize

from benchmarks.common.samples import opened
from dip_jax import operators

SIGMA, NOISE, QUALITY, VIEWS, SAMPLED = 1.6, 2 / 255, 10, 30, 1 / 3

Image_ = np.ndarray
Measured = tuple[Image_, Any]
KERNEL = operators.gaussian(SIGMA)
ANGLES = np.linspace(0, 180, VIEWS, endpoint=False)


def reduced(clean: Image_, factor: int, sigma: float = 0.0) -> Measured:
    """Made smaller by Pillow's LANCZOS, then noise of a deviation of 255; the model is lanczos2."""
    h, w, _ = clean.shape
    small = as_picture(clean).resize((w // factor, h // factor), Image.Resampling.LANCZOS)
    if sigma:
        noise = sigma * np.random.default_rng(0).standard_normal(np.shape(small))
        small = as_picture(np.clip(np.asarray(small) + noise, 0, 255) / 255)
    y = np.asarray(small, np.float32).reshape(h // factor, w // factor, -1) / 255
    return y, operators.downsample(factor)


def blurred(clean: Image_) -> Measured:
    """By a Gaussian of `SIGMA` pixels, with noise of `NOISE`."""
    operator = operators.blur(KERNEL)
    noise = NOISE * np.random.default_rng(0).standard_normal(clean.shape)
    y = np.clip(np.asarray(operator(jnp.asarray(clean))) + noise, 0, 1)
    return y.astype(np.float32), operator


def compressed(clean: Image_) -> Measured:
    """As a JPEG of `QUALITY`, by Pillow."""
    file = io.BytesIO()
    as_picture(clean).save(file, "JPEG", quality=QUALITY)
    y = np.asarray(Image.open(file), np.float32).reshape(clean.shape) / 255
    return y, operators.jpeg(QUALITY, "4:2:0")


def sinogram(clean: Image_) -> Measured:
    """Of `VIEWS` parallel views, with noise of 1 % of the largest value."""
    operator = operators.radon(ANGLES)
    y = np.asarray(operator(jnp.asarray(clean)))
    noise = 0.01 * y.max() * np.random.default_rng(0).standard_normal(y.shape)
    return (y + noise).astype(np.float32), operator


def spectrum(clean: Image_) -> Measured:
    """A share of `SAMPLED` of the columns of the Fourier transform, with noise of `NOISE`.

    The mask is Cartesian: the middle twelfth of the columns, and others at random.
    """
    h, w, _ = clean.shape
    rng = np.random.default_rng(0)
    columns = np.abs(np.fft.fftfreq(w)) < 1 / 24
    others = np.flatnonzero(~columns)
    columns[rng.choice(others, round(SAMPLED * w) - int(columns.sum()), replace=False)] = True
    operator = operators.fourier(np.tile(columns, (h, 1)))
    y = np.asarray(operator(jnp.asarray(clean)))
    noise = rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape)
    return (y + NOISE / np.sqrt(2) * noise).astype(np.complex64), operator


def as_picture(x: Image_) -> Image.Image:
    """An image in [0, 1] as one of Pillow, of 8 bits."""
    return Image.fromarray(np.rint(255 * x).astype(np.uint8).squeeze())


def clean_picture(where: Path, side: int | None = None, colours: bool | None = None) -> Image_:
    """A clean picture, `(h, w, c)` in [0, 1].

    Args:
        where: as `common.samples.opened` takes it.
        side: of the square in its middle that is taken; None for all but what is beyond multiples
            of 32.
        colours: whether it is to have colours; None for those that it has.
    """
    image = opened(where)
    if colours is not None or image.mode != "L":
        image = image.convert("L" if colours is False else "RGB")
    w, h = image.size
    width, height = (w // 32 * 32, h // 32 * 32) if side is None else [min(side, w, h)] * 2
    left, top = (w - width) // 2, (h - height) // 2
    image = image.crop((left, top, left + width, top + height))
    return np.asarray(image, np.float32).reshape(height, width, -1) / 255


def phantom(side: int) -> Image_:
    """Shepp and Logan's, `(side, side, 1)`."""
    return resize(shepp_logan_phantom(), (side, side)).astype(np.float32)[..., None]
