"""What a person would use without training data: the classical methods, from scikit-image.

Their parameters are chosen on other photographs than the one that is measured, with the same damage
and at the same size, by the mean PSNR over a grid; the noise level is told to them. The oracle
chooses from the same grid with the clean picture of each, so that no method is handicapped.

BM3D is run where the user has installed `bm3d`, whose licence is not for commercial use.
"""

import importlib.util
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from skimage import restoration

from benchmarks.common.prepared import refinement_alone
from benchmarks.ensembles.figures import psnr
from benchmarks.quality.figures import Entry, Images, entry, without_oracle
from benchmarks.quality.plan import Config, Picture, Pixels
from dip_jax.settings.tasks import task_of

Parameters = dict[str, Any]


class Method(NamedTuple):
    """A classical method.

    Attributes:
        name: as the tables show it.
        run: `run(picture, sigma, **parameters)` gives an image; sigma is the noise's, of 1.
        grid: the values of each parameter.
        needs: the module that it needs besides scikit-image, and that may be missing.
    """

    name: str
    run: Callable[..., Pixels]
    grid: Mapping[str, Sequence[Any]] = {}
    needs: str = ""

    @property
    def points(self) -> list[Parameters]:
        """All of the grid."""
        return [
            dict(zip(self.grid, values, strict=True))
            for values in itertools.product(*self.grid.values())
        ]


def total_variation(picture: Picture, sigma: float, *, weight: float) -> Pixels:
    """Chambolle's; the weight in units of sigma."""
    return restoration.denoise_tv_chambolle(
        picture.y, weight=weight * sigma, max_num_iter=500, channel_axis=-1
    )


def non_local_means(
    picture: Picture, sigma: float, *, cutoff: tuple[str, float], patch: int
) -> Pixels:
    """Within 9 pixels each way.

    Args:
        picture: what is denoised.
        sigma: the noise's.
        cutoff: how the pixels of a patch are weighted, and h in units of sigma.
        patch: side of the patches that are compared.
    """
    weights, h = cutoff
    return restoration.denoise_nl_means(
        picture.y,
        patch_size=patch,
        patch_distance=9,
        h=h * sigma,
        sigma=sigma,
        fast_mode=weights == "uniform",
        channel_axis=-1,
    )


def wavelet(
    picture: Picture, sigma: float, *, threshold: tuple[str, float], wavelet: str, shifts: int
) -> Pixels:
    """Soft thresholds, averaged over `shifts` cyclic shifts each way, colours in YCbCr.

    Args:
        picture: what is denoised.
        sigma: the noise's.
        threshold: the rule, and the factor of sigma that it is told.
        wavelet: of PyWavelets.
        shifts: 1 for none.
    """
    rule, factor = threshold
    colour = picture.y.shape[2] == 3
    total = np.zeros(picture.y.shape)
    for shift in itertools.product(range(shifts), repeat=2):
        x = restoration.denoise_wavelet(
            np.roll(picture.y, shift, (0, 1)),
            sigma=factor * sigma,
            wavelet=wavelet,
            method=rule,
            convert2ycbcr=colour,
            rescale_sigma=True,
            channel_axis=-1,
        )
        total += np.roll(x, [-s for s in shift], (0, 1))
    return total / shifts**2


def bm3d(picture: Picture, sigma: float) -> Pixels:
    """BM3D, of three channels CBM3D, told sigma."""
    import bm3d as package

    if picture.y.shape[2] == 3:
        return package.bm3d_rgb(picture.y, sigma)
    return np.asarray(package.bm3d(picture.y[..., 0], sigma)).reshape(picture.y.shape)


def biharmonic(picture: Picture, sigma: float) -> Pixels:
    """The smoothest surface through the known pixels."""
    assert picture.fill is not None
    return restoration.inpaint_biharmonic(picture.y, picture.fill, channel_axis=-1)


def refinement(picture: Picture, sigma: float) -> Pixels:
    """The refinement of this project with no network; it measures the noise itself."""
    return refinement_alone(picture.y, picture.fill)


DENOISING = (
    Method("total variation", total_variation, {"weight": (0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3)}),
    Method(
        "non-local means",
        non_local_means,
        {
            "cutoff": (
                *(("uniform", h) for h in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)),
                *(("gaussian", h) for h in (0.6, 0.7, 0.8, 0.9, 1.0)),
            ),
            "patch": (3, 5),
        },
    ),
    Method(
        "wavelet",
        wavelet,
        {
            "threshold": (
                ("BayesShrink", 1.0),
                ("BayesShrink", 1.2),
                ("VisuShrink", 0.15),
                ("VisuShrink", 0.25),
            ),
            "wavelet": ("db1", "db2", "sym4"),
            "shifts": (1, 4),
        },
        needs="pywt",
    ),
    Method("BM3D", bm3d, needs="bm3d"),
    Method("refinement alone", refinement),
)
INPAINTING = (Method("biharmonic", biharmonic), Method("refinement alone", refinement))


def methods(config: Config) -> tuple[Method, ...]:
    """Those of a task."""
    return INPAINTING if task_of(config).fills else DENOISING


def installed(method: Method) -> bool:
    """Whether what it needs is there."""
    return not method.needs or importlib.util.find_spec(method.needs) is not None


def restored(method: Method, picture: Picture, config: Config, point: Parameters) -> Pixels:
    """What a person gets: clipped to [0, 1], known pixels kept."""
    x = method.run(picture, config["damage"]["sigma"] / 255, **point)
    return picture.given(np.clip(x, 0.0, 1.0).astype(np.float32))


def scores(method: Method, picture: Picture, config: Config) -> dict[str, Any]:
    """The PSNR in dB of a picture at every point of the grid."""
    return {
        "psnr": [psnr(restored(method, picture, config, p), picture.clean) for p in method.points]
    }


def chosen(scores_of_others: Sequence[Sequence[float]]) -> int:
    """The point of the grid with the highest mean PSNR over pictures that are not measured."""
    return int(np.argmax(np.mean(scores_of_others, axis=0)))


def classical(
    method: Method, picture: Picture, config: Config, point: int
) -> tuple[list[Entry], Images, dict[str, Any]]:
    """One method on one picture; the time is that of the parameters at `point` of the grid."""
    begin = time.perf_counter()
    x = restored(method, picture, config, method.points[point])
    seconds = time.perf_counter() - begin
    images = [
        x if i == point else restored(method, picture, config, parameters)
        for i, parameters in enumerate(method.points)
    ]
    best = int(np.argmax([psnr(image, picture.clean) for image in images]))
    details = {"parameters": method.points[point], "oracle_parameters": method.points[best]}
    figures = entry(method.name, "", x, images[best], picture.clean, seconds)
    if not method.grid:
        figures = without_oracle(figures)
    return [figures], {f"{method.name}|": x}, details
