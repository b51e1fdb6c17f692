"""Many independent fits as one program: lanes in slots, over all devices of a process.

A lane is one picture with one seed; its step (`fit.step`) is written for itself alone. `Slots` is a
fixed number of places for lanes of one shape. A lane that has stopped gives up its place to the
next one, and lanes never talk to each other, so a lane's result does not depend on what it is
batched with.

Two forms of going on with the lanes of a device:

* "vmap": side by side, one `vmap`ped step for all. What an accelerator needs to be busy.
* "loop": one after another, each for all the steps of a chunk. On a CPU, which one lane keeps
  busy, that is as fast, holds the activations of a single lane in memory, and gives the same bits
  as a lane alone.

Devices are a mesh with one axis, and every device runs its own loop over its own lanes, by
`shard_map` without any communication.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from dip_jax.fit.fitting import Fit, make_steps
from dip_jax.fit.lane import Lane
from dip_jax.fit.state import RUNNING, STOPPED, LaneState, StepInfo
from dip_jax.forward.model import Measured, described
from dip_jax.forward.operators.operator import is_foreign
from dip_jax.lanes import programs

FORMS = ("auto", "vmap", "loop")
_AXIS = "lanes"


class Slots:
    """Places for lanes of one shape.

    Attributes:
        count: the number of places, a multiple of the number of devices.
    """

    def __init__(
        self,
        fit: Fit,
        lane: Lane,
        state: LaneState,
        *,
        per_device: int = 1,
        devices: Sequence[jax.Device] | None = None,
        length: int = 50,
        form: str = "auto",
    ) -> None:
        """Makes empty places.

        Args:
            fit: the fit of all lanes.
            lane: one of them, for the shapes.
            state: its state, likewise.
            per_device: places on each device.
            devices: by default all of this process.
            length: the largest number of steps of one `advance`.
            form: "vmap", "loop", or "auto": "loop" on a CPU, else "vmap".

        Raises:
            ValueError: if the form is unknown.
        """
        if form not in FORMS:
            raise ValueError(f"form is {form!r}, expected one of {', '.join(FORMS)}")
        devices = list(jax.local_devices() if devices is None else devices)
        going_on = _going_on(form, devices, per_device)
        self.count = per_device * len(devices)
        self._steps = np.zeros(self.count, np.int64)
        self._made = programs.shared(
            _key(going_on, fit, length, shape_of(lane), devices, per_device),
            lambda: _programs(going_on, fit, length, devices, self.count),
        )
        self._lanes: Lane = self._made.filled(lane)
        self._states: LaneState = self._made.filled(state._replace(status=jnp.int32(STOPPED)))

    def put(self, i: int, lane: Lane, state: LaneState) -> None:
        """Gives place `i` to a lane, whoever had it before."""
        self._steps[i] = int(state.step)
        self._lanes = self._made.put(self._lanes, lane, i)
        self._states = self._made.put(self._states, state, i)

    def get(self, i: int) -> LaneState:
        """The state of the lane in place `i`."""
        return self._made.get(self._states, i)

    def lane(self, i: int) -> Lane:
        """The lane in place `i`."""
        return self._made.get(self._lanes, i)

    def advance(self, until: np.ndarray) -> "Advance":
        """Goes on with every lane until its own step count reaches its `until`, or it stops.

        Side by side all lanes end as soon as one does. Nobody makes more than `length` steps.

        Args:
            until: `(count,)` integers; 0 for a place that is to rest.

        Returns:
            What has happened.
        """
        states, history = self._made.steps(self._states, self._lanes, jnp.asarray(until, jnp.int32))
        self._states = states
        steps, before = self._of_each(states.step).astype(np.int64), self._steps
        self._steps = steps
        return Advance(
            steps=steps,
            made=steps - before,
            running=self._of_each(states.status) == RUNNING,
            rollbacks=self._of_each(states.rollbacks),
            history=jax.tree.map(self._of_each, history),
        )

    def _of_each(self, a: Array) -> np.ndarray:
        """With an axis for the places, which the only one has not."""
        return np.asarray(a) if self.count > 1 else np.asarray(a)[None]


class Shape(NamedTuple):
    """What lanes of one program have in common.

    Attributes:
        size: the padded size.
        channels: of the picture.
        known: channels of what is known of it.
        blind: whether there is no clean image.
        measured: where an operator measured it, all that a program depends on of that; else "".
        foreign: whether the code of that operator, or of a prior, is not this package's.
    """

    size: tuple[int, int]
    channels: int
    known: int
    blind: bool
    measured: str = ""
    foreign: bool = False


def shape_of(lane: Lane) -> Shape:
    """The shape of a lane; with the settings of its fit it says those of its state too."""
    h, w, channels = lane.shape
    if isinstance(lane.forward, Measured):
        return shape_of_measured((h, w), lane.y, lane.fit, lane.forward, lane.true is None)
    return Shape((h, w), channels, lane.fit.shape[2], lane.true is None)


def shape_of_measured(
    size: tuple[int, int], y: Any, known: Any, forward: Measured, blind: bool
) -> Shape:
    """That of lanes to which an operator belongs."""
    text = described((y, known, forward))
    foreign = is_foreign(forward.operator)
    foreign |= forward.prior is not None and is_foreign(forward.prior)
    return Shape(size, forward.shape[2], 1, blind, text, foreign)


def expect(fit: Fit, length: int, form: str, shape: Shape) -> None:
    """Begins to load the program of the `Slots` that are soon made with the same arguments.

    It is most of what a second start waits for. Only that of the form "loop" on a single device,
    and of one place.
    """
    devices = jax.local_devices()
    alone = form == "loop" or (form == "auto" and devices[0].platform == "cpu")
    if len(devices) > 1 or not alone:
        return
    going_on = _one_after_another
    if not programs.is_shared(_key(going_on, fit, length, shape, devices, 1)):
        programs.expect(_label(going_on, fit, length))


def _going_on(form: str, devices: Sequence[jax.Device], per_device: int):
    if form == "auto":
        form = "loop" if devices[0].platform == "cpu" else "vmap"
    return _side_by_side if form == "vmap" and per_device > 1 else _one_after_another


def _label(going_on, fit: Fit, length: int) -> str:
    return f"{going_on.__name__} {length} {fit.label}" if fit.label else ""


def _key(going_on, fit: Fit, length: int, shape: Shape, devices, per_device: int) -> str:
    """Of all programs of some slots; "" if not known."""
    label, ids = _label(going_on, fit, length), [device.id for device in devices]
    return f"{label} {shape} {ids} {per_device}" if label else ""


class _Programs(NamedTuple):
    """The compiled functions of some slots.

    Attributes:
        filled: one lane, or state, into all places.
        put: one into a place.
        get: a copy of the one in a place, on the first device.
        steps: goes on with all.
    """

    filled: Callable
    put: Callable
    get: Callable
    steps: Callable


def _programs(going_on, fit: Fit, length: int, devices, count: int) -> _Programs:
    if count == 1:
        return _of_one_place(going_on, fit, length, devices[0])
    mesh = Mesh(np.array(devices), (_AXIS,))
    sharding = NamedSharding(mesh, PartitionSpec(_AXIS))
    options = programs.compiler_options(lasting=True)

    @functools.partial(jax.jit, out_shardings=sharding, compiler_options=options)
    def repeated(tree):
        return jax.tree.map(lambda a: jnp.broadcast_to(a[None], (count, *a.shape)), tree)

    @functools.partial(jax.jit, donate_argnums=0, out_shardings=sharding, compiler_options=options)
    def put(places, one, i):
        update = jax.lax.dynamic_update_index_in_dim
        return jax.tree.map(lambda a, b: update(a, b, i, 0), places, one)

    @functools.partial(jax.jit, compiler_options=options)
    def get(places, i):
        pick = jax.lax.dynamic_index_in_dim
        return jax.tree.map(lambda a: pick(a, i, 0, keepdims=False), places)

    def everywhere(one):
        # What comes from a checkpoint is bound to one device, and the places are on all of them.
        return jax.device_put(one, NamedSharding(mesh, PartitionSpec()))

    steps = _on_every_device(going_on(fit, length), mesh)
    return _Programs(
        filled=lambda one: repeated(everywhere(one)),
        put=lambda places, one, i: put(places, everywhere(one), jnp.int32(i)),
        get=lambda places, i: jax.device_put(get(places, jnp.int32(i)), devices[0]),
        steps=programs.kept(steps, _label(going_on, fit, length) if mesh.size == 1 else ""),
    )


def _of_one_place(going_on, fit: Fit, length: int, device: jax.Device) -> _Programs:
    """Of a lane that is alone, and needs no axis for the places: less to compile, or to load."""

    def copied(one):  # for the steps overwrite what they are given
        return jax.device_put(one, device, may_alias=False)

    only = make_steps(fit.step, length)
    options = programs.compiler_options(lasting=True)

    def steps(state, lane, until):
        return only(state, lane, until[0])

    return _Programs(
        filled=copied,
        put=lambda place, one, i: copied(one),
        get=lambda place, i: copied(place),
        steps=programs.kept(
            jax.jit(steps, donate_argnums=0, compiler_options=options),
            _label(going_on, fit, length),
        ),
    )


@dataclasses.dataclass(frozen=True)
class Advance:
    """What one `Slots.advance` did; arrays over the places.

    Attributes:
        steps: steps that each lane has made since its start.
        made: steps that it made now.
        running: whether it can go on.
        rollbacks: how often it has gone back since its start.
        history: a `StepInfo` of `(count, length)` arrays, whose first `made` entries are the steps
            made now.
    """

    steps: np.ndarray
    made: np.ndarray
    running: np.ndarray
    rollbacks: np.ndarray
    history: StepInfo


def _one_after_another(fit: Fit, length: int):
    steps = make_steps(fit.step, length)

    def going_on(states, lanes, until):
        if until.shape[0] == 1:  # one place on each device: no loop around the loop
            only = jax.tree.map(lambda a: a[0], (states, lanes, until))
            return jax.tree.map(lambda a: a[None], steps(*only))
        return jax.lax.map(lambda args: steps(*args), (states, lanes, until))

    return going_on


def _side_by_side(fit: Fit, length: int):
    step = jax.vmap(fit.step)

    def chosen(condition, new, old):
        def choose(a, b):
            return jnp.where(jnp.expand_dims(condition, range(1, a.ndim)), a, b)

        return jax.tree.map(choose, new, old)

    def going_on(states, lanes, until):
        nothing = jnp.full((until.shape[0], length), jnp.nan, jnp.float32)
        history = StepInfo(*[nothing] * len(StepInfo._fields))

        def active(states):
            return (states.status == RUNNING) & (states.step < until)

        at_start = active(states)

        def wanted(carry):
            i, states, _ = carry
            now = active(states)
            return (i < length) & jnp.any(now) & jnp.all(now == at_start)

        def one(carry):
            i, states, history = carry
            new, info = step(states, lanes)
            states = chosen(at_start, new, states)
            history = jax.tree.map(
                lambda h, v: h.at[:, i].set(jnp.where(at_start, v, jnp.nan)), history, info
            )
            return i + 1, states, history

        _, states, history = jax.lax.while_loop(wanted, one, (jnp.int32(0), states, history))
        return states, history

    return going_on


def _on_every_device(going_on, mesh: Mesh):
    spec = PartitionSpec(_AXIS)
    if mesh.size > 1:
        going_on = jax.shard_map(
            going_on, mesh=mesh, in_specs=(spec, spec, spec), out_specs=spec, check_vma=False
        )
    return jax.jit(
        going_on, donate_argnums=0, compiler_options=programs.compiler_options(lasting=True)
    )
