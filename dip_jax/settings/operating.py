"""The operator that a picture was measured by, according to its configuration."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dip_jax.errors import InputError, field, quoted, setting
from dip_jax.forward.operators.jpeg import tables_of
from dip_jax.pictures import reading
from dip_jax.pictures.arrays import Layout
from dip_jax.pictures.damage import compressed, gaussian_noise
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.values import from_float, to_float
from dip_jax.prepare.measuring import Measuring, measuring
from dip_jax.settings.tasks import Config, defaults

Image = Float[np.ndarray, "h w c"]

QUALITY_OF_SAMPLES = 10
_ROOM = 1.25  # times what a back-projection finds the largest density to be


def measuring_of(config: Config, picture: Picture) -> Measuring:
    """How a picture was measured from the one that is to be found.

    Args:
        config: of one of `tasks.MEASURED`.
        picture: as its file has it.

    Raises:
        InputError: if the configuration cannot be used, or not with this picture.
    """
    return measuring(config["task"], _fields(config, picture), picture.layout)


def measured_anew(
    config: Config, picture: Picture, name: str, rng: np.random.Generator
) -> tuple[Picture, Image, Measuring]:
    """A clean picture, measured, for an experiment.

    Args:
        config: of one of `tasks.MEASURED`.
        picture: the clean one. Rows and columns that do not fit the operator are cut off, at the
            bottom and at the right.
        name: the picture's name, for messages.
        rng: of the noise, whose deviation is `config.damage.sigma`.

    Returns:
        The measurement, as a file would hold it; the clean picture, `(h, w, c)` in [0, 1]; and how
        it was measured.

    Raises:
        InputError: if the configuration cannot be used, or not with this picture.
    """
    task, sigma = config["task"], config["damage"]["sigma"]
    x = _that_fits(config, to_float(picture.pixels, picture.data_range), name)
    fields = _fields(config, picture, for_experiment=True)
    how = measuring(task, fields, _layout_of_measured(config, picture, x))
    if task == "remove_jpeg":  # by an encoder, which no operator follows in all
        pixels = picture.pixels[: x.shape[0], : x.shape[1]]
        pixels = compressed(pixels, np.asarray(fields["quality"]), fields["subsampling"])
        return dataclasses.replace(picture, pixels=pixels), x, how
    y = np.asarray(how.operator(jnp.asarray(x)))
    if task == "tomography":
        largest = float(y.max()) or 1.0
        y = y[..., 0] + sigma / 255 * largest * rng.standard_normal(y.shape[:2])
        y = y.astype(np.float32)
        low, high = float(min(0.0, y.min())), float(y.max())
        how = dataclasses.replace(how, values=(low, high))
        return Picture(y, file_format="TIFF", data_range=(low, high)), x, how
    y = gaussian_noise(y, sigma, rng) if sigma else y
    ndim = 2 if y.shape[2] == 1 else 3
    pixels = from_float(y, picture.pixels.dtype, ndim, picture.data_range)
    alpha = picture.alpha if pixels.shape[:2] == picture.pixels.shape[:2] else None
    return dataclasses.replace(picture, pixels=pixels, alpha=alpha), x, how


def _that_fits(config: Config, x: Image, name: str) -> Image:
    h, w, c = x.shape
    if config["task"] == "demosaic" and c != 3:
        raise InputError(
            f"{name} is grey, and a camera's mosaic has colours; expected a picture in colour"
        )
    if config["task"] == "tomography":
        if c != 1:
            raise InputError(f"{name} has colours, and a body has one density; expected a grey one")
        side = min(h, w)
        distance = np.hypot(*(np.mgrid[:side, :side] - side // 2))
        return x[:side, :side] * (distance <= side // 2)[..., None].astype(np.float32)
    factor = max(1, config["operator"].get("factor", 1))
    return x[: h // factor * factor, : w // factor * factor]


def _layout_of_measured(config: Config, picture: Picture, x: Image) -> Layout:
    """Of what will be measured of a clean picture."""
    h, w, c = x.shape
    factor = max(1, config["operator"].get("factor", 1))
    shape: tuple[int, ...] = (h // factor, w // factor)
    if config["task"] == "tomography":
        return Layout((h, config["operator"]["views"]), np.dtype(np.float32), None, None)
    if c > 1 and config["task"] != "demosaic":
        shape = (*shape, c)
    axis = -1 if len(shape) == 3 else None
    return Layout(shape, picture.pixels.dtype, axis, picture.data_range)


def image_shape(config: Config, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape of the image that is fitted, `(h, w, c)`, for a picture of a shape.

    Args:
        config: of any task.
        shape: of the picture that is given, `(h, w, c)`.
    """
    h, w, c = shape
    how = config.get("operator", {})
    if "views" in how:
        return h, h, 1
    factor = how.get("factor", 1)
    return h * factor, w * factor, 3 if "pattern" in how else c


