"""The tasks and their defaults: the one place that the config files and the Python API read.

In the four of `TASKS` the picture's own pixels are known. In those of `MEASURED` an operator
measured the picture.

`defaults(task, preset)` gives a plain nested dict; `meanings` says what its fields mean. The
presets are "" (a good result in a minute or so on two CPU cores), "draft" (a look in seconds),
"quick" (a smoke run) and "paper" (the published setting at full size, for an accelerator). Options
with one entry per scale are tuples, the finest scale first; the last entry serves all further
scales.
"""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from dip_jax.errors import InputError, field, setting

Config = Mapping[str, Any]  # nested, as `defaults` gives it

PRESETS = ("", "draft", "quick", "paper")

_BASE: dict[str, Any] = {
    "task": "",
    "preset": "",
    "image": "",
    "page": 0,  # of a multi-page TIFF; 0 for all
    "mask": "",
    "mask_polarity": "fill",
    "clean": "",
    "data_range": (),
    "degrade": "none",
    "sample": {"name": "coffee", "side": 300},
    "damage": {"sigma": 25.0, "share": 0.5, "seed": 0},
    "seed": 0,
    "seeds": 1,
    "lanes": {"at_once": 0, "form": "auto"},
    # Large pictures: "auto" fits squares around what is to be filled where that is less than half
    # of the picture, each for so many steps at most; and tiles of so many pixels a side where it
    # has more than 2^20, or smaller ones where they are to take so many GB of memory at most.
    "parts": {
        "kind": "auto",
        "continue_smooth": True,
        "steps": 200,
        "side": 512,
        "memory": 0.0,
    },
    "num_steps": 600,
    "refined_steps": 0,
    "precision": "float32",
    "remat": False,
    "network": {  # a kind reads those of its fields alone: see `networks.registry`
        "kind": "hourglass",
        "scales": 5,
        # Two thirds of the arithmetic are at the finest scale.
        "down": (16, 32),
        "up": (16, 32),
        "skip": (4,),
        "down_kernel": (3,),
        "up_kernel": (3,),
        "skip_kernel": (1,),
        "upsampling": ("bilinear",),
        "pointwise": True,
    },
    "input": {"kind": "noise", "depth": 32, "scale": 0.1, "noise": 0.03},
    "optimiser": "adam",
    "learning_rate": 0.01,
    # To `peak` times the learning rate and down to nothing. ES-WMV takes the constant one: a rate
    # that falls makes any output calm.
    "schedule": {"kind": "one_cycle", "peak": 3.0, "rise": 0.2},
    "average": 0.99,
    "average_share": 0.0,
    "heldout": {"share": 0.05, "kind": "squares", "block": 1, "per_channel": False},
    "stop": {
        "criterion": "heldout",
        "patience": 100,
        "only_avg": False,
        "wmv_patience": 1000,
        "wmv_window": 100,
    },
    "stability": {"jump": 5.0, "snapshot_every": 100, "max_failures": 5},
    "keep_known": True,
    "seamless": True,
    "refine": True,  # the result, as `finish` does
    "refine_alone": False,  # by the picture's own patches, where these suffice, with no network
    "refine_judged": True,  # what is filled is tried on held-out pixels, to know how far to go
    # What a picture is looked at for before it is fitted, as `prepare` does.
    "adapt": {
        "contrast": True,
        "brightness": True,
        "stripes": True,
        "still": True,
        "clipping": True,
    },
    "log_every": 50,
    "preview_every": 200,
    "checkpoint_every": 500,
}

# What the published settings share. They run for all of their steps; the best state is picked by
# the held-out PSNR as elsewhere.
_PUBLISHED = {
    "network": {"down": (128,), "up": (128,)},
    "optimiser": "adam",
    "schedule": {"kind": "constant"},
    "sample": {"side": 512},
    "stop": {"patience": 0},
    "refine": False,
    "adapt": {
        "contrast": False,
        "brightness": False,
        "stripes": False,
        "still": False,
        "clipping": False,
    },
}


