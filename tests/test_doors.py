"""At each of the three doors a message speaks of what a person can say there, and of nothing else.

The words of a door are those of its help, its flags and its signatures; those of the other doors
must not be heard there.
"""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import dip_jax
from dip_jax.cli.command import make_parser
from dip_jax.cli.many_files import restore_files
from dip_jax.errors import InputError
from dip_jax.report.progress import PlainProgress
from dip_jax.run.start import start
from dip_jax.settings import estimates, fields, tasks

GREY = np.linspace(0, 255, 40 * 36).reshape(40, 36).astype(np.uint8)
RGB = np.stack([GREY] * 3, axis=-1)
OF_OTHERS = {
    "command": r"config\.|--config|--workdir|channel_axis|data_range|num_steps|\brng\b|options=",
    "configuration": r"channel_axis|\brng\b|--set|--steps|--data-range|--report|options=",
    "python": r"config\.|--|\bseed is|work directory|stop\.criterion",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(GREY).save("grey.png")
    Image.fromarray(RGB).save("rgb.png")
    Image.fromarray(RGB[:, :1]).save("thin.png")
    Image.fromarray(RGB[:1]).save("low.png")
    tifffile.imwrite("int32.tif", GREY.astype(np.int32))
    tifffile.imwrite("float.tif", GREY.astype(np.float32))
    return tmp_path


# What is given, by the names of fields; the words that must be heard at the command, in a
# configuration, and in Python: None where it cannot be given so.
CASES = {
    "one pixel wide": (
        {"image": "thin.png"},
        ("1 x 40 pixels", "--set network.scales"),
        ("1 x 40 pixels", "config.network.scales"),
        None,
    ),
    "one pixel high": (
        {"image": "low.png"},
        ("36 x 1 pixels",),
        ("36 x 1 pixels",),
        ("channel_axis",),
    ),
    "no more on a side than channels": (
        {"image": "thin.png", "network.scales": 1, "network.down": 4, "network.up": 4},
        ("1 x 40 pixels",),
        ("1 x 40 pixels",),
        None,
    ),
    "no steps": ({"num_steps": 0}, ("--steps is 0",), ("config.num_steps is 0",), ("num_steps",)),
    "no seeds": ({"seeds": 0}, ("--seeds is 0",), ("config.seeds is 0",), ("seeds is 0",)),
    "negative seed": ({"seed": -1}, ("--seed is -1",), ("config.seed is -1",), ("rng is -1",)),
    "rate": (
        {"learning_rate": -1.0},
        ("--set learning_rate is -1.0",),
        ("config.learning_rate is -1.0",),
        ("learning_rate is -1.0",),
    ),
    "entries": (
        {"network.down": (8,) * 6},
        ("--set network.down has 6", "--set network.scales"),
        ("config.network.down has 6",),
        ("network.down has 6",),
    ),
    "heldout of nothing": (
        {"heldout.share": 0.0},
        ("--criterion is 'heldout'", "--set heldout.share is 0"),
        ("config.stop.criterion is 'heldout'",),
        ("criterion is 'heldout'",),
    ),
    "the oracle": (
        {"stop.criterion": "oracle"},
        None,  # not among the choices
        ("config.clean",),
        ("criterion is 'oracle'",),
    ),
    "a number in words": (
        {"average": "long"},
        ("--set average is 'long'",),
        None,  # refused with the flags
        ("average is 'long'",),
    ),
    "a misspelt name": (
        {"num_step": 5},
        ("--set num_step: there is no", "mean --steps?"),
        None,
        ("num_step: there is no", "mean num_steps?"),
    ),
    "integers of no range": (
        {"image": "int32.tif"},
        ("give --data-range",),
        ("give config.data_range",),
        ("give data_range",),
    ),
    "floats up to 255": (
        {"image": "float.tif"},
        ("give --data-range",),
        ("give config.data_range",),
        ("give data_range",),
    ),
    "too narrow a range": (
        {"image": "float.tif", "data_range": (0.0, 9.0)},
        ("widen --data-range",),
        ("widen config.data_range",),
        ("widen data_range",),
    ),
    "range upside down": (
        {"data_range": (9.0, 3.0)},
        ("--data-range is (9",),
        ("config.data_range is (9",),
        ("data_range is (9",),
    ),
    "little memory": (
        {},
        ("say --set network.down=", " and --set network.up="),
        ('say --config.network.down="(', ' and --config.network.up="('),
        ("say options={'network.down': (",),
    ),
}


def at_the_command(given, capsys):
    words = ["denoise", given.get("image", "grey.png")]
    flags = {"num_steps": "--steps", "seeds": "--seeds", "seed": "--seed"}
    for name, value in given.items():
        if name in flags:
            words += [flags[name], str(value)]
        elif name == "data_range":
            words += ["--data-range", *map(str, value)]
        elif name != "image":
            words += ["--set", f"{name}={value}"]
    assert restore_files(make_parser().parse_args(words)) == 2
    return capsys.readouterr().err


def in_a_configuration(given, capsys):
    own = {"image": "grey.png", "degrade": "none"}
    config = fields.override(tasks.defaults("denoise"), own | given)
    with pytest.raises(InputError) as caught:
        start(config, "work", PlainProgress("test"))
    return str(caught.value)


def in_python(given, capsys):
    given = dict(given)
    path = given.pop("image", "grey.png")
    image = tifffile.imread(path) if path.endswith(".tif") else np.asarray(Image.open(path))
    names = {"num_steps": "num_steps", "seeds": "seeds", "seed": "rng", "data_range": "data_range"}
    names["stop.criterion"] = "criterion"
    arguments = {names[name]: given.pop(name) for name in list(given) if name in names}
    with pytest.raises(InputError) as caught:
        dip_jax.denoise(image, options=given, **arguments)
    return str(caught.value)


DOORS = {"command": at_the_command, "configuration": in_a_configuration, "python": in_python}


@pytest.mark.parametrize(
    ("case", "door"),
    [
        (case, door)
        for case, (_, *words) in CASES.items()
        for door, told in zip(DOORS, words, strict=True)
        if told is not None
    ],
)
def test_a_door_speaks_its_own_words(case, door, folder, capsys, monkeypatch):
    given, *words = CASES[case]
    if case == "little memory":
        monkeypatch.setattr(estimates, "device_bytes", lambda device: 0.612e9)
    said = DOORS[door](given, capsys)
    for word in words[list(DOORS).index(door)]:
        assert word in said
    if "channel_axis" not in words[list(DOORS).index(door)]:
        assert not re.search(OF_OTHERS[door], said), said
    assert said.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "seed=3"), "as --seed"),
        (("--set", "keep_known=False"), "as --no-keep-known"),
        (("--set", "data_range=(0,1)"), "as --data-range"),
        (("--set", "preset=draft"), "as --draft"),
        (("--set", "degrade=noise"), "python -m dip_jax.main"),
        (("--set", "num_steps=3", "--steps", "4"), "--steps is 4"),
    ],
)
def test_what_has_an_option_of_its_own_is_not_set_among_the_others(words, said, folder, capsys):
    assert restore_files(make_parser().parse_args(["denoise", "grey.png", *words])) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say TASK (denoise, inpaint"),
        (("grey.png",), "TASK comes before the picture"),
        (("denose", "grey.png"), "did you mean denoise?"),
        (("hole_fill", "grey.png"), "did you mean fill-hole?"),
        (("--steps", "5", "denoise", "grey.png"), "comes first, before --steps"),
        (("denoise", "grey.png", "--step", "5"), "did you mean --steps?"),
        (("denoise", "grey.png", "--mask", "m.png"), "it is for inpaint, fill-hole, reconstruct"),
        (("denoise", "grey.png", "--seeds", "two"), "'two' is no whole number"),
        (("denoise", "grey.png", "out.png"), "say --output out.png"),
        (("denoise", "none/photo.png"), "'none/photo.png' cannot be read"),
        (("denoise", "grey.png", "-o", "out"), "for a folder say 'out/'"),
        (("denoise", "grey.png", "-o", ""), "--output is empty"),
    ],
)
def test_what_a_newcomer_types_wrong_is_told_with_what_was_meant(words, said, folder, capsys):
    try:
        assert restore_files(make_parser().parse_args(words)) == 2
    except SystemExit as exit:
        assert exit.code == 2
    err = capsys.readouterr().err
    assert err.startswith("dip-jax: ") and err.count("\n") == 1 and said in err


