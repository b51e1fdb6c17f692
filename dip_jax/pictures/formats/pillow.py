"""PNG, JPEG, WebP, BMP and GIF: pictures from bytes and to bytes.

Pillow does the work, but for PNGs of 16 bits in colour or with alpha, which it would cut to 8 bits;
their pixels are imagecodecs' (libpng) to read and to write. TIFF has a file of its own.
"""

import struct
from io import BytesIO
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, JpegImagePlugin

from dip_jax.errors import InputError
from dip_jax.pictures.formats import metadata
from dip_jax.pictures.picture import Compression, Picture

READABLE = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
"""What `decode` reads, by Pillow's names."""

_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
}
_USUAL_GAMMA = 0.45455  # of a PNG: that of sRGB, as everything shows what says nothing
_PNG_SIGNATURE_AND_HEADER = 8 + 25


def decode(data: bytes, name: str) -> Picture:
    """The picture in the bytes of a file.

    Args:
        data: the whole file.
        name: what a message calls it.

    Raises:
        InputError: it has several frames, or pixels of a kind that cannot be used.
        Exception: whatever Pillow or imagecodecs raise for a file that they cannot read.
    """
    with Image.open(BytesIO(data), formats=READABLE) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":  # of a phone's several pictures, the main one
            raise InputError(
                f"{name} holds {frames} pages or frames; expected a single picture: save the one "
                "that you want to a file of its own"
            )
        image.load()  # meets the whole file, so a cut or broken one fails here
        deep = image.format == "PNG" and data[24] == 16 and image.mode != "I;16"
        deep = deep or (image.mode == "I;16" and "transparency" in image.info)
        pixels, alpha = _deep_arrays(image, data) if deep else arrays(image, name)
        exif = image.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        x, y = image.info.get("dpi", (None, None))
        if image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in (1, 2):
            x, y = None, None  # what Pillow took from the EXIF, or made up
        resolution = metadata.resolution(x, y, orientation=orientation)
        return Picture(
            pixels=metadata.upright(pixels, orientation),
            alpha=None if alpha is None else metadata.upright(alpha, orientation),
            icc_profile=(image.info.get("icc_profile") if image.mode != "CMYK" else None) or None,
            exif=metadata.descriptive(exif),
            resolution=resolution or metadata.resolution_of_exif(exif, orientation),
            file_format=_format_of(image),
            compression=compression_of(image) if orientation not in range(2, 9) else None,
            notes=_notes(image),
        )


def file_format(file: BinaryIO) -> str:
    """Which of the formats it is, by its header alone.

    Raises:
        Exception: whatever Pillow raises for a file that it cannot read.
    """
    with Image.open(file, formats=READABLE) as image:
        return _format_of(image)


_SUBSAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}  # by Pillow's numbers


def compression_of(image: Image.Image) -> Compression | None:
    """How a JPEG was compressed; None for what was not read from one."""
    tables = getattr(image, "quantization", None)
    if not tables or 0 not in tables:
        return None
    luma, chroma = (np.reshape(tables.get(i, tables[0]), (8, 8)) for i in (0, 1))
    subsampling = "4:4:4"
    if image.mode != "L":
        subsampling = _SUBSAMPLINGS.get(JpegImagePlugin.get_sampling(image), "")
    return Compression(np.stack([luma, chroma]).astype(np.float32), subsampling)


def _format_of(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)  # a phone's, of several pictures


def _notes(image: Image.Image) -> tuple[str, ...]:
    notes = []
    if image.mode == "CMYK":
        profile = ", without its colour profile" if image.info.get("icc_profile") else ""
        notes.append(f"is CMYK: taken as RGB{profile}")
    if image.mode == "1":
        notes.append("has 1 of 8 bits a pixel: the result has all 8, with greys")
    if image.format == "MPO":
        notes.append("holds further pictures: the main one is taken, and the result has it alone")
    gamma = image.info.get("gamma", _USUAL_GAMMA)
    profiled = "icc_profile" in image.info or "srgb" in image.info
    if not profiled and abs(gamma - _USUAL_GAMMA) > 0.01:
        notes.append(f"says that its gamma is {gamma:g}, which is not kept")
    if "xmp" in image.info:
        notes.append(metadata.NO_XMP)
    texts = [name for name in getattr(image, "text", {}) if name != "XML:com.adobe.xmp"]
    if texts:
        notes.append(f"has texts ({', '.join(texts)[:80]}), which are not kept")
    return tuple(notes)