# With no network where that suffices; else with one that makes a few steps.
_DRAFT = {
    "refine_alone": True,
    "num_steps": 60,
    "optimiser": "adam",
    "schedule": {"kind": "constant"},
    "refine_judged": False,
}


@dataclasses.dataclass(frozen=True)
class Task:
    """A task: what it asks of a person, and what it sets.

    Attributes:
        name: in configurations, and of its file in `configs`.
        fills: whether it fills unknown values that a mask marks.
        refinement: of its result: "denoising" and "filling" of a picture's own pixels, or, where
            an operator measured it, "agreement" with that, and of a JPEG "compression".
        done: what has been done to a picture, as the title of its report begins.
        ending: of the name of a result that is written beside its picture.
        settings: by preset, what differs from the fields above; the other presets stand on "".
    """

    name: str
    fills: bool
    refinement: str
    done: str
    ending: str
    settings: Mapping[str, Config]


_ALL = (
    Task(
        "denoise",
        fills=False,
        refinement="denoising",
        done="Noise removed from",
        ending="_denoised",
        settings={
            "": {
                "degrade": "noise",
                "sample": {"name": "chelsea"},
                "input": {"noise": 1 / 30},
                "refined_steps": 300,
            },
            # Mostly the patches do it; where noise is correlated, the network that has so few.
            "draft": _DRAFT,
            "quick": {"sample": {"side": 128}, "num_steps": 200},
            "paper": {**_PUBLISHED, "num_steps": 3000, "refined_steps": 0},
        },
    ),
    Task(
        "text_inpaint",
        fills=True,
        refinement="filling",
        done="Text removed from",
        ending="_inpainted",
        settings={
            "": {
                "degrade": "text",
                "sample": {"name": "astronaut", "side": 256},
                "network": {"upsampling": ("nearest",)},
                # After it is refined, 400 steps give 0.05 dB more on average of six photographs,
                # and 300 of Muon 0.04 dB less.
                "num_steps": 350,
            },
            "draft": _DRAFT,
            "quick": {"sample": {"side": 128}, "num_steps": 200},
            "paper": {
                **_PUBLISHED,
                "network": {"down": (128,), "up": (128,), "skip": (128,)},
                "num_steps": 6001,
            },
        },
    ),
    Task(
        "hole_fill",
        fills=True,
        refinement="filling",
        done="Holes filled in",
        ending="_filled",
        settings={
            "": {
                "degrade": "holes",
                "damage": {"share": 0.1},
                # As good as 32 channels at all scales, and a step takes half of the time.
                "network": {
                    "down": (8, 16, 32),
                    "up": (8, 16, 32),
                    "skip": (0,),
                    "upsampling": ("nearest",),
                },
                "input": {"kind": "meshgrid", "depth": 2},
                # Inside holes the outputs drift, and no known pixel tells: the mean of all of them.
                "average_share": 0.5,
                "stop": {"only_avg": True, "patience": 200},
                "schedule": {"kind": "constant"},
                "num_steps": 400,
            },
            "draft": _DRAFT,
            "quick": {"sample": {"side": 128}, "num_steps": 200},
            "paper": {
                **_PUBLISHED,
                "average_share": 0.0,
                "stop": {"patience": 0, "only_avg": False},
                "num_steps": 5001,
            },
        },
    ),
    Task(
        "reconstruct",
        fills=True,
        refinement="filling",
        done="Missing pixels rebuilt in",
        ending="_reconstructed",
        settings={
            # On average of six photographs 0.03 dB less than 600 steps of Adam; 200 lack 0.08 more.
            "": {"degrade": "missing", "optimiser": "muon", "num_steps": 300},
            "draft": _DRAFT,
            "quick": {"sample": {"side": 128}, "num_steps": 200},
            "paper": {**_PUBLISHED, "learning_rate": 0.001, "num_steps": 11000},
        },
    ),
)


