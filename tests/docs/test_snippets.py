"""What the README and the documentation tell a person to type, typed: small pictures, two steps.

A block that installs something, or that follows a comment `<!-- not run: why -->`, is left out.
The commands and the Python are run whole; the experiments of `dip-jax run` up to their fit.
"""

import doctest
import re
import shlex

import numpy as np
import pytest
import tifffile
from checkout import ROOT
from PIL import Image
from tiers import thorough

from dip_jax import operators
from dip_jax.cli import configured
from dip_jax.cli.command import make_parser
from dip_jax.cli.many_files import restore_files
from dip_jax.run import inputs, listing
from dip_jax.settings import build, fields, tasks

PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "_build" not in path.parts
]
BLOCK = re.compile(r"^(<!-- not run: .* -->\n)?```(bash|python)\n(.*?)^```", re.M | re.S)
# One network for all tasks and few steps, so that they share compiled programs.
TINY = {
    "network.scales": 1,
    "network.down": 4,
    "network.up": 4,
    "network.skip": 4,
    "network.upsampling": "nearest",
    "input.kind": "noise",
    "input.depth": 4,
    "input.noise": 0.03,
    "schedule.kind": "constant",
    "average_share": 0.0,
    "stop.only_avg": False,
    "stop.patience": 100,
    "num_steps": 2,
    "log_every": 2,
    "refine": False,
}


def blocks(language):
    found = []
    for page in PAGES:
        for number, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8"))):
            not_run, of, text = match.groups()
            if of == language and not not_run and "pip install" not in text:
                name = f"{page.relative_to(ROOT)}-{number}"
                always = page.name in ("README.md", "getting-started.md")
                found.append(pytest.param(text, id=name, marks=() if always else thorough))
    return found


def commands():
    """Every command of the pages, once."""
    found = {}
    for block in blocks("bash"):
        text = block.values[0].replace("\\\n", " ")
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words:
                found.setdefault(tuple(words), block)
    return [
        pytest.param(words, id=f"{block.id}: {' '.join(words)}", marks=block.marks)
        for words, block in found.items()
    ]


def waves(h=40, w=36, c=3):
    x = 0.5 + 0.4 * np.sin(np.indices((h, w)).sum(axis=0) / 4)
    return np.repeat(np.rint(255 * x).astype(np.uint8)[..., None], c, axis=-1).squeeze()


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The files that the pages speak of, all of one size."""
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((40, 36), np.uint8)
    mask[10:15, 5:20] = 255
    for name in ("photos", "scans", "masks", "folder"):
        (tmp_path / name).mkdir()
    for name in ("photo", "noisy", "small", "sparse", "a", "scans/one", "photos/one", "folder/two"):
        Image.fromarray(waves()).save(f"{name}.png")
    for name in ("mask", "scratches", "hole", "missing", "masks/one"):
        Image.fromarray(mask).save(f"{name}.png")
    Image.fromarray(255 - mask).save("known.png")
    Image.fromarray(waves()).save("photo.jpg", quality=30)
    Image.fromarray(waves(5, 5, 1)).save("psf.tif")
    tifffile.imwrite("scan.tif", 16 * waves().astype(np.uint16), photometric="rgb")
    tifffile.imwrite("raw.tif", 16 * waves(c=1).astype(np.uint16))
    tifffile.imwrite("sinogram.tif", waves(36, 9, 1).astype(np.float32) / 8)
    whole = tasks.defaults

    def tiny(task, preset=""):
        return fields.override(whole(task, preset), TINY)

    monkeypatch.setattr(tasks, "defaults", tiny)
    return tmp_path


def experiment(words):
    """`dip-jax run`, up to its fit."""
    assert configured.flag_of(words), configured.wrong(words)
    task, _, preset = configured.flag_of(words).partition(".py:")[2].partition(":")
    texts = []
    for word in words[1:]:
        name, equals, value = word.removeprefix("--").partition("=")
        assert word.startswith("--") and equals
        if name.startswith("config."):
            texts.append(f"{name.removeprefix('config.')}={value}")
        else:
            assert f"--{name}=" in configured.help_text([]), name
    config = fields.override(tasks.defaults(task, preset), fields.parsed(texts))
    build.criterion(config)
    build.fit_settings(config)
    if listing.is_many(config["image"], config["page"]):
        one = "photos/one.png" if "photos" in config["image"] else "scans/one.png"
        config["image"], config["mask"] = one, config["mask"] and "masks/one.png"
    inputs.prepare(config)


@pytest.mark.slow
@pytest.mark.parametrize("words", commands())
def test_a_command_of_the_documentation_works(words, files):
    program, *rest = words
    assert program == "dip-jax", f"{program} is run by no test: say why not, before its block"
    if rest[0] == "run":
        experiment(rest[1:])
        return
    try:
        arguments = make_parser().parse_args(rest)
    except SystemExit as end:
        assert not end.code and rest[-1] == "--help"
        return
    arguments.steps, arguments.seeds = arguments.steps and 2, min(arguments.seeds, 2)
    assert restore_files(arguments) == 0


def test_the_examples_of_docstrings_work():
    failed, tried = doctest.testmod(operators)
    assert tried and not failed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # what waves are seen to be
@pytest.mark.parametrize("text", blocks("python"))
def test_the_python_of_the_documentation_works(text, files):
    exec(compile(text, "snippet", "exec"), {"__name__": "snippet"})
