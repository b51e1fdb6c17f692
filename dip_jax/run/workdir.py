"""The work directory of a run: is it this run's, and has an earlier session finished it."""

import json
from pathlib import Path
from typing import Any

from dip_jax.errors import WORKDIR, InputError, Part, field
from dip_jax.files import is_temporary
from dip_jax.report import records
from dip_jax.settings.tasks import Config


def check_workdir(folder: Path, config: Config) -> bool:
    """Refuses a folder with anything but this run in it; says whether the run has begun."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise InputError(
            f"the work directory {folder} is a file, expected a folder: choose another"
        )
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"the work directory {folder} cannot be read ({error.strerror}): choose another"
        ) from error
    inside = {entry.name for entry in entries if not is_temporary(entry)}
    if not inside:
        return False
    if "config.json" not in inside:
        raise InputError(
            f"the work directory {folder} holds other files ({', '.join(sorted(inside)[:3])}), "
            "expected a new or an empty folder: choose another with ",
            WORKDIR,
        )
    try:
        before = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'config.json'} cannot be read ({error})") from error
    if not isinstance(before, dict):
        raise InputError(f"{folder / 'config.json'} holds no configuration: choose another folder")
    changes = _differences(before, records.plain(config))
    if changes:
        raise InputError(
            f"the work directory {folder} holds another run: ",
            *changes[0],
            *(part for change in changes[1:] for part in ("; ", *change)),
            ". Choose another with ",
            WORKDIR,
            ", or give the same as then to go on with that run",
        )
    return True


def as_begun(folder: Path, config: Config) -> Config:
    """The configuration, as an earlier version began the run in a folder, if one did.

    Before there were parts, pictures were fitted as a whole; before there were `refined_steps`,
    all made `num_steps`; before there was `refine_alone`, drafts were fits too; before there was
    `optimiser`, it was Adam.
    """
    try:
        before = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return config
    if not isinstance(before, dict):
        return config
    if "refined_steps" not in before:
        config = {**config, "refined_steps": 0}
    if "optimiser" not in before:
        config = {**config, "optimiser": "adam"}
    if "refine_alone" not in before and config["preset"] == "draft":
        config = {**config, "refine_alone": False}
    parts = before.get("parts")
    if isinstance(parts, dict) and "continue_smooth" not in parts:
        config = {**config, "parts": {**config["parts"], "continue_smooth": False}}
    if parts is not None or config["parts"]["kind"] != "auto":
        return config
    return {**config, "parts": {**config["parts"], "kind": "whole"}}


def ended_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a run that has ended as it should, of whatever picture; or None.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'summary.json'} cannot be read ({error})") from error
    if not isinstance(summary, dict) or summary.get("stop_reason") in (None, "interrupted"):
        return None
    return None if summary.get("failed") else summary


def finished_summary(folder: Path, mark: str) -> dict[str, Any] | None:
    """The summary of a run that has ended as it should, or None; see `lanes.jobs.fingerprint`.

    Raises:
        InputError: if that was a run with another picture.
    """
    summary = ended_summary(folder)
    if summary is None:
        return None
    if summary.get("fingerprint") != mark:
        raise InputError(
            f"the work directory {folder} holds the finished run of another picture or mask under "
            "the same name: choose another with ",
            WORKDIR,
        )
    return summary


# What only says how the lanes are worked off, and has no say in what comes out.
_NO_MATTER = ("config.lanes",)
# What earlier versions did not have, and what they did.
_SINCE = {
    "config.refined_steps": 0,
    "config.refine_alone": False,
    "config.optimiser": "adam",
    "config.network.kind": "hourglass",
    "config.heldout.kind": "squares",
    "config.parts.memory": 0.0,
    "config.parts.continue_smooth": False,
    "config.adapt.clipping": False,
}


def _differences(before: Any, now: Any, path: str = "config") -> list[tuple[Part, ...]]:
    if path == "config.parts" and before is None and now["kind"] == "whole":
        return []
    if path in _NO_MATTER or (before is None and now == _SINCE.get(path)):
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted(before.keys() | now.keys())
        return [
            line
            for name in names
            for line in _differences(before.get(name), now.get(name), f"{path}.{name}")
        ]
    if before == now:
        return []
    return [(field(path.removeprefix("config.")), f" was {before!r}, is {now!r}")]


def make_workdir(folder: Path, config: Config) -> None:
    """Makes the folder of a run, with its configuration, which marks it; as it was begun, it stays.

    Raises:
        InputError: if it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "config.json").exists():
            records.write_json(folder / "config.json", config)
    except OSError as error:
        raise InputError(
            f"the work directory {folder} cannot be written ({error.strerror}): choose "
            "another with ",
            WORKDIR,
        ) from error
