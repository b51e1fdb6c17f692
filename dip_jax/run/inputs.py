"""What a run works on: the files that a configuration names, read; a sample, damaged.

Everything that can be wrong with a picture, a mask or their combination is found here, before
anything is written.
"""

import dataclasses
from pathlib import Path

import numpy as np

from dip_jax.errors import InputError, Part, field, setting
from dip_jax.pictures import reading, samples
from dip_jax.pictures.damage import damaged
from dip_jax.pictures.masks import read_mask
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.reading import count_pages
from dip_jax.pictures.values import from_float, to_float
from dip_jax.settings.tasks import Config, task_of


@dataclasses.dataclass(frozen=True)
class Job:
    """What a run works on.

    Attributes:
        name: of the picture, for titles.
        degraded: the picture to restore, in its file's dtype.
        y: the same, `(h, w, c)` float32 in [0, 1].
        fill: True where a pixel is to be filled, `(h, w)`; None where all are known.
        clean: the clean picture, `(h, w, c)` in [0, 1], or None.
        damaged_here: whether the damage was added by this run, for an experiment.
    """

    name: str
    degraded: Picture
    y: np.ndarray
    fill: np.ndarray | None
    clean: np.ndarray | None
    damaged_here: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """A picture that was read before the run, so that it is not read again.

    Attributes:
        picture: as its file has it; it is damaged already.
        fill: True where a pixel is to be filled, `(h, w)`; None where all are known.
    """

    picture: Picture
    fill: np.ndarray | None


def check_files(config: Config) -> None:
    """Refuses a combination of files that no picture could make good.

    Raises:
        InputError: if there is one.
    """
    for option in ("image", "mask", "clean"):
        try:
            config[option].encode()
        except UnicodeEncodeError:
            raise InputError(
                field(option),
                f" is {config[option]!r}, which is not UTF-8; expected a name that "
                "a report can hold: rename the file",
            ) from None
    if config["mask"] and not task_of(config).fills:
        raise InputError(
            field("mask"),
            " is given, but denoising takes none: use text_inpaint, hole_fill or "
            "reconstruct, or leave it out",
        )
    if config["mask"] and not config["image"]:
        raise InputError(
            field("mask"), " is given without ", field("image"), ": give the picture as well"
        )
    if config["clean"] and not config["image"]:
        raise InputError(
            field("clean"), " is given without ", field("image"), ": give the degraded picture"
        )
    if config["page"] and not config["image"]:
        raise InputError(
            field("page"), " is given without ", field("image"), ": give the multi-page TIFF"
        )


def added_damage(config: Config) -> str | None:
    """What a run adds to the pictures of a person, for an experiment; None for nothing.

    Args:
        config: as `tasks.defaults` gives it.

    Returns:
        Its kind, of `limits.DEGRADATIONS`. A sample is no picture of a person.
    """
    given = config["mask"] or config["clean"] or not config["image"]
    return None if given or config["degrade"] == "none" else config["degrade"]


def prepare(config: Config, given: Given | None = None) -> Job:
    """Reads the files that a configuration names, and damages its sample if it says so.

    Args:
        config: as `tasks.defaults` gives it.
        given: what of it has been read: `config.image` and `config.mask`.

    Raises:
        InputError: if a file or a combination of options cannot be used.
    """
    check_files(config)
    masked = task_of(config).fills
    own = bool(config["image"])
    data_range = config["data_range"] or None
    if data_range and not own:
        raise InputError(
            field("data_range"), " is given without ", field("image"), ": give the picture as well"
        )
    if given is not None:
        picture = given.picture
    elif own:
        picture = reading.read(config["image"], data_range, page=config["page"])
    else:
        picture = samples.sample(config["sample"]["name"], config["sample"]["side"])
    name = Path(config["image"]).name if own else config["sample"]["name"]
    if config["page"]:
        name += f", page {config['page']}"
    x = to_float(picture.pixels, data_range)
    if config["mask"] or config["clean"] or config["degrade"] == "none":
        return _already_damaged(config, name, picture, x, masked, given)

    if not np.isfinite(x).all():
        raise InputError(
            f"{name} has NaN or infinite values and cannot serve as the clean picture of an "
            "experiment: say ",
            setting("degrade", "none"),
            ", or give a mask",
        )
    how = config["damage"]
    rng = np.random.default_rng(how["seed"])
    y, fill = damaged(x, config["degrade"], rng, sigma=how["sigma"], share=how["share"])
    if masked and fill is None:
        raise InputError(
            field("degrade"),
            f" is 'noise', but {config['task']} fills unknown pixels: use text, "
            "holes or missing, or give ",
            field("mask"),
        )
    if not masked and fill is not None:
        raise InputError(
            field("degrade"),
            f" is {config['degrade']!r}, but denoising takes no mask: use noise, "
            "or one of the other tasks",
        )
    degraded = from_float(y, picture.pixels.dtype, picture.pixels.ndim, data_range)
    return Job(name, dataclasses.replace(picture, pixels=degraded), y, fill, x, True)


def page_beside(option: Part, path: str, page: int, pages: int) -> int:
    """Which page of a mask or a clean picture belongs to a page of the picture.

    Args:
        option: what the message calls it, such as `field("mask")`.
        path: of its file.
        page: of the picture, counted from 1; 0 for the only one.
        pages: of the picture.

    Returns:
        As for `reading.read`: 0 where there is one page, which serves all pages of the picture.

    Raises:
        InputError: if there are several pages, and not as many as the picture has.
    """
    count = count_pages(path)
    if count == 1:
        return 0
    if count != pages:
        expected = "1, as the picture has"
        if pages > 1:
            expected = f"1, which serves all pages of the picture, or {pages}, one for each"
        raise InputError(option, f" has {count} pages; expected {expected}")
    return page


def _already_damaged(
    config: Config, name: str, picture: Picture, y: np.ndarray, masked: bool, given: Given | None
) -> Job:
    if masked and not config["mask"]:
        raise InputError(
            f"{config['task']} needs to know which pixels to fill: give ",
            field("mask"),
            ", a picture of the same size that is white where the picture is to be filled",
        )
    fill, clean = None if given is None else given.fill, None
    pages = count_pages(config["image"])
    if config["mask"] and given is None:
        page = page_beside(field("mask"), config["mask"], config["page"], pages)
        fill = read_mask(config["mask"], y.shape[:2], config["mask_polarity"], page=page)
    if config["clean"]:
        data_range = picture.data_range
        page = page_beside(field("clean"), config["clean"], config["page"], pages)
        clean = reading.read(config["clean"], data_range, page=page).pixels
        clean = to_float(clean, data_range)
        if clean.shape != y.shape:
            raise InputError(
                field("clean"), f" is {_size(clean)}, expected {_size(y)} like the degraded picture"
            )
        if not np.isfinite(clean).all():
            raise InputError(field("clean"), " has NaN or infinite values: give one without")
    elif config["stop"]["criterion"] == "oracle":
        raise InputError(
            field("stop.criterion"),
            " is 'oracle', which needs the clean picture: give ",
            field("clean"),
            ", or choose heldout or wmv",
        )
    return Job(name, picture, y, fill, clean, False)


def _size(x: np.ndarray) -> str:
    return f"{x.shape[1]} x {x.shape[0]} pixels with {x.shape[2]} channels"
