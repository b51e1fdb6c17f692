"""Pictures in and out of files.

A picture keeps its own dtype and shape: `(h, w)` or `(h, w, c)` in uint8, uint16 or float32. The
rest of the package works on float32 `(h, w, c)` in [0, 1]; `to_float` and `from_float` translate.
Whatever would lose depth, channels or pages without saying so is refused with an `InputError`.
"""

import contextlib
import math
import os
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from dip_jax.errors import InputError
from dip_jax.files import write_bytes

FORMAT_OF_SUFFIX = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""What `write` can write: the file's suffix, and the format that it stands for."""

SAMPLES = ("astronaut", "camera", "chelsea", "coffee", "rocket")
"""The photographs of `sample`: in the scikit-image wheel, CC0 or public domain."""

_READABLE = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
_READABLE_IN_WORDS = "8-bit PNG, JPEG, TIFF, WebP, BMP or GIF, 16-bit grey PNG or TIFF, float TIFF"
_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")
_FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "TIFF": {},  # a compressed one could not hold the nested parts of EXIF
    "WEBP": {"lossless": True, "exact": True},
}

# EXIF mixes what describes a picture with the layout of the file that it came from (sizes, depths,
# offsets). Only the description may travel to another file, where the rest would be wrong.
_DESCRIPTIVE_TAGS = frozenset(
    {
        ExifTags.Base.ImageDescription,
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.Software,
        ExifTags.Base.DateTime,
        ExifTags.Base.Artist,
        ExifTags.Base.HostComputer,
        ExifTags.Base.Copyright,
        ExifTags.Base.XPTitle,
        ExifTags.Base.XPComment,
        ExifTags.Base.XPAuthor,
        ExifTags.Base.XPKeywords,
        ExifTags.Base.XPSubject,
        ExifTags.Base.ExifOffset,
        ExifTags.Base.GPSInfo,
    }
)
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLES = 258, 262, 277


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, upright, with what its file said about it.

    Attributes:
        pixels: `(h, w)` or `(h, w, 3)`; uint8 and uint16 over their full range, or float32 in
            [0, 1].
        alpha: `(h, w)` uint8, 255 is opaque; None where the file has none.
        icc_profile: the colour profile of `pixels`, or None.
        exif: the descriptive part of the EXIF (camera, date, author, place, ...), or None; without
            the orientation, which `pixels` already follow.
        dpi: horizontal and vertical resolution in pixels per inch, or None.
        file_format: "PNG", "JPEG", "TIFF", "WEBP", "BMP" or "GIF".
    """

    pixels: NDArray[Any]
    alpha: NDArray[np.uint8] | None = None
    icc_profile: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    file_format: str = "PNG"


def read(path: str | os.PathLike[str]) -> Picture:
    """Reads one picture, whole, turned upright by its EXIF orientation.

    Grey stays `(h, w)`; palettes, CMYK and YCbCr become RGB; 1-bit becomes 8-bit grey; 16-bit grey
    stays uint16; a float TIFF stays float32. Of a JPEG that carries further pictures (as phones
    write them), the main one is read.

    Args:
        path: a PNG, JPEG, TIFF, WebP, BMP or GIF file.

    Raises:
        InputError: the file is missing, not readable, not a picture, broken or cut short, too
            large to be decoded safely, has several pages or frames, or holds pixels whose depth
            would be lost (16-bit colour, 12-bit or 32-bit integers, float values outside [0, 1]).
    """
    name = _quoted(path)
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name} cannot be read ({_reason(error)}); expected a picture file: check the path "
            "and its permissions"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(data), formats=_READABLE) as image:
                return _decode(image, data, name)
        except InputError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InputError(
                f"{name} has too many pixels to be decoded safely; expected at most "
                f"{Image.MAX_IMAGE_PIXELS}: reduce or crop it first"
            ) from error
        except UnidentifiedImageError as error:
            raise InputError(
                f"{name} is not a picture that can be read; expected {_READABLE_IN_WORDS}: "
                "convert it to one of these"
            ) from error
        except Exception as error:  # a decoder raises whatever the broken byte led it to
            raise InputError(
                f"{name} is broken or cut short ({_reason(error)}); expected a complete picture: "
                "get or export the file again"
            ) from error


def read_mask(
    path: str | os.PathLike[str], shape: tuple[int, int], polarity: str = "fill"
) -> NDArray[np.bool_]:
    """Reads a mask; True means: fill this pixel.

    White is whatever is brighter than half of the range; a colour mask counts by its luminance
    (ITU-R BT.601), and alpha is ignored.

    Args:
        path: any picture that `read` accepts.
        shape: `(h, w)` of the picture that the mask belongs to.
        polarity: what white means, "fill" or "keep".

    Returns:
        `(h, w)` bool.

    Raises:
        InputError: the polarity is unknown, the file cannot be read, its size is not `shape`, or
            it fills nothing or everything.
    """
    if polarity not in ("fill", "keep"):
        raise InputError(
            f"mask polarity {polarity!r} is unknown; expected 'fill' (white is filled) or 'keep' "
            "(white is kept): use one of the two"
        )
    name = f"the mask {_quoted(path)}"
    brightness = to_float(read(path).pixels)
    h, w = brightness.shape[:2]
    if (h, w) != tuple(shape):
        raise InputError(
            f"{name} is {w} x {h} pixels (width x height), expected {shape[1]} x {shape[0]} as the "
            "picture: make both the same size"
        )
    if brightness.shape[2] == 3:
        brightness = brightness @ np.array([[0.299], [0.587], [0.114]], np.float32)
    white = brightness[..., 0] > 0.5
    fill = white if polarity == "fill" else ~white
    check_mask(fill, name)
    return fill


def check_mask(fill: NDArray[np.bool_], name: str = "the mask") -> None:
    """Refuses a mask that fills nothing or everything.

    Args:
        fill: bool of any shape, True means fill.
        name: what the message calls the mask.

    Raises:
        InputError: `fill` is False everywhere, or True everywhere.
    """
    if not fill.any():
        raise InputError(
            f"{name} fills nothing; expected at least one pixel to fill: mark what is to be "
            "filled, or try the other mask polarity"
        )
    if fill.all():
        raise InputError(
            f"{name} fills everything; expected at least one known pixel: mark only what is to be "
            "filled, or try the other mask polarity"
        )


def to_float(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """The picture as float32 `(h, w, c)` in [0, 1]; a grey one gets c = 1.

    Args:
        pixels: `(h, w)` or `(h, w, c)`; uint8, uint16, or float in [0, 1], of which NaN and
            infinite values are left as they are.

    Raises:
        InputError: another shape or dtype, or finite float values that are not in [0, 1].
    """
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise InputError(
            f"a picture of shape {pixels.shape} cannot be used; expected (h, w) or (h, w, c): "
            "reshape it, one picture at a time"
        )
    if pixels.dtype in _FULL_SCALE:
        x = pixels.astype(np.float32) / np.float32(_FULL_SCALE[pixels.dtype])
    elif np.issubdtype(pixels.dtype, np.floating):
        _check_range(pixels, "a float picture")
        x = pixels.astype(np.float32)
    else:
        raise InputError(
            f"a picture of dtype {pixels.dtype} cannot be used; expected uint8, uint16 or float "
            "in [0, 1]: convert it to one of these"
        )
    return x[..., np.newaxis] if x.ndim == 2 else x


def from_float(x: NDArray[Any], dtype: DTypeLike, ndim: int) -> NDArray[Any]:
    """The inverse of `to_float`: clipped to [0, 1], scaled, rounded half to even.

    Args:
        x: float `(h, w, c)`.
        dtype: of the result: uint8, uint16 or a float dtype.
        ndim: of the result: 2 for `(h, w)`, which takes c = 1, or 3 for `(h, w, c)`.

    Raises:
        InputError: another shape, dtype or ndim, or a value that is not a number.
    """
    dtype = np.dtype(dtype)
    if x.ndim != 3 or ndim not in (2, 3) or (ndim == 2 and x.shape[2] != 1):
        raise InputError(
            f"an array of shape {x.shape} cannot become a picture of {ndim} dimensions; expected "
            "(h, w, c), with c = 1 for 2 dimensions: reshape it"
        )
    if np.isnan(x).any():
        raise InputError(
            "the array to become a picture holds values that are not numbers; expected values in "
            "[0, 1]: find out where they come from"
        )
    # In float64, where a float32 times 65535 is exact, so that a tie is a true tie.
    clipped = np.clip(x.astype(np.float64), 0.0, 1.0)
    if dtype in _FULL_SCALE:
        pixels = np.rint(clipped * _FULL_SCALE[dtype]).astype(dtype)
    elif np.issubdtype(dtype, np.floating):
        pixels = clipped.astype(dtype)
    else:
        raise InputError(
            f"a picture cannot be of dtype {dtype}; expected uint8, uint16 or a float dtype: "
            "choose one of these"
        )
    return pixels[..., 0] if ndim == 2 else pixels


def write(path: str | os.PathLike[str], pixels: NDArray[Any], like: Picture | None = None) -> None:
    """Writes a picture whole or not at all; the suffix of `path` chooses the format.

    PNG, WebP and TIFF (not compressed) are written without loss; JPEG at quality 95, with full
    colour resolution and without alpha.

    Args:
        path: ends in .png, .jpg, .jpeg, .tif, .tiff or .webp; an existing file is replaced.
        pixels: `(h, w)`, `(h, w, 1)` or `(h, w, 3)` uint8; for PNG and TIFF also `(h, w)` uint16;
            for TIFF also `(h, w)` float32 in [0, 1].
        like: the picture whose alpha, colour profile, EXIF and resolution are put back, as far as
            the format can hold them.

    Raises:
        InputError: the suffix, shape or dtype cannot be written, the size is not that of `like`,
            or the file system refuses. A file that was there before is then untouched.
    """
    name = _quoted(path)
    suffix = Path(path).suffix.lower()
    if suffix not in FORMAT_OF_SUFFIX:
        raise InputError(
            f"{name} cannot be written: the suffix {suffix!r} is unknown; expected one of "
            f"{', '.join(FORMAT_OF_SUFFIX)}: rename it"
        )
    data = _encode(pixels, FORMAT_OF_SUFFIX[suffix], like, name)
    try:
        write_bytes(os.path.realpath(path), data)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name} cannot be written ({_reason(error)}); expected a path in an existing folder "
            "with space and permission: choose another one"
        ) from error


def sample(name: str, side: int | None = None) -> Picture:
    """A photograph that ships with scikit-image; nothing is downloaded.

    Args:
        name: one of `SAMPLES`; camera is grey, the others are RGB.
        side: the longer side of the result in pixels; a smaller photograph is not enlarged.

    Returns:
        uint8 pixels, reduced with an antialiased (Lanczos) filter.

    Raises:
        InputError: the name is unknown, `side` is not positive, or scikit-image is not installed.
    """
    if name not in SAMPLES:
        raise InputError(
            f"there is no sample {name!r}; expected one of {', '.join(SAMPLES)}: choose one"
        )
    if side is not None and side < 1:
        raise InputError(
            f"side {side} is too small; expected 1 or more pixels: choose a larger one"
        )
    try:
        from skimage import data
    except ImportError as error:
        raise InputError(
            f"the sample {name!r} is part of scikit-image, which is not installed; expected it in "
            "this environment: run pip install scikit-image"
        ) from error
    image = Image.fromarray(getattr(data, name)())
    longer = max(image.size)
    if side is not None and side < longer:
        w, h = (max(1, round(length * side / longer)) for length in image.size)
        image = image.resize((w, h), Image.Resampling.LANCZOS)
    return Picture(pixels=np.array(image))


def _decode(image: Image.Image, data: bytes, name: str) -> Picture:
    _refuse_pages(image, name)
    _refuse_depth(image, data, name)
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    # `load` meets the whole file, so a cut or broken one fails here; Pillow turns a TIFF in `load`
    # and the others in `exif_transpose`.
    image.load()
    pixels, alpha = _arrays(ImageOps.exif_transpose(image), name)
    if image.mode.startswith("I;16") and _tiff_tag(image, _TIFF_PHOTOMETRIC, 1) == 0:
        pixels = 65535 - pixels
    profile = image.info.get("icc_profile") if image.mode != "CMYK" else None
    return Picture(
        pixels=pixels,
        alpha=alpha,
        icc_profile=profile or None,
        exif=_exif(image),
        dpi=_dpi(image, sideways=orientation in (5, 6, 7, 8)),
        file_format="JPEG" if image.format == "MPO" else str(image.format),
    )


def _refuse_pages(image: Image.Image, name: str) -> None:
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and image.format != "MPO":
        raise InputError(
            f"{name} holds {pages} pages or frames; expected a single picture: save the one that "
            "you want to a file of its own"
        )


def _refuse_depth(image: Image.Image, data: bytes, name: str) -> None:
    """Finds the depths that Pillow would reduce, or misread, without a word."""
    transparent = "transparency" in image.info
    if image.format == "PNG":
        bits, colour_type = data[24], data[25]
        samples = 1 if colour_type == 0 and not transparent else 2
    elif image.format == "TIFF":
        bits = max(_tiff_tag(image, _TIFF_BITS, (1,)))
        samples = _tiff_tag(image, _TIFF_SAMPLES, 1)
    else:
        return
    if bits == 16 and samples > 1:
        raise InputError(
            f"{name} has 16 bits per channel in colour or with transparency, which would be cut to "
            "8; expected 8 bits per channel, or 16-bit grey: convert it first"
        )
    if bits > 8 and not (image.mode == "F" or (bits == 16 and image.mode.startswith("I;16"))):
        raise InputError(
            f"{name} has {bits}-bit pixels of a kind that cannot be used; expected 8-bit, unsigned "
            "16-bit grey or 32-bit float grey: convert it first"
        )


def _tiff_tag(image: Image.Image, tag: int, default: Any) -> Any:
    return getattr(image, "tag_v2", {}).get(tag, default)


def _exif(image: Image.Image) -> bytes | None:
    exif = image.getexif()  # the image's own, not a copy: call this after it was turned
    for tag in list(exif):
        if tag not in _DESCRIPTIVE_TAGS:
            del exif[tag]
    return exif.tobytes() if len(exif) else None


def _dpi(image: Image.Image, sideways: bool) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    # One pixel per inch is how a file says that it has a pixel aspect and no resolution.
    if not (math.isfinite(x) and math.isfinite(y) and min(x, y) > 1):
        return None
    return (y, x) if sideways else (x, y)


def _arrays(image: Image.Image, name: str) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    if image.mode.startswith("I;16"):
        return np.array(image).astype(np.uint16), None
    if image.mode == "F":
        pixels = np.array(image)
        _check_range(pixels, name)
        return pixels, None
    if image.mode not in _GREY_MODES + _COLOUR_MODES:
        raise InputError(
            f"{name} has pixels of mode {image.mode}; expected grey, RGB, palette or CMYK: convert "
            "it first"
        )
    grey = image.mode in _GREY_MODES
    if not image.has_transparency_data:
        return np.array(image.convert("L" if grey else "RGB")), None
    channels = np.array(image.convert("LA" if grey else "RGBA"))
    pixels = channels[..., 0] if grey else channels[..., :3]
    return pixels.copy(), channels[..., -1].copy()


def _check_range(pixels: NDArray[Any], name: str) -> None:
    """Refuses finite values outside [0, 1]; NaN and infinite ones are unknown, not wrong."""
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        raise InputError(f"{name} has no finite value; expected values in [0, 1]: check the file")
    low, high = float(finite.min()), float(finite.max())
    if low < 0.0 or high > 1.0:
        raise InputError(
            f"{name} has float values from {low:g} to {high:g}; expected values in [0, 1]: scale "
            "it first"
        )


def _encode(pixels: NDArray[Any], file_format: str, like: Picture | None, name: str) -> bytes:
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    grey = pixels.ndim == 2
    if not (grey or (pixels.ndim == 3 and pixels.shape[2] == 3)) or pixels.size == 0:
        raise InputError(
            f"{name} cannot be written: the shape is {pixels.shape}; expected (h, w), (h, w, 1) or "
            "(h, w, 3): reshape it"
        )
    depth_fits = (
        pixels.dtype == np.uint8
        or (grey and pixels.dtype == np.uint16 and file_format in ("PNG", "TIFF"))
        or (grey and pixels.dtype == np.float32 and file_format == "TIFF")
    )
    if not depth_fits:
        raise InputError(
            f"{name} cannot be written: {pixels.dtype} {'grey' if grey else 'colour'} does not fit "
            f"in {file_format}; expected uint8, uint16 grey in PNG or TIFF, or float32 grey in "
            "TIFF: convert it first"
        )
    if pixels.dtype == np.float32:
        _check_range(pixels, name)
    if like is not None and like.pixels.shape[:2] != pixels.shape[:2]:
        raise InputError(
            f"{name} cannot be written: it is {pixels.shape[1]} x {pixels.shape[0]} pixels (width "
            f"x height), expected {like.pixels.shape[1]} x {like.pixels.shape[0]} as the picture "
            "that it is like: crop or resize it"
        )
    options = dict(_SAVE_OPTIONS[file_format])
    if like is not None:
        if like.alpha is not None and pixels.dtype == np.uint8 and file_format != "JPEG":
            pixels = np.dstack([pixels, like.alpha])
        kept = {"exif": like.exif, "dpi": like.dpi}
        if (like.pixels.ndim == 2 or like.pixels.shape[2] == 1) == grey:
            kept["icc_profile"] = like.icc_profile
        options |= {key: value for key, value in kept.items() if value is not None}
    image = Image.fromarray(np.ascontiguousarray(pixels))
    try:
        return _saved(image, file_format, options)
    except Exception as error:  # an encoder's own limits, such as the largest side of a WebP
        # A result must not be lost to a description that the format cannot hold.
        if options.pop("exif", None) is not None:
            with contextlib.suppress(Exception):
                return _saved(image, file_format, options)
        raise InputError(
            f"{name} cannot be written ({_reason(error)}); expected a picture that {file_format} "
            "can hold: choose another format, such as .png"
        ) from error


def _saved(image: Image.Image, file_format: str, options: dict[str, Any]) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _quoted(path: str | os.PathLike[str]) -> str:
    return repr(os.fspath(path))


def _reason(error: Exception) -> str:
    """The error in a few words on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join((text or type(error).__name__).split())