def _fields(config: Config, picture: Picture, for_experiment: bool = False) -> dict[str, Any]:
    fields = dict(config["operator"])
    if "kernel" in fields and config["task"] == "deblur":
        if fields["sigma"] != defaults("deblur")["operator"]["sigma"]:
            check_one_blur(fields)
        fields["kernel"] = _kernel(fields["kernel"]) if fields["kernel"] else None
        if fields["kernel"] is None and not (np.isfinite(fields["sigma"]) and fields["sigma"] > 0):
            raise InputError(
                field("operator.sigma"),
                f" is {fields['sigma']}; expected the Gaussian's deviation, in pixels above 0, or ",
                field("operator.kernel"),
            )
    if "views" in fields:
        fields["white"] = _white(fields, picture, for_experiment)
    if "quality" in fields:
        fields |= _compression(fields, picture, for_experiment)
    return fields


def check_one_blur(fields: Mapping[str, Any]) -> None:
    """Refuses a kernel together with the width of a Gaussian.

    Args:
        fields: "kernel", a file or "", and "sigma" in pixels, 0 for none.

    Raises:
        InputError: if there are both.
    """
    if fields["kernel"] and fields["sigma"]:
        raise InputError(
            field("operator.kernel"),
            f" is {quoted(fields['kernel'])} and ",
            field("operator.sigma"),
            f" is {fields['sigma']:g}; expected one of them: the kernel's file, or the width of a "
            "Gaussian",
        )


def _kernel(path: str) -> np.ndarray:
    picture = reading.read(path, any_values=True)
    pixels = picture.pixels
    if pixels.ndim == 3:
        if not (pixels == pixels[..., :1]).all():
            raise InputError(
                field("operator.kernel"), f" {path!r} has colours; expected a grey picture"
            )
        pixels = pixels[..., 0]
    return np.asarray(pixels, np.float64)


def _white(fields: dict[str, Any], picture: Picture, for_experiment: bool) -> float:
    """The density that is white in the result: by a back-projection, where it is not told."""
    views, white = fields["views"], fields["white"]
    if views < 1:
        raise InputError(field("operator.views"), f" is {views}; expected 1 or more")
    if not (np.isfinite(white) and white >= 0):
        raise InputError(
            field("operator.white"),
            f" is {white}; expected the density that is to be white, or 0 to have it estimated",
        )
    if white or for_experiment:
        return white or 1.0
    from skimage.transform import iradon  # here, because it takes long to import

    sinogram = np.nan_to_num(picture.pixels.astype(np.float64))
    if sinogram.ndim != 2:
        return 1.0  # which is refused
    angles = np.linspace(0, fields["degrees"], sinogram.shape[1], endpoint=False)
    found = iradon(sinogram, angles, filter_name="hann", circle=True)
    return float(_ROOM * np.percentile(found, 99.9)) or 1.0


def _compression(fields: dict[str, Any], picture: Picture, for_experiment: bool) -> dict[str, Any]:
    quality, subsampling = fields["quality"], fields["subsampling"]
    found = None if for_experiment else picture.compression
    if not 0 <= quality <= 100:
        raise InputError(
            field("operator.quality"),
            f" is {quality}; expected a number from 1 to 100, or 0 for what the file says",
        )
    if for_experiment:
        quality = quality or QUALITY_OF_SAMPLES
    elif not quality and found is None:
        raise InputError(
            "the picture's file does not say how it was compressed; expected a JPEG that lies as "
            "it was compressed (not turned by its EXIF), or say ",
            setting("operator.quality", 30),
            " or whatever it was",
        )
    if not subsampling:
        subsampling = "4:2:0" if found is None else found.subsampling
        if not subsampling:
            raise InputError(
                "the picture's chroma is subsampled in an unusual way; expected 4:4:4, 4:2:2 or "
                "4:2:0: say ",
                setting("operator.subsampling", "4:2:0"),
            )
    if quality:
        return {"quality": tables_of(quality), "subsampling": subsampling}
    assert found is not None
    return {"quality": found.tables, "subsampling": subsampling}
