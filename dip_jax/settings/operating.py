"""By which operator a picture was measured, as its configuration says."""

from typing import Any

import numpy as np

from dip_jax.errors import InputError, field, setting
from dip_jax.forward.operators.jpeg import tables_of
from dip_jax.pictures import reading
from dip_jax.pictures.picture import Picture
from dip_jax.prepare.measuring import Measuring, measuring
from dip_jax.settings.tasks import Config

QUALITY_OF_SAMPLES = 10


def measuring_of(config: Config, picture: Picture) -> Measuring:
    """How a picture was measured of the one that is to be found.

    Args:
        config: of one of `tasks.MEASURED`.
        picture: as its file has it.

    Raises:
        InputError: if the configuration cannot be used, or not with this picture.
    """
    return measuring(config["task"], _fields(config, picture), picture.layout)


def measuring_again(config: Config, clean: Picture) -> Measuring:
    """How a clean picture is measured, for an experiment; its sides must fit.

    Raises:
        InputError: as `measuring_of`.
    """
    fields = _fields(config, clean, for_experiment=True)
    factor = fields.get("factor", 1)
    pixels = clean.pixels
    if config["task"] == "demosaic":
        pixels = pixels if pixels.ndim == 2 else pixels[..., 0]
    else:
        pixels = pixels[::factor, ::factor]
    degraded = Picture(pixels, data_range=clean.data_range)
    return measuring(config["task"], fields, degraded.layout)


def cut_to_fit(config: Config, x: np.ndarray) -> np.ndarray:
    """A clean picture without the last rows and columns that the factor does not divide."""
    factor = config["operator"].get("factor", 1)
    h, w = (n // factor * factor for n in x.shape[:2])
    return x[:h, :w]


def image_shape(config: Config, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape of the image that is fitted, `(h, w, c)`, for a picture of a shape.

    Args:
        config: of any task.
        shape: of the picture that is given, `(h, w, c)`.
    """
    h, w, c = shape
    how = config.get("operator", {})
    factor = how.get("factor", 1)
    return h * factor, w * factor, 3 if "pattern" in how else c


def _fields(config: Config, picture: Picture, for_experiment: bool = False) -> dict[str, Any]:
    fields = dict(config["operator"])
    if "kernel" in fields and config["task"] == "deblur":
        fields["kernel"] = _kernel(fields["kernel"]) if fields["kernel"] else None
        if fields["kernel"] is None and not (np.isfinite(fields["sigma"]) and fields["sigma"] > 0):
            raise InputError(
                field("operator.sigma"),
                f" is {fields['sigma']}; expected the Gaussian's deviation, in pixels above 0, or ",
                field("operator.kernel"),
            )
    if "quality" in fields:
        fields |= _compression(fields, picture, for_experiment)
    return fields


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
