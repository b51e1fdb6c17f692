"""What every function of the Python interface does around its fit: what is told, and given."""

import warnings
from collections.abc import Callable
from typing import Protocol

from dip_jax.api.info import Callback as Callback
from dip_jax.api.info import FitInfo, Pixels
from dip_jax.errors import PYTHON, InputError, speaking
from dip_jax.lanes import our_jax
from dip_jax.report.progress import Progress, make_progress


class _Fit(Protocol):
    @property
    def seeds(self) -> list[int]: ...

    def advice(self) -> list[str]: ...

    def warnings(self) -> list[str]: ...

    def run(
        self, callback: Callback | None = None, progress: Progress | None = None
    ) -> tuple[Pixels, FitInfo]: ...


def called(
    title: str,
    make: Callable[[], _Fit],
    callback: Callback | None,
    progress: bool | Progress,
    stacklevel: int = 4,
) -> tuple[Pixels, FitInfo]:
    """Makes a fit ready and runs it, and tells what a person should know.

    Args:
        title: of the bar.
        make: gives the fit, or raises `InputError`.
        callback: of the call.
        progress: of the call.
        stacklevel: from here to the line that a warning is about.

    Raises:
        InputError: if anything given cannot be used, or no seed has a result.
    """
    if callback is not None and not callable(callback):
        raise InputError(f"callback is {callback!r}; expected a function of a FitStep")
    if not (progress is None or isinstance(progress, bool) or hasattr(progress, "message")):
        raise InputError(f"progress is {progress!r}; expected True, False or a Progress")
    shown = make_progress(title) if progress is True else progress or None
    with our_jax.as_needed(), speaking(PYTHON):
        try:
            fit = make()
            if shown is not None:
                for line in fit.advice():
                    shown.message(line)
            else:  # before the fit, so that it is not lost where warnings are errors
                for line in fit.warnings():
                    warnings.warn(line, RuntimeWarning, stacklevel=stacklevel)
            restored, info = fit.run(callback, shown)
        except InputError as error:
            error.settle()
            raise
    if info.failed and shown is None:  # else it has been told
        seeds = "; ".join(f"seed {seed}: {why}" for seed, why in info.failed.items())
        rest = "the picture is the mean of the others"
        if info.parts:
            rest = "the parts are the mean of the others, or stay as they were without any"
        warnings.warn(
            f"{len(info.failed)} of {len(fit.seeds)} seeds failed, and {rest}: {seeds}",
            RuntimeWarning,
            stacklevel=stacklevel,
        )
    return restored, info
