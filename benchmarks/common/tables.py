"""What every benchmark's report needs: rows of Markdown, the machine, and results that are kept."""

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from dip_jax.files import write_bytes
from dip_jax.report.records import write_json

RESULTS = Path(__file__).parents[1] / "results"


def row(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [row(names), row(["---"] * len(names)), *(row(cells) for cells in rows)]


def kept(folder: Path, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of that name, from its file if it is there."""
    path = _place(folder, name)
    if not path.exists():
        print(f"{name} ...", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, make())
    return json.loads(path.read_text())


def is_kept(folder: Path, name: str) -> bool:
    """Whether there is a result of that name."""
    return _place(folder, name).exists()


def _place(folder: Path, name: str) -> Path:
    return folder / f"{name.replace('/', '-').replace(' ', '-')}.json"


def header(args: argparse.Namespace) -> list[str]:
    """What the fits of a benchmark ran on; `args.side` is the pictures' longer side."""
    import jax

    cores = len(os.sched_getaffinity(0))
    return [
        f"Pictures reduced to {args.side} pixels on the longer side; default settings of each task "
        f"but for the number of steps. {jax.devices()[0].device_kind}, {cores} cores, "
        f"{platform.system()}, Python {platform.python_version()}, jax {jax.__version__}.",
        "",
    ]


def write_report(name: str, text: str) -> Path:
    """Writes a report among the results and gives its path."""
    RESULTS.mkdir(exist_ok=True)
    write_bytes(RESULTS / name, text.encode())
    return RESULTS / name


def machine() -> dict[str, Any]:
    """The processor, its cores that this process may use, the memory, and the system."""
    cpu = platform.processor() or platform.machine()
    info, memory = Path("/proc/cpuinfo"), None
    if info.exists():
        models = [
            line.split(":", 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = models[0] if models else cpu
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": memory,
        "system": f"{platform.system()} {platform.release()}",
    }


def versions(*more: str) -> dict[str, str]:
    """The versions of what is measured, as installed, and the commit of this repository.

    Args:
        more: packages besides those that every benchmark names.
    """
    found = {"python": platform.python_version()}
    for package in ("jax", "jaxlib", "flax", "optax", "torch", *more):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found | {"commit": commit()}


def measured_with() -> str:
    """The machine and the versions, as a line of a report."""
    here = machine()
    about = ", ".join(f"{name} {version}" for name, version in versions().items())
    return (
        f"{here['cpu']}, {here['cores']} cores, {here['memory_gb']} GB, {here['system']}; {about}."
    )


def commit() -> str:
    """The commit that is checked out, with a `+` where files differ from it."""

    def git(*words: str) -> str:
        where = Path(__file__).parents[1]
        return subprocess.run(
            ["git", *words], cwd=where, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!results")
        return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
