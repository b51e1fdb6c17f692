"""The wheel, installed with no checkout beside it: all doors do their job."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from PIL import Image

BUILT = ("dip_jax", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")
TINY = {"network.scales": 1, "network.down": "(4,)", "network.up": "(4,)", "refine": False}


def ran(*words, cwd, **environment):
    process = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        | {"JAX_PLATFORMS": "cpu", "PIP_NO_INDEX": "1"}
        | environment,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout + process.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built of a copy, so that nothing is left in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in BUILT:
        here = ROOT / name
        copy = shutil.copytree if here.is_dir() else shutil.copy
        copy(here, source / name, **({"ignore": ignore} if here.is_dir() else {}))
    ran(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", out, source, cwd=out)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment of its own, which sees the packages of this one, and not the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    ran(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    python = folder / "bin" / "python"
    ran(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", wheel, cwd=folder)
    # A line of a .pth file is a folder to look in; the .pth files in there are not read, so that
    # the checkout, which is installed by one of them, is not seen.
    others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "others.pth").write_text("\n".join(others) + "\n")
    return folder / "bin"


@pytest.mark.slow
def test_twine_finds_nothing_wrong(wheel):
    said = ran(sys.executable, "-m", "twine", "check", "--strict", wheel, cwd=wheel.parent)
    assert "PASSED" in said


@pytest.mark.thorough
@pytest.mark.slow
def test_all_doors_work_outside_of_the_checkout(environment, tmp_path):
    x = np.rint(127 + 100 * np.sin(np.indices((40, 36)).sum(axis=0) / 4)).astype(np.uint8)
    Image.fromarray(np.stack([x] * 3, axis=-1)).save(tmp_path / "photo.png")
    script = f"""
import dip_jax
from PIL import Image
from dip_jax import operators
assert callable(operators.blur)
given = Image.open("photo.png")
options = {TINY!r} | {{"network.down": 4, "network.up": 4}}
restored = dip_jax.denoise(given, num_steps=2, options=options)
assert restored.shape == (40, 36, 3)
from starlette.requests import Request
from dip_jax.studio.app import _PAGE, Studio, _page
for name in _PAGE:
    assert _page(Request({{"type": "http", "path_params": {{"name": name}}}})).body
Studio().desk.close()
print(dip_jax.__file__)
"""
    said = ran(environment / "python", "-W", "ignore", "-c", script, cwd=tmp_path)
    assert Path(said.strip().splitlines()[-1]).is_relative_to(environment.parent)

    settings = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    words = ["denoise", "photo.png", "-o", "restored.png", "--steps", "2", *settings]
    ran(environment / "dip-jax", *words, cwd=tmp_path)
    with Image.open(tmp_path / "restored.png") as restored:
        assert restored.size == (36, 40)

    settings = [f"--config.{name}={value}" for name, value in TINY.items()]
    words = ["run", "hole_fill:quick", "--workdir=run", "--config.sample.side=40"]
    said = ran(environment / "dip-jax", *words, "--config.num_steps=2", *settings, cwd=tmp_path)
    assert "finished: 2 steps" in said
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "dip-jax run hole_fill:quick" in re.sub(r"</?span>", "", report)