def _measured(
    name: str, done: str, ending: str, refinement: str = "agreement", **settings: Any
) -> Task:
    presets: dict[str, Config] = {
        "": {
            "degrade": "measured",
            "damage": {"sigma": 0.0},
            "num_steps": 1200,
            # While the rate is near its peak, many steps may pass without a new best.
            "stop": {"patience": 300},
            **settings,
        },
        "draft": {"num_steps": 100, "schedule": {"kind": "constant"}},
        "quick": {"sample": {"side": 128}, "num_steps": 200},
        "paper": {**_PUBLISHED, "num_steps": 2000},
    }
    return Task(name, False, refinement, done, ending, presets)


_ALL_MEASURED = (
    _measured("restore", "Restored from measurements:", "_restored", degrade="none"),
    _measured(
        "super_resolve",
        "Enlarged",
        "_enlarged",
        operator={"factor": 4, "kernel": "lanczos2"},
        sample={"name": "astronaut", "side": 256},
    ),
    _measured(
        "deblur",
        "Blur removed from",
        "_deblurred",
        # The file of the kernel; without one it is a Gaussian of this deviation, in pixels.
        operator={"kernel": "", "sigma": 1.6, "boundary": "reflect"},
        sample={"name": "camera", "side": 256},
        damage={"sigma": 2.0},
    ),
    _measured(
        "demosaic",
        "Colours found for",
        "_demosaiced",
        "filling",
        operator={"pattern": "RGGB"},
        sample={"name": "coffee", "side": 256},
        num_steps=600,  # as in filling, which it is
        stop={"patience": 100},
    ),
    _measured(
        "tomography",
        "Found by tomography from",
        "_found",
        # Of a sinogram that is given the views are its columns, over so many degrees; the density
        # that is white in the result is estimated where it is 0.
        operator={"views": 30, "degrees": 180.0, "white": 0.0},
        sample={"name": "phantom", "side": 128},
        damage={"sigma": 2.55},  # of the largest value, in units of 255
    ),
    _measured(
        "remove_jpeg",
        "JPEG's traces removed from",
        "_unjpegged",
        "compression",
        operator={"quality": 0, "subsampling": ""},  # what the file says
        network={"down": (8, 16, 32), "up": (8, 16, 32)},
        sample={"name": "chelsea", "side": 256},
    ),
)

TASKS = {task.name: task for task in _ALL}
MEASURED = {task.name: task for task in _ALL_MEASURED}
DOORS = TASKS | {name: task for name, task in MEASURED.items() if name != "restore"}
"""The tasks with a configuration and a command. `restore` has none: it takes a Python function."""


def task_of(config: Config) -> Task:
    """The task of a configuration."""
    return task_named(config["task"])


def task_named(name: str) -> Task:
    """The task of a name, of `TASKS` or of `MEASURED`.

    Raises:
        InputError: if there is none.
    """
    found = TASKS.get(name) or MEASURED.get(name)
    if found is None:
        raise InputError(f"task {name!r} is unknown, expected one of {', '.join(DOORS)}")
    return found


def defaults(task: str, preset: str = "") -> dict[str, Any]:
    """The full configuration of a task.

    Args:
        task: one of `TASKS` or of `MEASURED`.
        preset: one of `PRESETS`.

    Raises:
        InputError: if either is unknown.
    """
    found = task_named(task)
    if preset not in PRESETS:
        raise InputError(
            field("preset"),
            f" is {preset!r}, expected none, {', '.join(PRESETS[1:-1])} or {PRESETS[-1]}, such as ",
            setting("preset", PRESETS[1]),
        )
    config = _merge(copy.deepcopy(_BASE), {"task": task, "preset": preset})
    config = _merge(config, found.settings[""])
    return _merge(config, found.settings[preset]) if preset else config


def around_damage(preset: str = "") -> dict[str, Any]:
    """The configuration of squares around a picture's damage, of whatever task: as of holes.

    What is to be filled is narrow there, and detail: a network with fewer channels at its finest
    scales filled scratches worse, by 0.1 to 1.8 dB in four of four photographs.

    Args:
        preset: one of `PRESETS`.
    """
    config = defaults("hole_fill", preset)
    if preset != "paper":
        config["network"] |= {"down": (32,), "up": (32,)}
    return config


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        merged[name] = _merge(base.get(name, {}), value) if isinstance(value, Mapping) else value
    return merged
