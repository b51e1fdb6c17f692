"""The tasks as the command has them: what each is called, its texts, and the options of its own."""

import argparse

from dip_jax.forward.operators.names import BOUNDARIES, KERNELS, PATTERNS, SUBSAMPLINGS

# By its name: the task, one line, the description, an example.
COMMANDS = {
    "denoise": (
        "denoise",
        "remove noise",
        "Removes noise. The result averages similar patches of the picture and mixes in the\n"
        "network's image. Where the noise is correlated from pixel to pixel, as JPEG blocks are,\n"
        "it is the network's image alone. --criterion wmv suits such noise. --set refine=False\n"
        "always gives the network's image. Noise that grows with brightness or is clipped,\n"
        "stripes, bars of one value and low contrast are recognised and reported.\n"
        "--set adapt.brightness=False (adapt.clipping, adapt.stripes, adapt.still,\n"
        "adapt.contrast) switches that off.",
        "dip-jax denoise noisy.png -o clean.png",
    ),
    "inpaint": (
        "text_inpaint",
        "fill thin damage: text, scratches",
        "Fills thin damage, such as overlaid text, scratches and dust. Known pixels come back\n"
        "exactly as they are. Filled pixels are then refined from the known ones (Wiener filter,\n"
        "non-local Bayes); --set refine=False leaves that out.",
        "dip-jax inpaint scan.tif --mask scratches.png -o mended.tif",
    ),
    "fill-hole": (
        "hole_fill",
        "fill holes",
        "Fills holes: regions of which nothing is known. Known pixels come back exactly as they\n"
        "are. Filled pixels are then refined from the known ones (Wiener filter, non-local\n"
        "Bayes); --set refine=False leaves that out.",
        "dip-jax fill-hole photo.png --mask hole.png -o filled.png",
    ),
    "reconstruct": (
        "reconstruct",
        "fill in pixels that are missing at random",
        "Fills in pixels that are missing at random. Known pixels come back exactly as they are.\n"
        "Filled pixels are then refined from the known ones (Wiener filter, non-local Bayes);\n"
        "--set refine=False leaves that out.",
        "dip-jax reconstruct sparse.png --mask missing.png -o full.png",
    ),
    "super-resolve": (
        "super_resolve",
        "enlarge a picture",
        "Enlarges a picture: finds a larger picture that gives this one when it is made smaller.\n"
        "The result is the network's image, made to agree with the picture; --set refine=False\n"
        "leaves that out.",
        "dip-jax super-resolve small.png --factor 4 -o large.png",
    ),
    "deblur": (
        "deblur",
        "remove a blur that is known",
        "Sharpens a picture that was blurred by a known kernel, or by a Gaussian of a known\n"
        "width. The result is the network's image, made to agree with the picture; --set\n"
        "refine=False leaves that out.",
        "dip-jax deblur photo.png --kernel psf.tif -o sharp.png",
    ),
    "demosaic": (
        "demosaic",
        "find the colours of a camera's raw picture",
        "Finds the colours of a raw picture, which has one colour at every pixel. It reads a grey\n"
        "PNG or TIFF, such as a raw developer makes of a camera's own file.",
        "dip-jax demosaic raw.tif --pattern RGGB --data-range 0 4095 -o colours.tif",
    ),
    "tomography": (
        "tomography",
        "find a slice from its sinogram",
        "Finds a slice from its sinogram, the sums along parallel beams: a grey picture with a\n"
        "row for every detector and a column for every view, as skimage.transform.radon gives\n"
        "it, the axis of rotation in the middle. The result is a TIFF of floats: the density of\n"
        "every pixel.",
        "dip-jax tomography sinogram.tif --data-range 0 60 -o slice.tif",
    ),
    "remove-jpeg": (
        "remove_jpeg",
        "remove the traces of JPEG",
        "Removes the traces of JPEG: blocks, ringing, false colours. How strongly the picture was\n"
        "compressed is read from its file. The result is the mean of the network's image and of\n"
        "non-local means. It is a PNG, unless --output says otherwise.",
        "dip-jax remove-jpeg photo.jpg -o photo.png",
    ),
}


def whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _add_factor(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--factor",
        type=whole,
        default=4,
        metavar="N",
        help="by how much each side is enlarged, from 2 on. Default: 4",
    )
    group.add_argument(
        "--kernel",
        choices=KERNELS,
        default="lanczos2",
        help="the filter by which the picture was made smaller; lanczos3 is Pillow's LANCZOS. "
        "Default: lanczos2",
    )


def _add_kernel(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--kernel",
        metavar="FILE",
        default="",
        help="a grey picture of the point spread function, with odd sides: what the blur makes of "
        "a single bright pixel",
    )
    group.add_argument(
        "--sigma",
        type=number,
        default=0.0,
        metavar="PIXELS",
        help="in place of --kernel: the standard deviation of a Gaussian blur",
    )
    group.add_argument(
        "--boundary",
        choices=[name for name in BOUNDARIES if name != "valid"],
        default="reflect",
        help="what lies beyond the border, by SciPy's names. Default: reflect",
    )


def _add_pattern(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--pattern",
        choices=PATTERNS,
        default="RGGB",
        help="the colours of the first two pixels of the first row, then of the second. "
        "Default: RGGB",
    )


def _add_quality(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--quality",
        type=whole,
        default=0,
        metavar="N",
        help="the quality of the JPEG from 1 to 100, as libjpeg counts it. Default: it is read "
        "from the file, if that is a JPEG",
    )
    group.add_argument(
        "--subsampling",
        choices=SUBSAMPLINGS,
        default="",
        help="the chroma subsampling. Default: it is read from the file; 4:2:0 if that is no JPEG",
    )


def _add_views(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--degrees",
        type=number,
        default=180.0,
        metavar="N",
        help="the angle over which the views are spread evenly, from 0 on. Default: 180",
    )
    group.add_argument(
        "--white",
        type=number,
        default=0.0,
        metavar="DENSITY",
        help="the largest density of a pixel, in units of the sinogram. Default: it is estimated "
        "by back-projection",
    )


OPTIONS = {
    "super_resolve": _add_factor,
    "deblur": _add_kernel,
    "demosaic": _add_pattern,
    "remove_jpeg": _add_quality,
    "tomography": _add_views,
}
