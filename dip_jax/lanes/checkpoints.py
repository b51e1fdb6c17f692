"""Checkpoints of a run, by Orbax: the latest state to resume from, and the best one.

A checkpoint holds three items: `state`, the whole `LaneState` that a run resumes from; `best`, the
best image so far with the weights that gave it; and `record`, a small JSON object of the caller's.
The weights are the tree that the network makes: states come and go as of `vectors.as_trees`.
All three become visible together or not at all, so a process that is killed while it writes leaves
the previous checkpoint as the latest one.
"""

import asyncio
import functools
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint._src.serialization import tensorstore_utils as ts_utils
from orbax.checkpoint.type_handlers import NumpyHandler, SaveArgs, register_type_handler

from dip_jax.errors import WORKDIR, InputError
from dip_jax.fit.state import LaneState
from dip_jax.lanes.memory import memory_exhausted

_ITEMS = ("state", "best", "record")


class Checkpoints:
    """The checkpoints of one run, in a folder of their own; the last two are kept.

    Attributes:
        passed_over: the steps of damaged checkpoints that `restore` has removed, because an
            earlier one could be read.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.passed_over: list[int] = []
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise InputError(f"{folder} is a file, expected a folder of checkpoints: move it away")
        os.makedirs(folder, exist_ok=True)
        alone: dict[str, Any] = {}
        if jax.process_count() > 1:
            _write_in_every_process()
            me = jax.process_index()
            alone["multiprocessing_options"] = ocp.options.MultiprocessingOptions(
                primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
            )
        self._manager = ocp.CheckpointManager(
            epath.Path(os.path.abspath(folder)),
            item_names=_ITEMS,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=ocp.checkpoint_managers.LatestN(2),
                enable_async_checkpointing=False,
                cleanup_tmp_directories=True,
                create=False,
                **alone,
            ),
        )

    def latest_step(self) -> int | None:
        """The number of steps made in the latest checkpoint; None if there is none."""
        return self._manager.latest_step()

    def save(self, state: LaneState, record: Mapping[str, Any]) -> None:
        """Writes a checkpoint, unless there is one of the same step; returns when it is on disk."""
        step = int(state.step)
        if step == self.latest_step():
            return
        plain = _in_memory(state)
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(plain._asdict()),
                best=ocp.args.StandardSave(plain.best._asdict()),
                record=ocp.args.JsonSave(dict(record)),
            ),
        )
        self._manager.wait_until_finished()

    def restore(self, like: LaneState) -> tuple[LaneState, dict[str, Any]]:
        """Reads the latest checkpoint that can be read; see `passed_over`.

        Args:
            like: a state of the same structure; its values are not used.

        Returns:
            The state, of NumPy arrays, and the caller's JSON object.

        Raises:
            InputError: if none can be read.
        """
        damaged: list[int] = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                found = self._read(step, like)
            except Exception as error:  # whatever a damaged file makes Orbax raise
                if memory_exhausted(error):
                    raise
                damaged.append(step)
                continue
            for later in damaged:  # so that this step can be written again
                self._manager.delete(later)
            self.passed_over += damaged
            return found
        raise InputError(
            f"no checkpoint in {self._manager.directory} can be read: remove that folder to start "
            "the run again from its first step, or choose another with ",
            WORKDIR,
        )

    def _read(self, step: int, like: LaneState) -> tuple[LaneState, dict[str, Any]]:
        template = _in_memory(like)
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(template._asdict()),
                record=ocp.args.JsonRestore(),
            ),
        )
        state = LaneState(**restored["state"])
        key = jax.random.wrap_key_data(state.key, impl=jax.random.key_impl(like.key))
        return state._replace(key=key), restored["record"]

    def close(self) -> None:
        """Waits for what is being written, and lets go of the folder."""
        self._manager.close()


def _in_memory(state: LaneState) -> LaneState:
    """The state as NumPy arrays, whose form on disk is the same on all devices."""
    plain = state._replace(key=jax.random.key_data(state.key))
    return jax.tree.map(np.asarray, plain)


class _EveryProcess(NumpyHandler):
    """Writes the arrays of this process; Orbax takes them for the same in all, and writes once."""

    async def _background_serialize(self, values, infos, args=None):
        args = args or [SaveArgs()] * len(values)
        writing = []
        for value, info, arg in zip(values, infos, args, strict=True):
            await info.await_path_creation()
            spec = ts_utils.build_array_write_spec(
                info=info,
                arg=arg,
                global_shape=value.shape,
                local_shape=value.shape,
                dtype=value.dtype,
                use_ocdbt=info.is_ocdbt_checkpoint,
                process_index=jax.process_index(),
                metadata_key=self._metadata_key,
            )
            writing.append(self._open_and_write(value, spec.json, info.ts_context))
        await asyncio.gather(*writing)


@functools.cache
def _write_in_every_process() -> None:
    register_type_handler(np.ndarray, _EveryProcess(), override=True)
