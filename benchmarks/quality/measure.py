"""The measuring of a suite: each method on each picture, kept, and put together."""

import argparse
import importlib.util
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.common import tables
from benchmarks.quality import classical, fits, plan, times
from benchmarks.quality.arguments import METHODS, shown_arguments
from benchmarks.quality.figures import Entry, Images, entry, without_oracle
from benchmarks.quality.plan import SCALES, SUITES, Config, Picture, Suite
from benchmarks.quality.sheets import sheet
from dip_jax.files import write_atomically
from dip_jax.settings.fields import parsed
from dip_jax.settings.tasks import task_of

Made = tuple[list[Entry], Images, dict[str, Any]]


class Measured(dict[str, Any]):
    """The figures of a picture as they go into the JSON, and its images."""

    def __init__(self, picture: Picture, **more: Any) -> None:
        super().__init__(
            name=picture.name, shape=list(picture.y.shape), entries=[], details={}, **more
        )
        self.picture, self.images = picture, {}


class Run:
    """A suite with what the command says of it."""

    def __init__(self, name: str, args: argparse.Namespace) -> None:
        self.name, self.args, self.suite = name, args, SUITES[name]
        scale = SCALES[args.scale]
        self.side = args.side or scale.side
        self.count = args.pictures or scale.pictures
        self.seeds = args.seeds or scale.seeds

    def config(self, changes: dict[str, Any] | None = None) -> Config:
        changed = parsed(self.args.set) | (changes or {})
        return plan.configuration(self.suite, self.args.scale, changed)

    def steps(self) -> int:
        return self.args.baseline_steps or self.suite.published_steps

    def folder(self) -> Path | None:
        data = self.args.data
        own = None if data is None else data / self.name
        return own if own is not None and own.is_dir() else data

    def pictures(self) -> list[Measured]:
        """The suite's pictures, measured."""
        config = self.config()
        found = plan.suite_pictures(
            self.suite, config, self.folder(), self.side, self.count, self.args.mask_polarity
        )
        if "dip_jax" in self.args.methods and jax.default_backend() != "cpu":
            self.fit_together(found, config)
        return [self.measured(Measured(picture), config, self.side) for picture in found]

    def rows(self) -> list[Measured]:
        """The pictures that have a row of their own, measured."""
        found = []
        for row in map(plan.row, self.args.row):
            config = self.config(dict(row.changes))
            picture = plan.file_picture(row.path, config, row.side, self.args.mask_polarity)
            found.append(self.measured(Measured(picture, label=row.label), config, row.side))
        return found

    def fit_together(self, pictures: list[Picture], config: Config) -> None:
        """Fits what is not kept yet, as many lanes side by side as an accelerator takes.

        What is made of a picture's fits is left to other threads, for the accelerator to go on.
        """
        names = [self.unit(p, times.OURS, [config, self.seeds]) for p in pictures]
        left = [
            (picture, name)
            for picture, name in zip(pictures, names, strict=True)
            if not tables.is_kept(self.args.work, name)
        ]
        if not left:
            return
        name_of = {picture.digest: name for picture, name in left}
        with ThreadPoolExecutor(4) as pool:
            made: list[Future[Any]] = []

            def keep(picture: Picture, members: Callable[[], fits.Members]) -> None:
                make = lambda: fits.figures(members(), picture)  # noqa: E731
                made.append(pool.submit(self.kept, name_of[picture.digest], make))

            fits.fit_pictures([picture for picture, _ in left], config, self.seeds, keep)
            for future in made:
                future.result()

    def unit(self, picture: Picture, label: str, settings: Any) -> str:
        """The name under which a unit of a picture is kept."""
        return f"{self.name} {picture.name} {label} {plan.digest([picture.digest, settings])}"

    def measured(self, measured: Measured, config: Config, side: int | None) -> Measured:
        """Every method on a picture."""
        picture = measured.picture
        damaged = picture.given(picture.y)
        first = entry("degraded", "", damaged, damaged, picture.clean)
        measured["entries"].append(without_oracle(first))
        for label, settings, make in self.units(picture, config, side):
            if label == "times" and self.made_on([measured])["device"] != "cpu":
                continue  # a step there is a lane's share of one of many, as the fits tell
            made = self.kept(self.unit(picture, label, settings), make)
            measured["entries"] += made["entries"]
            measured["details"][label] = made["details"]
            if label == times.OURS and "made_on" in made:
                measured["made_on"] = made["made_on"]
            measured.images |= np.load(made["images"])
        details = measured["details"]
        a_step = {label: found["step"] for label, found in details.items() if "step" in found}
        a_step |= details.get("times", {})
        for e in measured["entries"]:
            if e.get("steps") is not None:
                e["seconds"] = e["steps"] * a_step[e["method"].split(",")[0]]
        return measured

    def units(
        self, picture: Picture, config: Config, side: int | None
    ) -> Iterator[tuple[str, Any, Callable[[], Made]]]:
        """What is kept of a picture: its label, what it depends on, and how it is made."""
        if "classical" in self.args.methods:
            for method in filter(classical.installed, classical.methods(config)):
                point = self.chosen(method, picture, config, side)
                settings = [method.points, point, config["damage"]]
                yield (
                    method.name,
                    settings,
                    lambda m=method, p=point: classical.classical(m, picture, config, p),
                )
        base = None
        if "pytorch" in self.args.methods and has_baseline():
            from benchmarks.quality.baseline import baseline  # here, because it needs PyTorch

            base = plan.baseline_configuration(self.suite, config)
            yield (
                times.BASELINE,
                [base, self.steps()],
                lambda: baseline(picture, base, self.steps()),
            )
        own = config if "dip_jax" in self.args.methods else None
        if own is not None:
            yield times.OURS, [own, self.seeds], lambda: fits.ours(picture, own, self.seeds)
        if own is not None or base is not None:
            yield "times", [own, base], lambda: ([], {}, times.step_seconds(picture, own, base))

    def chosen(
        self, method: classical.Method, picture: Picture, config: Config, side: int | None
    ) -> int:
        """The point of a classical method's grid that other photographs choose."""
        if not method.grid:
            return 0
        found = []
        names = [name for name in self.suite.others if name != picture.name]
        for other in plan.photographs(self.suite, names, config, side):
            key = plan.digest([other.digest, method.points, config["damage"]])
            scores = tables.kept(
                self.args.work,
                f"{self.name} {other.name} grid of {method.name} {key}",
                lambda other=other: classical.scores(method, other, config),
            )
            found.append(scores["psnr"])
        return classical.chosen(found)

    def kept(self, name: str, make: Callable[[], Made]) -> dict[str, Any]:
        """The figures of a unit and the file of its images, made if they are not there."""
        images = self.args.work / f"{name.replace(' ', '-')}.npz"

        def made() -> dict[str, Any]:
            entries, pictures, details = make()
            half = {key: x.astype(np.float16) for key, x in pictures.items()}
            write_atomically(images, lambda file: np.savez_compressed(file, **half))
            return {
                "entries": entries,
                "details": details | {"commit": tables.commit()},
                "made_on": made_on(),
            }

        return tables.kept(self.args.work, name, made) | {"images": images}

    def results(self) -> tuple[dict[str, Any], bytes]:
        """All of the suite's JSON, and its contact sheet."""
        pictures, rows = self.pictures(), self.rows()
        png, crop = sheet([(m.picture, m["entries"], m.images) for m in pictures + rows])
        config = self.config()
        base = plan.baseline_configuration(self.suite, config)
        return {
            "suite": self.name,
            "command": "python -m benchmarks.quality " + shlex.join(shown_arguments(self.args)),
            "scale": self.args.scale,
            **self.made_on(pictures + rows),
            "in_turns": any("times" in m["details"] for m in pictures + rows),
            "damage": damage_in_words(self.suite, config),
            "masked": task_of(config).fills,
            "config": config,
            "changes": self.args.set,
            "samples": self.folder() is None,
            "seeds": self.seeds if "dip_jax" in self.args.methods else 0,
            "baseline": None
            if not has_baseline() or "pytorch" not in self.args.methods
            else {
                "steps": self.steps(),
                "published": self.suite.published_steps,
                "learning_rate": base["learning_rate"],
            },
            "missing": self.missing(config),
            "crop": crop,
            "pictures": pictures,
            "rows": rows,
        }, png

    @staticmethod
    def made_on(measured: list[Measured]) -> dict[str, Any]:
        """What the fits were made on, or else what there is here."""
        kept = [m["made_on"] for m in measured if "made_on" in m]
        return kept[0] if kept else made_on()

    def missing(self, config: Config) -> list[str]:
        """What is not in the tables, and why."""
        lines = [
            f"Not measured: {method.name}, {method.needs} is not installed."
            for method in classical.methods(config)
            if not classical.installed(method)
        ]
        if not has_baseline():
            lines.append("Not measured: PyTorch, which is not installed.")
        left = [name for name in METHODS if name not in self.args.methods]
        return [*lines, f"Left out: {', '.join(left)}."] if left else lines


def made_on() -> dict[str, Any]:
    """The device, the machine and the versions at hand."""
    return {
        "device": jax.devices()[0].device_kind,
        "machine": tables.machine(),
        "versions": tables.versions("scikit-image", "PyWavelets", "bm3d"),
    }


def has_baseline() -> bool:
    """Whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


def damage_in_words(suite: Suite, config: Config) -> str:
    """What the pictures suffer."""
    damage = config["damage"]
    return {
        "denoise": f"Gaussian noise of sigma {damage['sigma']:g} (of 255), clipped to [0, 1].",
        "text_inpaint": "Text is missing: drawn lines, or that of a mask.",
        "hole_fill": f"Holes: {damage['share']:.0%} of a picture, or those of a mask.",
        "reconstruct": f"{damage['share']:.0%} of the pixels are missing at random.",
    }[suite.task]
