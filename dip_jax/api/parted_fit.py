"""The fit of one array in parts: squares around damage, or tiles."""

import contextvars
import dataclasses
import functools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from dip_jax.api.info import Callback, FitInfo, FitPart, Pixels
from dip_jax.api.options import options_of
from dip_jax.api.watching import Watching
from dip_jax.errors import FitError, InputError, Interrupted
from dip_jax.finish.assembly import (
    Assembly,
    Made,
    figures_of_parts,
    made_of,
    put_together,
    unfitted,
)
from dip_jax.finish.ensemble import Ending, composited
from dip_jax.lanes import our_jax
from dip_jax.lanes.jobs import LaneJob, LaterJob, Log, Restoration
from dip_jax.lanes.loop import fit_lanes
from dip_jax.pictures.arrays import with_alpha
from dip_jax.prepare.division import Division
from dip_jax.prepare.parts import Part
from dip_jax.report.progress import Progress
from dip_jax.settings import build, parting

NO_PART = (
    "interrupted before any part of the picture was done: nothing was written, and the same "
    "command begins anew"
)


@dataclasses.dataclass(frozen=True, eq=False)
class PartedFit:
    """What is to be fitted in parts; all that can be wrong with it has been found.

    Attributes:
        task: of `tasks.TASKS`.
        division: the picture and its parts.
        how: results become the restored array.
        config: the whole configuration.
        seeds: to fit every part with.
        alpha: goes past the fit, as the last channel of the restored array; `(h, w)`, or None.
        remarks: how what was given has been taken, in a line each.
    """

    task: str
    division: Division
    how: Ending
    config: dict[str, Any]
    seeds: list[int]
    alpha: Pixels | None = None
    remarks: tuple[str, ...] = ()

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Of what is fitted, `(h, w, c)`: of every part."""
        return parting.shapes_of(self.division)

    def check_memory(self) -> None:
        """Refuses a picture that the memory is too small for.

        Raises:
            InputError: if it is.
        """
        parting.check_memory(self.config, self.division)

    def advice(self) -> list[str]:
        """What a person should know before: which parts, time, memory."""
        return [
            *self.remarks,
            *self.division.remarks,
            *parting.advice(self.config, self.division, len(self.seeds)),
            *self.hints(),
        ]

    def warnings(self) -> list[str]:
        """What of that a person has to know, even if they did not ask for it."""
        return [*self.division.warnings, *self.hints()]

    def hints(self) -> list[str]:
        """What other options may fit better, and how to ask for them."""
        return parting.hints(self.config, self.division)

    @our_jax.as_needed()
    def run(
        self,
        callback: Callback | None = None,
        progress: Progress | None = None,
        *,
        only_usable: bool = False,
        asked: Callable[[], bool] = lambda: False,
    ) -> tuple[Pixels, FitInfo]:
        """Fits every part with every seed, and gives an array like the one before.

        Args:
            callback: sees every logged step, and may end the fit.
            progress: shows how far it is.
            only_usable: whether a picture is refused none of whose parts shows anything yet,
                because the callback has ended the fit. Parts that were not reached stay as they
                were in any case.
            asked: whether it is to end; where no part is fitted, for then there are no steps.

        Raises:
            FitError: if no part has a result.
            Interrupted: if none may be used.
        """
        config, parts = self.config, self.division.plan.parts
        running = _Running(self, callback, progress, only_usable, asked)
        try:
            if progress is not None and parts:
                progress.start(config["num_steps"] * len(self.seeds) * len(parts))
            running.make_unfitted()
            jobs = [
                LaterJob(
                    (*part.size, self.division.shape[2]),
                    False,
                    functools.partial(running.open, i, seed),
                    functools.partial(running.failed, i, seed),
                )
                for i, part in enumerate(parts)
                for seed in self.seeds
            ]
            fit_lanes(
                jobs,
                **build.fitting(config),
                say=running.watching.say,
            )
            running.finish_begun()
        finally:
            running.close()
            if progress is not None:
                progress.stop()
        if not parts and running.asked and not running.made_unfitted:
            raise Interrupted(NO_PART)
        if parts and not running.made:
            if not running.failures:
                raise Interrupted(NO_PART)
            if not self.division.unfitted:
                raise FitError(next(iter(running.failures.values())))
        for line in running.left_out():
            running.watching.say(line)
        pixels, _ = put_together(running.assembly, self.division, self.how)
        return with_alpha(pixels, self.alpha), running.info()


class _Running:
    """What has become of the parts."""

    def __init__(
        self,
        fit: PartedFit,
        callback: Callback | None,
        progress: Progress | None,
        only_usable: bool,
        asked: Callable[[], bool],
    ) -> None:
        self._only_usable = only_usable
        self._ask, self.asked = asked, False
        self._fit, self._division = fit, fit.division
        plan = self._division.plan
        self.assembly = Assembly(self._division.shape, plan, spread=len(fit.seeds) > 1)
        self.made: dict[int, FitPart] = {}
        self.failures: dict[int, str] = {}
        self._refined = False
        self.made_unfitted, self._seconds_unfitted = 0, 0.0
        self._results: dict[int, dict[int, Restoration]] = {}
        self._left = [len(fit.seeds)] * len(plan.parts)
        self._all: list[Restoration] = []
        self._seconds = 0.0
        self.watching = Watching(
            lambda x: x, fit.config["num_steps"], callback, progress, len(plan.parts)
        )
        # A part is finished while the next one is fitted: neither keeps two cores busy.
        self._finishing = ThreadPoolExecutor(1, "finishing")
        self._futures: list[Future[None]] = []

    def make_unfitted(self) -> None:
        """Makes the parts that are not fitted, beside the fits of the others."""
        for part, make in unfitted(self._division, self._fit.how):
            self._beside(self._make_unfitted, part, make)

    def _make_unfitted(self, part: Part, make: Callable[[], Made]) -> None:
        if not self._division.plan.parts:
            self.asked = self.asked or self._ask()
        if self.asked:
            return
        begin = time.perf_counter()
        self._add(part, make())
        self._seconds_unfitted += time.perf_counter() - begin
        self.made_unfitted += 1
        for line in parting.about_made(self.made_unfitted, self._division):
            self.watching.say(line)

    def _add(self, part: Part, made: Made) -> None:
        where = self._division.to_make(part, keep_known=self._fit.how.keep_known)
        self.assembly.add(part, made.image, made.spread, where)
        self._refined |= made.refined

    def open(self, i: int, seed: int) -> LaneJob:
        """The lane of a part with a seed."""
        part = self._division.plan.parts[i]
        return LaneJob(
            self._division.prepared(part).observation,
            seed,
            on_log=functools.partial(self._log, i),
            on_done=functools.partial(self._done, i),
            on_failed=functools.partial(self.failed, i, seed),
        )

    def _log(self, i: int, log: Log) -> bool:
        place = self._division.plan.parts[i].place
        return self.watching.see(log, functools.partial(self._preview, i), i, place)

    def _preview(self, i: int, x: np.ndarray) -> Pixels:
        """The picture as given, with a part's average in it."""
        part, division = self._division.plan.parts[i], self._division
        whole = np.array(division.before)
        if part.reduced == 1:
            here = division.pixels[part.place]
            layout = dataclasses.replace(division.layout, shape=here.shape, channel_axis=-1)
            pixels = composited(x, division.prepared(part), self._fit.how, here, layout)
            division.layout.channels_last(whole)[part.place] = pixels
        return with_alpha(whole, self._fit.alpha)

    def _done(self, i: int, result: Restoration) -> None:
        self._seconds += result.seconds
        self.watching.ended(i, result.seed)
        if result.usable or not self._only_usable:
            self._results.setdefault(i, {})[result.seed] = result
        self._one_less(i, result.stop_reason != "asked")

    def failed(self, i: int, seed: int, error: InputError) -> None:
        """A lane has no result and will have none."""
        self.watching.ended(i, seed)
        self.failures.setdefault(seed, f"part {i + 1}: {error}")
        self.watching.say(f"seed {seed} failed in part {i + 1}: {error}")
        self._one_less(i, True)

    def _one_less(self, i: int, ended: bool) -> None:
        self._left[i] -= 1
        if ended and not self._left[i]:
            self._finish(i)

    def finish_begun(self) -> None:
        """Takes what there is of parts that were asked to end, and waits for all."""
        for i in sorted(self._results):
            self._finish(i)
        for future in self._futures:
            future.result()

    def close(self) -> None:
        """What has not begun is not finished any more."""
        self._finishing.shutdown(cancel_futures=True)

    def _finish(self, i: int) -> None:
        if results := self._results.pop(i, {}):
            self._beside(self._made, i, results)

    def _beside(self, make: Callable[..., None], *arguments: Any) -> None:
        context = contextvars.copy_context()  # the words that messages are told in
        self._futures.append(
            self._finishing.submit(context.run, our_jax.as_needed()(make), *arguments)
        )

    def _made(self, i: int, results: dict[int, Restoration]) -> None:
        in_order = [results[seed] for seed in self._fit.seeds if seed in results]
        part = self._division.plan.parts[i]
        try:
            made: Made = made_of(part, in_order, self._division, self._fit.how)
        except InputError as error:  # the others are kept
            self.failures.setdefault(in_order[0].seed, f"part {i + 1}: {error}")
            return
        self._add(part, made)
        self.made[i] = FitPart(
            part,
            made.figures,
            {result.seed: result.chosen_step for result in in_order},
            sum(result.steps for result in in_order),
        )
        self._all += [result.without_images() for result in in_order]

    def left_out(self) -> list[str]:
        """How many parts have no result, in a line; none if all have one."""
        total = len(self._division.plan.parts)
        left = total - len(self.made)
        if not total and self.asked:
            total = len(self._division.unfitted)
            left = total - self.made_unfitted
        return [f"{left} of {total} parts have no result: they stay as they were"] if left else []

    def info(self) -> FitInfo:
        """How it came about."""
        fit, parts = self._fit, [self.made[i] for i in sorted(self.made)]
        results = self._all
        pixels = [made.part.height * made.part.width for made in parts]
        asked = any(result.stop_reason == "asked" for result in results)
        asked |= self.asked
        asked |= len(parts) < len(self._division.plan.parts) and not self.failures
        reason = "alone" if self._division.alone else "no_fit"
        reason = "failed" if self.failures else reason
        if results:
            reason = max(results, key=lambda result: result.steps).stop_reason
        if asked:
            reason = "asked"
        spread = self.assembly.spread() if results else None
        chosen: dict[int, list[int]] = {seed: [] for seed in fit.seeds}
        for result in results:
            chosen[result.seed].append(result.chosen_step)
        lines = (*parting.about(self._division), *self.left_out())
        return FitInfo(
            figures=figures_of_parts([made.figures for made in parts], pixels),
            chosen_steps={seed: int(np.median(steps)) for seed, steps in chosen.items() if steps},
            uncertainty=None if spread is None else spread * self._division.layout.width,
            history=self.watching.history,
            steps=sum(result.steps for result in results),
            seconds=self._seconds + self._seconds_unfitted,
            stop_reason=reason,
            rollbacks=sum(result.rollbacks for result in results),
            failed=self.failures,
            results=(),
            config=options_of(fit.task, fit.config, fit.seeds) | {"refine": self._refined},
            remarks=(*fit.remarks, *self._division.remarks, *lines, *fit.hints()),
            parts=tuple(parts),
        )