def shape(file: BinaryIO) -> tuple[int, int, int]:
    """`(h, w, c)`, upright and without alpha, by the header alone: no pixel is decoded.

    Raises:
        Exception: whatever Pillow raises for a file that it cannot read.
    """
    with Image.open(file, formats=READABLE) as image:
        w, h = image.size
        if image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8):
            h, w = w, h
        grey = image.mode in _GREY_MODES or image.mode.startswith("I")
        return h, w, 1 if grey else 3


def arrays(image: Image.Image, name: str) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    """Pixels and alpha of a Pillow image; palettes, CMYK and YCbCr become RGB."""
    if image.mode.startswith("I;16"):
        return np.array(image).astype(np.uint16), None
    if image.mode not in _GREY_MODES + _COLOUR_MODES:
        raise InputError(
            f"{name} has pixels of mode {image.mode}; expected grey, RGB, palette or CMYK: convert "
            "it first"
        )
    grey = image.mode in _GREY_MODES
    if not image.has_transparency_data:
        return np.array(image.convert("L" if grey else "RGB")), None
    channels = np.array(image.convert("LA" if grey else "RGBA"))
    return (channels[..., 0] if grey else channels[..., :3]).copy(), channels[..., -1].copy()


def encode(pixels: NDArray[Any], file_format: str, like: Picture, *, with_exif: bool) -> bytes:
    """The bytes of a PNG, JPEG or WebP file.

    Args:
        pixels: `(h, w)` or `(h, w, 3)` uint8, for PNG also uint16.
        file_format: "PNG", "JPEG" or "WEBP".
        like: has what is written besides the pixels: alpha of the same dtype, profile, EXIF and
            resolution.
        with_exif: False leaves the EXIF out.

    Raises:
        Exception: whatever the encoder raises, such as for a side that the format cannot hold.
    """
    options = dict(_SAVE_OPTIONS[file_format])
    exif = Image.Exif()
    if with_exif and like.exif is not None:
        exif.load(like.exif)
    if file_format == "WEBP" and like.resolution is not None:  # it holds none outside of its EXIF
        exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = like.resolution[:2]
        exif[ExifTags.Base.ResolutionUnit] = metadata.UNIT_NUMBERS[like.resolution.unit]
    if len(exif):
        options["exif"] = metadata.to_bytes(exif)
    if like.dpi is not None and file_format != "WEBP":
        options["dpi"] = like.dpi
    if like.icc_profile is not None:
        options["icc_profile"] = like.icc_profile
    channels = pixels if like.alpha is None else np.dstack([pixels, like.alpha])
    if channels.dtype == np.uint8 or channels.ndim == 2:
        return _saved(Image.fromarray(np.ascontiguousarray(channels)), file_format, options)
    stream = bytes(imagecodecs.png_encode(np.ascontiguousarray(channels)))
    return _with_chunks(stream, _saved(Image.new(_mode_of(pixels), (1, 1)), "PNG", options))


def _deep_arrays(image: Image.Image, data: bytes) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Pixels and alpha of a PNG with 16 bits in colour or with transparency."""
    channels = imagecodecs.png_decode(data)
    key = image.info.get("transparency")  # one value, or one colour, that is transparent
    colours = 1 if channels.ndim == 2 or channels.shape[2] == 2 else 3
    channels = channels.reshape(*channels.shape[:2], -1)
    pixels = channels[..., 0] if colours == 1 else channels[..., :3]
    if channels.shape[2] > colours:
        return pixels.copy(), channels[..., -1].copy()
    if key is None:
        return pixels, None
    transparent = (channels == np.asarray(key, channels.dtype)).all(axis=-1)
    return pixels, np.where(transparent, 0, 65535).astype(np.uint16)


def _saved(image: Image.Image, file_format: str, options: dict[str, Any]) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _mode_of(pixels: NDArray[Any]) -> str:
    return "L" if pixels.ndim == 2 else "RGB"


def _with_chunks(stream: bytes, source: bytes) -> bytes:
    """A PNG with the chunks of another that describe it: profile, EXIF, resolution."""
    chunks, at = b"", _PNG_SIGNATURE_AND_HEADER
    while at < len(source):
        (length,) = struct.unpack(">I", source[at : at + 4])
        end = at + 12 + length
        if source[at + 4 : at + 8] in (b"iCCP", b"eXIf", b"pHYs"):
            chunks += source[at:end]
        at = end
    # All three may, and the first must, come before the pixels (PNG, section 5.6).
    return stream[:_PNG_SIGNATURE_AND_HEADER] + chunks + stream[_PNG_SIGNATURE_AND_HEADER:]
