"""A tiny fit of each task through all three doors gives the same bits as before the move.

The hashes in `data/same_results.json` were made at commit 6fdacd9, before the first file moved, on
one machine; elsewhere sums are rounded otherwise, and the test is skipped. It serves as long as
nothing is meant to change a result. `python tests/test_same_results.py --write` makes them anew.
"""

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).resolve().parent
STORED = HERE / "data" / "same_results.json"
TASKS = {
    "denoise": "denoise",
    "text_inpaint": "inpaint",
    "hole_fill": "fill-hole",
    "reconstruct": "reconstruct",
}
TINY = {"network.scales": 2, "network.down": "(4,)", "network.up": "(4,)", "log_every": 5}
STEPS = 12
FLAGS = "--xla_llvm_disable_expensive_passes=true"  # as when the hashes were made

# From Python, in a process of its own, as a person's: this session's strict settings apart.
_PYTHON = """
import sys
import numpy as np
from PIL import Image
import dip_jax

task, image, mask, out = sys.argv[1:]
options = {"network.scales": 2, "network.down": (4,), "network.up": (4,), "log_every": 5}
given = [np.asarray(Image.open(image))]
if task != "denoise":
    given.append(np.asarray(Image.open(mask)) > 127)
for name, seeds in (("one", 1), ("two", 2)):
    restored, info = getattr(dip_jax, task)(
        *given, num_steps=12, seeds=seeds, options=options, return_info=True
    )
    np.savez(f"{out}-{name}.npz", restored=restored, x=np.stack([r.x for r in info.results]))
"""


def machine():
    """By what a result's last bits may differ."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = {line for line in lines if line.startswith(("model name", "flags"))}
    packages = ("jax", "jaxlib", "numpy", "scipy", "scikit-image", "pillow")
    versions = [importlib.metadata.version(package) for package in packages]
    text = repr((sorted(models), os.cpu_count(), versions, FLAGS))
    return hashlib.sha256(text.encode()).hexdigest()


def sample(folder):
    from skimage.data import chelsea

    rng = np.random.default_rng(0)
    picture = chelsea()[60:120, 100:148].astype(float) + rng.normal(0, 20, (60, 48, 3))
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(folder / "photo.png")
    mask = np.zeros((60, 48), np.uint8)
    mask[20:34, 15:30] = 255
    mask[rng.random((60, 48)) < 0.1] = 255
    Image.fromarray(mask).save(folder / "mask.png")


def digest(array):
    array = np.ascontiguousarray(array)
    return hashlib.sha256(
        repr((array.shape, str(array.dtype))).encode() + array.tobytes()
    ).hexdigest()


def keys_of(value):
    """The names in a JSON object, as deep as they go."""
    if isinstance(value, dict):
        return {name: keys_of(inside) for name, inside in sorted(value.items())}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [keys_of(value[0])]
    return None


def run(folder, *command):
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True,
        env=os.environ
        | {"XLA_FLAGS": FLAGS, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(HERE.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def by_python(task, folder):
    name = TASKS[task].replace("-", "_")
    run(folder, "-c", _PYTHON, name, "photo.png", "mask.png", "python")
    found = {}
    for seeds in ("one", "two"):
        with np.load(folder / f"python-{seeds}.npz") as archive:
            found |= {f"{name} {seeds}": digest(archive[name]) for name in archive.files}
    return found


def by_command(task, folder):
    settings = [f"--set={name}={value}" for name, value in TINY.items()]
    common = ["-m", "dip_jax", TASKS[task], "photo.png", f"--steps={STEPS}", *settings]
    common += [] if task == "denoise" else ["--mask=mask.png"]
    run(folder, *common, "-o", "plain.png")
    run(folder, *common, "-o", "reported.png", "--report", "report")
    summary = json.loads((folder / "report" / "summary.json").read_text())
    return {
        "plain": digest(pixels(folder / "plain.png")),
        "reported": digest(pixels(folder / "reported.png")),
        "summary": keys_of(summary),
    }


def by_configuration(task, folder):
    settings = [f"--config.{name}={value}" for name, value in TINY.items()]
    run(
        folder, "-m", "dip_jax.main", f"--config={HERE.parent}/configs/{task}.py",
        f"--config.num_steps={STEPS}", "--config.sample.side=48", "--config.seeds=2",
        "--workdir=work", *settings,
    )  # fmt: skip
    summary = json.loads((folder / "work" / "summary.json").read_text())
    with np.load(folder / "work" / "seeds" / "1" / "result.npz") as archive:
        x = digest(archive["x"])
    names = sorted(str(p.relative_to(folder / "work")) for p in (folder / "work").rglob("*.*"))
    return {
        "restored": digest(pixels(folder / "work" / "restored.png")),
        "uncertainty": digest(pixels(folder / "work" / "uncertainty.png")),
        "comparison": digest(pixels(folder / "work" / "comparison.png")),
        "x": x,
        "metrics": summary["metrics"],
        "summary": keys_of(summary),
        "files": [name for name in names if "checkpoints" not in name],
    }


DOORS = {"python": by_python, "command": by_command, "configuration": by_configuration}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("door", DOORS)
def test_a_tiny_fit_is_the_same_bit_for_bit(door, task, tmp_path):
    stored = json.loads(STORED.read_text())
    if stored["machine"] != machine():
        pytest.skip("the hashes are another machine's")
    sample(tmp_path)
    assert DOORS[door](task, tmp_path) == stored["results"][f"{door} {task}"]


def write():
    results = {}
    for door, of in DOORS.items():
        for task in TASKS:
            with tempfile.TemporaryDirectory() as folder:
                sample(Path(folder))
                results[f"{door} {task}"] = of(task, Path(folder))
    text = json.dumps({"machine": machine(), "results": results}, indent=1, sort_keys=True)
    STORED.write_text(text + "\n")


if __name__ == "__main__" and "--write" in sys.argv:
    write()
