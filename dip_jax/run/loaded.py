"""A picture of a run, loaded: what is read of it, and what is made of that for all its seeds."""

import dataclasses

import jax
import numpy as np

from dip_jax.forward.observation import Observation, observe
from dip_jax.lanes.jobs import check_size, fingerprint
from dip_jax.report.experiment import announced
from dip_jax.run.inputs import Given, Job, prepare
from dip_jax.settings import build, estimates
from dip_jax.settings.tasks import Config, task_of


@dataclasses.dataclass(frozen=True, eq=False)
class Loaded:
    """A picture that can be fitted.

    Attributes:
        job: what is read.
        observation: of it, in arrays of NumPy: on a device only the lanes in their places are to
            be.
        mark: its fingerprint, by which a work directory is known to be of this picture.
        not_finite: how many of its values are NaN or infinite, and so unknown.
    """

    job: Job
    observation: Observation
    mark: str
    not_finite: int

    def remarks(self, config: Config) -> list[str]:
        """What a person should know before the fit starts.

        Raises:
            InputError: if the memory is too small for it.
        """
        job = self.job
        h, w, c = job.y.shape
        lines = []
        if job.damaged_here and config["image"]:
            lines.append(announced(config["degrade"], job.name, task_of(config).fills))
        lines.append(f"{config['task']}: {job.name}, {w} x {h} pixels, {c} channel{'s' * (c > 1)}")
        lines += job.remarks
        if job.fill is not None:
            lines.append(f"the mask fills {100 * job.fill.mean():.1f}% of the picture")
        if self.not_finite:
            lines.append(f"{self.not_finite} values are NaN or infinite: taken as unknown")
        memory = estimates.check_memory(config, self.observation, job.clean)
        return lines + estimates.advice(config, self.observation, memory=memory)


def load(config: Config, given: Given | None = None) -> Loaded:
    """Reads the picture that a configuration names.

    Args:
        config: as `tasks.defaults` gives it.
        given: what of it has been read.

    Raises:
        InputError: if it cannot be used, or the configuration cannot.
    """
    settings = build.fit_settings(config)
    job = prepare(config, given)
    h, w, _ = job.y.shape
    check_size(h, w, settings)
    on_device, not_finite = observe(job.y, job.fill)
    observation = jax.tree.map(np.asarray, on_device)
    return Loaded(job, observation, fingerprint(observation, job.clean), not_finite)
