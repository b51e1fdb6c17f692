"""What a run works on: the files that a configuration names, read; a sample, damaged.

Everything that can be wrong with a picture, a mask or their combination is found here, before
anything is written.
"""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Float

from dip_jax.errors import InputError, Part, field, setting, told
from dip_jax.pictures import reading, samples
from dip_jax.pictures.damage import damaged
from dip_jax.pictures.marks import about_hidden, of_alpha
from dip_jax.pictures.masks import read_mask
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.reading import count_pages
from dip_jax.pictures.values import check_values, from_float, to_float
from dip_jax.prepare.measuring import Measuring
from dip_jax.settings.operating import measured_anew, measuring_of
from dip_jax.settings.tasks import MEASURED, Config, task_of


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """What a run works on.

    Attributes:
        name: of the picture, for titles.
        degraded: the picture to restore, in its file's dtype.
        measuring: how it was measured of the one that is to be found; None where its own pixels are
            to be restored.
        fill: True where a pixel is to be filled, `(h, w)`; None where all are known.
        clean: the clean picture, `(h, w, c)` in [0, 1], or None.
        damaged_here: whether the damage was added by this run, for an experiment.
        remarks: how the files have been taken, where that is not plain, in a line each.
        damaged: of a picture that was damaged by this run, `(h, w, c)` in [0, 1] before it was
            rounded to its dtype; else None.
    """

    name: str
    degraded: Picture
    fill: np.ndarray | None
    clean: np.ndarray | None
    damaged_here: bool
    remarks: tuple[str, ...] = ()
    measuring: Measuring | None = None
    damaged: np.ndarray | None = None

    @property
    def y(self) -> Float[np.ndarray, "h w c"]:
        """The picture to restore, float32 in [0, 1]; made anew each time, as it may be large."""
        if self.damaged is not None:
            return self.damaged
        return to_float(self.degraded.pixels, self.degraded.data_range, checked=True)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the picture to restore, `(h, w, c)`."""
        return _shape(self.degraded)


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """A picture that was read before the run, so that it is not read again.

    Attributes:
        picture: as its file has it; it is damaged already.
        fill: True where a pixel is to be filled, `(h, w)`; None where all are known.
        remarks: as in `Job`.
    """

    picture: Picture
    fill: np.ndarray | None
    remarks: tuple[str, ...] = ()


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
        name = "denoising" if config["task"] == "denoise" else config["task"]
        raise InputError(
            field("mask"),
            f" is given, but {name} takes none: use text_inpaint, hole_fill or "
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
    if config["mask"] or config["clean"] or config["degrade"] == "none":
        check_values(picture.pixels, data_range)
        return _already_damaged(config, name, picture, masked, given)
    x = to_float(picture.pixels, data_range)
    if (config["degrade"] == "measured") != (config["task"] in MEASURED):
        raise InputError(
            field("degrade"),
            f" is {config['degrade']!r}, which is not for {config['task']}; expected ",
            "measured or none" if config["task"] in MEASURED else "noise, text, holes or missing",
        )

    if not np.isfinite(x).all():
        raise InputError(
            f"{name} has NaN or infinite values and cannot serve as the clean picture of an "
            "experiment: say ",
            setting("degrade", "none"),
            ", or give a mask",
        )
    how = config["damage"]
    rng = np.random.default_rng(how["seed"])
    if config["task"] in MEASURED:
        return _measured_here(config, name, picture, rng, notes(name, picture) if own else ())
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
    remarks = notes(name, picture) if own else ()
    if masked and picture.alpha is not None and (picture.alpha == 0).any():
        parts = (
            f"{name} is wholly transparent in {100 * (picture.alpha == 0).mean():.1f}%, and its "
            "hidden colours there are taken for clean ones; to fill them, say ",
            setting("degrade", "none"),
        )
        remarks += (told(*parts),)
    restored_from = dataclasses.replace(picture, pixels=degraded)
    return Job(name, restored_from, fill, x, True, remarks, damaged=y)


def _measured_here(
    config: Config,
    name: str,
    picture: Picture,
    rng: np.random.Generator,
    remarks: tuple[str, ...],
) -> Job:
    """An experiment: a clean picture, measured, and to be found again."""
    degraded, clean, found = measured_anew(config, picture, name, rng)
    return Job(name, degraded, None, clean, True, remarks, found)


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


def notes(name: str, picture: Picture) -> tuple[str, ...]:
    """What of a picture has been read otherwise than it stands in its file, in a line each."""
    return tuple(f"{name} {note}" for note in picture.notes)


def marked(
    task: str, picture: Picture, mask: str, polarity: str, page: int = 0, pages: int = 1
) -> Given:
    """A picture that is damaged already, with what is to be filled in it.

    Without a mask that is what is wholly transparent, and the picture becomes opaque.

    Args:
        task: whose pictures have pixels to be filled.
        picture: as it was read.
        mask: the path of its mask; "" for none.
        polarity: what white in the mask means, "fill" or "keep".
        page: of the file that the picture is from, counted from 1; 0 for the only one.
        pages: of that file.

    Raises:
        InputError: if there is neither a mask nor an alpha that can be used.
    """
    if mask:
        which = page_beside(field("mask"), mask, page, pages)
        found = read_mask(mask, picture.pixels.shape[:2], polarity, page=which)
        hidden = about_hidden(found.fill, picture.alpha)
        return Given(picture, found.fill, found.remarks + hidden)
    if picture.alpha is None:
        raise InputError(
            f"{task} needs to know which pixels to fill: give ",
            field("mask"),
            ", a picture of the same size that is white where the picture is to be filled; or a "
            "picture that is transparent there",
        )
    found = of_alpha(picture.alpha, polarity)
    return Given(picture.opaque(), found.fill, found.remarks)


def _already_damaged(
    config: Config, name: str, picture: Picture, masked: bool, given: Given | None
) -> Job:
    pages = count_pages(config["image"])
    read_here = given is None
    if given is None and masked:
        given = marked(
            config["task"], picture, config["mask"], config["mask_polarity"], config["page"], pages
        )
        picture = given.picture
    clean = None
    found = measuring_of(config, picture) if config["task"] in MEASURED else None
    fill, remarks = (None, ()) if given is None else (given.fill, given.remarks)
    if read_here:
        remarks = notes(name, picture) + remarks
    if config["clean"]:
        data_range = picture.data_range if found is None else found.layout.data_range
        page = page_beside(field("clean"), config["clean"], config["page"], pages)
        clean = reading.read(config["clean"], data_range, page=page).pixels
        clean = to_float(clean, data_range)
        shape = _shape(picture)
        if clean.shape != (shape if found is None else found.shape):
            expected = f"{_size(shape)} like the degraded picture"
            if found is not None:
                expected = _size(found.shape)
            raise InputError(field("clean"), f" is {_size(clean.shape)}, expected {expected}")
        if not np.isfinite(clean).all():
            raise InputError(field("clean"), " has NaN or infinite values: give one without")
    elif config["stop"]["criterion"] == "oracle":
        raise InputError(
            field("stop.criterion"),
            " is 'oracle', which needs the clean picture: give ",
            field("clean"),
            ", or choose heldout or wmv",
        )
    return Job(name, picture, fill, clean, False, remarks, found)


def _shape(picture: Picture) -> tuple[int, int, int]:
    """Of a picture as an image, `(h, w, c)`."""
    h, w, c = (*picture.pixels.shape, 1)[:3]
    return h, w, c


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} pixels with {shape[2]} channels"
