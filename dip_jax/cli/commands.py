"""The tasks as the command has them: what each is called, its texts, and the options of its own."""

import argparse

from dip_jax.forward.operators.names import BOUNDARIES, KERNELS, PATTERNS, SUBSAMPLINGS

# By its name: the task, one line, the description, an example.
COMMANDS = {
    "denoise": (
        "denoise",
        "remove noise",
        "Removes noise. The result is made of the picture's patches that are alike, in which the\n"
        "network's image has a share; of that image alone where the noise is correlated from\n"
        "pixel to pixel, as JPEG blocks are (for such noise say --criterion wmv), or with\n"
        "--set refine=False. Noise that grows with brightness, stripes, bars of one value and\n"
        "low contrast are seen and told; --set adapt.brightness=False (stripes, still,\n"
        "contrast) leaves one of them alone.",
        "dip-jax denoise noisy.png -o clean.png",
    ),
    "inpaint": (
        "text_inpaint",
        "fill thin damage: text, scratches",
        "Fills thin damage, such as overlaid text, scratches and dust. Known pixels come back\n"
        "exactly as they are. What is filled is refined by them, with a Wiener filter and\n"
        "non-local Bayes (--set refine=False: not).",
        "dip-jax inpaint scan.tif --mask scratches.png -o mended.tif",
    ),
    "fill-hole": (
        "hole_fill",
        "fill holes",
        "Fills holes, regions of which nothing is known. Known pixels come back exactly as they\n"
        "are. What is filled is refined by them, with a Wiener filter and non-local Bayes\n"
        "(--set refine=False: not).",
        "dip-jax fill-hole photo.png --mask hole.png -o filled.png",
    ),
    "reconstruct": (
        "reconstruct",
        "rebuild a picture from a part of its pixels",
        "Rebuilds a picture of which pixels are missing at random. Known pixels come back exactly\n"
        "as they are. What is filled is refined by them, with a Wiener filter and non-local Bayes\n"
        "(--set refine=False: not).",
        "dip-jax reconstruct sparse.png --mask missing.png -o full.png",
    ),
    "super-resolve": (
        "super_resolve",
        "enlarge a picture",
        "Enlarges a picture: finds one that, made smaller again, is the picture. The result is\n"
        "the network's image, made to agree with the picture (--set refine=False: not).",
        "dip-jax super-resolve small.png --factor 4 -o large.png",
    ),
    "deblur": (
        "deblur",
        "remove a blur that is known",
        "Sharpens a picture that was blurred by a known kernel, or by a Gaussian of a known\n"
        "width. The result is the network's image, made to agree with the picture (--set\n"
        "refine=False: not).",
        "dip-jax deblur photo.png --kernel psf.tif -o sharp.png",
    ),
    "demosaic": (
        "demosaic",
        "find the colours of a camera's raw picture",
        "Finds the colours of a raw picture, which has one of them at every pixel. A grey PNG or\n"
        "TIFF is read, such as a raw developer makes of a camera's own file.",
        "dip-jax demosaic raw.tif --pattern RGGB --data-range 0 4095 -o colours.tif",
    ),
    "tomography": (
        "tomography",
        "find a slice from its sinogram",
        "Finds a slice from its sinogram, the sums along parallel beams: a grey picture with a\n"
        "row for every detector and a column for every view, as skimage.transform.radon gives\n"
        "it, the axis in the middle. The result is a TIFF of floats, density a pixel.",
        "dip-jax tomography sinogram.tif --data-range 0 60 -o slice.tif",
    ),
    "remove-jpeg": (
        "remove_jpeg",
        "remove the traces of JPEG",
        "Removes what JPEG has left: blocks, ringing, false colours. How strongly the picture was\n"
        "compressed is read from its file. The result is the mean of the network's image and of\n"
        "non-local means, a PNG unless --output says otherwise.",
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
        help="how many times as many rows and columns, from 2 on. Default: 4",
    )
    group.add_argument(
        "--kernel",
        choices=KERNELS,
        default="lanczos2",
        help="by which it was made smaller; lanczos3 is Pillow's LANCZOS. Default: lanczos2",
    )


def _add_kernel(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--kernel",
        metavar="FILE",
        default="",
        help="a grey picture of the point spread function, with odd sides: what has become of a "
        "single bright pixel",
    )
    group.add_argument(
        "--sigma",
        type=number,
        default=0.0,
        metavar="PIXELS",
        help="without --kernel, the standard deviation of the Gaussian that it was blurred by",
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
        help="the colours of the first two pixels of the first row, and of those of the second. "
        "Default: RGGB",
    )


def _add_quality(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--quality",
        type=whole,
        default=0,
        metavar="N",
        help="from 1 to 100, as libjpeg counts it. Default: what the file says, if it is a JPEG",
    )
    group.add_argument(
        "--subsampling",
        choices=SUBSAMPLINGS,
        default="",
        help="of the chroma. Default: what the file says; 4:2:0 for one that is no JPEG",
    )


def _add_views(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--degrees",
        type=number,
        default=180.0,
        metavar="N",
        help="over which the views are spread evenly, from 0 on. Default: 180",
    )
    group.add_argument(
        "--white",
        type=number,
        default=0.0,
        metavar="DENSITY",
        help="the largest density a pixel that there may be, in units of the sinogram. Default: it "
        "is estimated by back-projection",
    )


OPTIONS = {
    "super_resolve": _add_factor,
    "deblur": _add_kernel,
    "demosaic": _add_pattern,
    "remove_jpeg": _add_quality,
    "tomography": _add_views,
}
