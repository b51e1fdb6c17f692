"""What `quality` measures: suites, their pictures and damage, and the settings of the fits."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common.samples import damage
from dip_jax.errors import InputError
from dip_jax.pictures import reading, samples
from dip_jax.pictures.damage import erase
from dip_jax.pictures.marks import Mask, check_mask
from dip_jax.pictures.masks import read_mask
from dip_jax.pictures.values import to_float
from dip_jax.pictures.writing import FORMAT_OF_SUFFIX
from dip_jax.settings import tasks
from dip_jax.settings.fields import override, parsed

Pixels = NDArray[np.float32]
Config = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Suite:
    """A task and the photographs of scikit-image that it is measured on.

    Attributes:
        task: one of `tasks.TASKS`.
        samples: those that are measured where no folder is given.
        others: those that parameters of classical methods are chosen on, but for the picture that
            is measured.
        grey: whether the samples are measured in grey, as the published pictures are.
        published_steps: those of the published results.
    """

    task: str
    samples: tuple[str, ...]
    others: tuple[str, ...]
    grey: bool
    published_steps: int


_COLOUR = (("astronaut", "chelsea", "coffee"), ("astronaut", "chelsea", "coffee", "rocket"), False)
_GREY = (("astronaut", "camera", "coffee"), ("astronaut", "camera", "chelsea", "coffee"), True)
SUITES = {
    "denoise": Suite("denoise", *_COLOUR, 1800),
    "reconstruct": Suite("reconstruct", *_GREY, 11000),
    "text": Suite("text_inpaint", *_COLOUR, 6001),
    "hole": Suite("hole_fill", *_COLOUR, 5001),
}


@dataclasses.dataclass(frozen=True)
class Scale:
    """A preset: how large and how many the pictures are, and how many seeds are fitted.

    Attributes:
        side: pictures are reduced to it on the longer side; None leaves them as they are.
        pictures: how many of a folder, the first by name; None for all.
        seeds: of a picture; ensembles of 2, 4, ... of them are measured.
    """

    side: int | None
    pictures: int | None
    seeds: int


SCALES = {"cpu": Scale(128, 3, 4), "full": Scale(None, None, 8)}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A clean picture and its damage.

    Attributes:
        name: of the sample or file, without its suffix.
        clean: `(h, w, c)` float32 in [0, 1].
        y: the damaged picture.
        fill: `(h, w)`, True where it is to be filled; None where all of it is known.
    """

    name: str
    clean: Pixels
    y: Pixels
    fill: NDArray[np.bool_] | None

    def given(self, x: Pixels) -> Pixels:
        """What a person gets of an image `(..., h, w, c)`: known pixels are kept."""
        return x if self.fill is None else np.where(self.fill[..., None], x, self.y)

    @property
    def digest(self) -> str:
        """Tells it from the same name with other pixels or damage."""
        return digest([self.clean.shape, _sha(self.clean), _sha(self.y), _sha(self.fill)])


@dataclasses.dataclass(frozen=True)
class Row:
    """A single picture that is measured beside a suite, with settings of its own.

    Attributes:
        path: its file.
        side: to which it is reduced on the longer side; None leaves it as it is.
        changes: of the configuration, by dotted names.
    """

    path: Path
    side: int | None
    changes: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What the report calls it."""
        words = [] if self.side is None else [f"side={self.side}"]
        return ", ".join([self.path.stem, *words, *(f"{k}={v}" for k, v in self.changes.items())])


def row(text: str) -> Row:
    """The row that `FILE,side=256,damage.sigma=25,network.down=128` stands for.

    Raises:
        InputError: if a word behind the file sets nothing, or the side is no number.
    """
    path, *words = text.split(",")
    changes = parsed(words)
    side = changes.pop("side", None)
    if side is not None and not (isinstance(side, int) and side > 0):
        raise InputError(f"--row: side is {side!r}, expected a number of pixels, such as 256")
    return Row(Path(path), side, changes)


def configuration(suite: Suite, scale: str, changes: Mapping[str, Any]) -> Config:
    """The settings of this project's fits: the defaults of the task.

    At full scale the network has its published width, its convolutions are float16, and the
    steps that a fit may take are the published ones, where it ends by itself; in hole filling,
    where it does not, the default.
    """
    config = tasks.defaults(suite.task)
    if scale == "full":
        paper = tasks.defaults(suite.task, "paper")
        config |= {"network": paper["network"], "precision": "float16"}
        if suite.task != "hole_fill":
            config["num_steps"] = paper["num_steps"]
    return override(config, changes)


def baseline_configuration(suite: Suite, config: Config) -> Config:
    """The published settings with the network and the damage of `config`."""
    published = tasks.defaults(suite.task, "paper")
    return published | {name: config[name] for name in ("network", "damage")}


def digest(value: Any) -> str:
    """A short name of settings: other settings, another name."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:10]