def test_true_and_false_may_be_written_as_in_other_languages():
    assert fields.parsed(["refine=false", "remat= TRUE"]) == {"refine": False, "remat": True}


def test_pictures_may_stand_on_both_sides_of_an_option():
    given = make_parser().parse_args(["denoise", "a.png", "--steps", "5", "b.png"])
    assert given.images == ["a.png", "b.png"]


# Behind all doors a message names what a person gives by `field` and `setting` alone. These know
# their door: the command, the flags of processes, the arrays of Python, the texts of `--set`.
KNOW_THEIR_DOOR = "cli api main.py run/joining.py errors.py settings/fields.py".split()
OF_PYTHON = ("arrays.py", "mask_arrays.py", "pil_images.py")
NAMES = re.compile(r"--\w|config\.\w|\b(data_range|channel_axis|num_steps|mask_polarity|rng)\b")


def test_messages_behind_the_doors_name_no_option_themselves():
    package = Path(dip_jax.__file__).parent
    found = []
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        if name.startswith(tuple(KNOW_THEIR_DOOR)) or path.name in OF_PYTHON:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                texts = [
                    part.value
                    for argument in node.exc.args
                    for part in ([argument, *getattr(argument, "values", [])])
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
                found += [(name, text) for text in texts if NAMES.search(text)]
    assert not found
