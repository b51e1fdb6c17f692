"""A picture of a run, loaded: what is read of it, and what is made of that for all its seeds."""

import dataclasses
import functools

import jax
import numpy as np

from dip_jax.forward.observation import Observation
from dip_jax.lanes.jobs import check_size, fingerprint
from dip_jax.pictures.marks import about_share
from dip_jax.pictures.picture import Picture
from dip_jax.prepare.measured import measured_of
from dip_jax.prepare.measuring import like
from dip_jax.prepare.prepared import Prepared
from dip_jax.prepare.prepared import prepare as prepared_of
from dip_jax.report.experiment import announced
from dip_jax.run.inputs import Given, Job, prepare
from dip_jax.settings import build, estimates, without_network
from dip_jax.settings.adapting import adapting
from dip_jax.settings.tasks import Config, task_of


@dataclasses.dataclass(frozen=True, eq=False)
class Loaded:
    """A picture that can be fitted.

    Attributes:
        job: what is read.
        prepared: what of it is fitted, in arrays of NumPy: on a device only the lanes in their
            places are to be.
        clean: the clean picture on the scale on which it is fitted, or None.
        mark: its fingerprint, by which a work directory is known to be of this picture.
    """

    job: Job
    prepared: Prepared
    clean: np.ndarray | None
    mark: str

    @property
    def observation(self) -> Observation:
        """What is known of the picture, on the scale on which it is fitted."""
        return self.prepared.observation

    @functools.cached_property
    def like(self) -> Picture:
        """What goes into the file of the restored picture beside its pixels."""
        found = self.job.measuring
        return self.job.degraded if found is None else like(self.job.degraded, found)

    def remarks(self, config: Config) -> list[str]:
        """What a person should know before the fit starts.

        Raises:
            InputError: if the memory is too small for it.
        """
        job = self.job
        lines = [*introduced(config, job), *self.prepared.remarks]
        memory = estimates.check_memory(config, self.observation, job.clean)
        stripes = self.prepared.striped
        lines += estimates.advice(config, self.observation, memory=memory, stripes=stripes)
        return lines + without_network.advice(config, self.prepared)


def introduced(config: Config, job: Job) -> list[str]:
    """What is restored, and how it has been taken, in lines."""
    h, w, c = job.shape
    lines = []
    if job.damaged_here and config["image"]:
        lines.append(announced(config["degrade"], job.name, task_of(config).fills))
    lines.append(f"{config['task']}: {job.name}, {w} x {h} pixels, {c} channel{'s' * (c > 1)}")
    lines += job.remarks
    if job.fill is not None:
        lines.append(about_share(job.fill))
    return lines


def load(config: Config, given: Given | None = None, job: Job | None = None) -> Loaded:
    """Reads the picture that a configuration names.

    Args:
        config: as `tasks.defaults` gives it.
        given: what of it has been read.
        job: all of it, where it has been read and damaged.

    Raises:
        InputError: if it cannot be used, or the configuration cannot.
    """
    settings = build.fit_settings(config)
    job = prepare(config, given) if job is None else job
    found = job.measuring
    h, w, _ = job.shape if found is None else found.shape
    check_size(h, w, settings)
    if found is None:
        prepared = prepared_of(job.y, job.fill, job.degraded.layout, adapting(config))
    else:
        prepared = measured_of(job.y, found)
    observation = jax.tree.map(np.asarray, prepared.observation)
    prepared = dataclasses.replace(prepared, observation=observation)
    clean = prepared.of_clean(job.clean)
    return Loaded(job, prepared, clean, fingerprint(observation, clean))