def suite_pictures(
    suite: Suite,
    config: Config,
    folder: Path | None,
    side: int | None,
    count: int | None,
    polarity: str,
) -> list[Picture]:
    """The pictures of a folder, or the suite's samples.

    In the folder `NAME_mask` beside `NAME` is its mask; a picture without one is damaged as the
    task's sample is.

    Raises:
        InputError: if the folder has no pictures, or one of them cannot be used.
    """
    if folder is None:
        return photographs(suite, suite.samples[:count], config, side)
    paths = [
        path
        for path in sorted(folder.iterdir() if folder.is_dir() else ())
        if path.suffix.lower() in FORMAT_OF_SUFFIX and not path.stem.endswith("_mask")
    ]
    if not paths:
        raise InputError(f"--data: {folder} has no pictures, expected a folder of clean pictures")
    return [file_picture(path, config, side, polarity) for path in paths[:count]]


def photographs(
    suite: Suite, names: Sequence[str], config: Config, side: int | None
) -> list[Picture]:
    """Photographs of scikit-image with the damage of the suite."""
    found = []
    for name in names:
        clean = to_float(samples.sample(name, side).pixels)
        if suite.grey and clean.shape[2] == 3:
            clean = (clean @ np.array([[0.299], [0.587], [0.114]])).astype(np.float32)
        found.append(Picture(name, clean, *damage(config, clean)))
    return found


def file_picture(path: Path, config: Config, side: int | None, polarity: str) -> Picture:
    """A clean picture of a file, with the damage of the task or of the mask beside it."""
    full = to_float(reading.read(path).pixels)
    clean = reduced(full, side)
    masks = [p for p in path.parent.glob(f"{path.stem}_mask.*") if p.suffix.lower() != ".json"]
    if not tasks.task_of(config).fills or not masks:
        return Picture(path.stem, clean, *damage(config, clean))
    fill = read_mask(masks[0], full.shape[:2], polarity).fill
    covered = reduced(fill[..., None].astype(np.float32), side, Image.Resampling.BOX)[..., 0]
    # So many pixels are filled as keep the share: of thin letters no pixel may be covered by half.
    count = max(1, round(float(fill.mean()) * covered.size))
    fill = np.zeros(covered.size, bool)
    fill[np.argsort(-covered, axis=None, kind="stable")[:count]] = True
    fill = fill.reshape(covered.shape)
    check_mask(Mask(fill), f"the mask of {path.name} at this size")
    return Picture(path.stem, clean, erase(clean, fill, 0.0), fill)


def reduced(
    x: Pixels, side: int | None, filter: Image.Resampling = Image.Resampling.LANCZOS
) -> Pixels:
    """The image with `side` pixels on the longer side, clipped to [0, 1]; never enlarged."""
    h, w, channels = x.shape
    if side is None or side >= max(h, w):
        return x
    size = tuple(max(1, round(length * side / max(h, w))) for length in (w, h))
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(x[..., i])).resize(size, filter))
        for i in range(channels)
    ]
    return np.clip(np.stack(planes, axis=2), 0.0, 1.0)


def _sha(x: NDArray[Any] | None) -> str:
    return "" if x is None else hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()
