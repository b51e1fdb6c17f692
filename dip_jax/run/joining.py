"""Joining the processes of a job."""

from typing import Any

from dip_jax.errors import InputError
from dip_jax.run.processes import _SILENCE, ALONE, Jobmates, Processes


def join(
    how: str,
    coordinator: str = "",
    process_count: int = 0,
    process_id: int = -1,
    silence: float = _SILENCE,
) -> Processes:
    """Joins the processes of a job; must come before JAX is used for anything else.

    Args:
        how: "off", "auto" (Slurm, TPU pods, Kubernetes, Open MPI: JAX finds out by itself) or
            "manual".
        coordinator: with "manual", `host:port` of the first process.
        process_count: with "manual", how many there are.
        process_id: with "manual", which this is, from 0.
        silence: seconds without a sign of life after which a process is given up.

    Raises:
        InputError: if something is missing or wrong, or the others do not come.
    """
    given = bool(coordinator) or process_count > 0 or process_id >= 0
    if how != "manual" and given:
        raise InputError(
            f"--coordinator, --process_count and --process_id are for --distributed=manual, not "
            f"{how}: leave them out, or say --distributed=manual"
        )
    if how == "off":
        return ALONE
    arguments: dict[str, Any] = {}
    if how == "manual":
        _check(coordinator, process_count, process_id)
        arguments = {
            "coordinator_address": coordinator,
            "num_processes": process_count,
            "process_id": process_id,
        }
    import jax
    from jax._src import distributed

    # Whether a process is lost is for our own watch to say: JAX's goes by the clock, and aborts.
    jax.config.update("jax_enable_recoverability", True)
    try:
        jax.distributed.initialize(
            **arguments, heartbeat_timeout_seconds=3600, shutdown_timeout_seconds=20
        )
    except Exception as error:
        cause = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        advice = (
            "start all processes with the same --coordinator and --process_count"
            if how == "manual"
            else "auto is for Slurm, TPU pods, Kubernetes and Open MPI; elsewhere use manual"
        )
        raise InputError(f"the processes could not be joined ({cause}): {advice}") from error
    client = distributed.global_state.client
    return Jobmates(client, jax.process_index(), jax.process_count(), silence)


def _check(coordinator: str, process_count: int, process_id: int) -> None:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(
            f"--coordinator is {coordinator!r}, expected host:port of the first process, such as "
            "127.0.0.1:8476, with --distributed=manual"
        )
    if process_count < 1:
        raise InputError(
            "--process_count is missing or below 1: --distributed=manual needs the number of "
            "processes"
        )
    if not 0 <= process_id < process_count:
        raise InputError(
            f"--process_id is {process_id if process_id >= 0 else 'missing'}, expected a number "
            f"from 0 to {process_count - 1}, another one in every process"
        )
