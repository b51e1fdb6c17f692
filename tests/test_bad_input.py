"""What cannot be used: one clear line each, from Python and in a shell; nothing is written."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import dip_jax
from dip_jax.cli.command import make_parser
from dip_jax.cli.many_files import restore_files

GREY = np.linspace(0, 255, 40 * 36).reshape(40, 36).astype(np.uint8)
RGB = np.stack([GREY, GREY, GREY], axis=-1)
FLOAT = GREY / 255
MASK = np.zeros((40, 36), bool)
MASK[10:14] = True


def given(image=GREY, mask=MASK, **options):
    return image, mask, options


ARRAYS = {
    "none": (given(None), "shape ()"),
    "text": (given("photo.png"), "PIL.Image.open(path)"),
    "bytes": (given(b"photo.png"), "PIL.Image.open(path)"),
    "no mask": (given(GREY, None), "mask is None"),
    "byte order": (given(GREY.astype(">u2")), "byte order"),
    "too many steps": (given(GREY, num_steps=10**400), "num_steps"),
    "progress": (given(GREY, progress="yes"), "progress"),
    "data range of three": (given(GREY, data_range=np.arange(3)), "data_range"),
    "ragged": (given([[1, 2], [3]]), "cannot be made an array"),
    "complex": (given(GREY.astype(complex)), "complex128"),
    "objects": (given(GREY.astype(object)), "object"),
    "dates": (given(GREY.astype("datetime64[s]")), "datetime64"),
    "no pixels": (given(np.zeros((0, 36), np.uint8)), "(0, 36)"),
    "one axis": (given(GREY.ravel()), "(1440,)"),
    "four axes": (given(RGB[None]), "(1, 40, 36, 3)"),
    "too small": (given(GREY[:20], MASK[:20]), "smaller than the 32 x 32"),
    "stack": (given(np.stack([GREY] * 5)), "one at a time"),
    "stack, no channels": (given(RGB, channel_axis=None), "one at a time"),
    "axis of grey": (given(GREY, channel_axis=0), "no channels"),
    "axis out of range": (given(RGB, channel_axis=3), "expected -3 to 2"),
    "axis of words": (given(RGB, channel_axis="last"), "channel_axis is 'last'"),
    "integers of no range": (given(GREY.astype(np.int16)), "give data_range"),
    "floats up to 255": (given(GREY.astype(float)), "give data_range"),
    "outside of the range": (given(FLOAT, data_range=(0.2, 0.8)), "data_range"),
    "range of one": (given(FLOAT, data_range=1.0), "data_range"),
    "range upside down": (given(FLOAT, data_range=(1, 0)), "data_range"),
    "range without end": (given(FLOAT, data_range=(0, np.inf)), "data_range"),
    "all NaN": (given(np.full((40, 36), np.nan)), "no finite value"),
    "masked array": (given(np.ma.masked_array(GREY, MASK)), "masked array"),
    "mask of another size": (given(mask=MASK[:-1]), "(39, 36)"),
    "mask of other channels": (given(RGB, np.zeros((40, 36, 4), bool)), "(40, 36, 4)"),
    "mask of words": (given(mask="mask.png"), "the mask is a path"),
    "mask of greys": (given(mask=GREY), "threshold"),
    "mask of objects": (given(mask=MASK.astype(object)), "object"),
    "all masked": (given(mask=~np.zeros_like(MASK)), "mask"),
    "none masked": (given(mask=np.zeros_like(MASK)), "fills nothing"),
    "known but NaN": (given(np.where(MASK, 0.5, np.nan)), "no value of the image is known"),
    "one channel unknown": (
        given(RGB, np.broadcast_to([True, False, False], RGB.shape)),
        "channel 0",
    ),
    "polarity": (given(mask_polarity="white"), "mask_polarity is 'white'"),
    "no steps": (given(num_steps=0), "num_steps is 0"),
    "half a step": (given(num_steps=1.5), "num_steps is 1.5"),
    "no seeds": (given(seeds=0), "seeds is 0"),
    "no seeds listed": (given(seeds=[]), "seeds"),
    "the same seed twice": (given(seeds=[1, 1]), "seeds"),
    "a seed too large": (given(seeds=[2**32]), "seeds"),
    "half a seed": (given(seeds=1.5), "seeds is 1.5"),
    "negative rng": (given(rng=-1), "rng is -1"),
    "rng of words": (given(rng="today"), "rng is 'today'"),
    "rng and seeds": (given(rng=1, seeds=[2]), "rng and a list of seeds"),
    "criterion": (given(criterion="best"), "'best'"),
    "criterion of the clean": (given(criterion="oracle"), "clean picture"),
    "preset": (given(preset="fast"), "'fast'"),
    "misspelt option": (given(options={"num_step": 5}), "mean num_steps"),
    "option of another type": (given(options={"learning_rate": "low"}), "learning_rate is 'low'"),
    "option out of range": (given(options={"average": 1.0}), "average is 1.0"),
    "an argument as option": (given(options={"image": "a.png"}), "'image'"),
    "options of words": (given(options="quick"), "options is 'quick'"),
    "network of no shape": (
        given(options={"network.down": (8,) * 6}),
        "network.down has 6 entries, expected at most 5",
    ),
    "nothing left to fit": (given(options={"heldout.block": 0}), "heldout.block is 0"),
    "callback of words": (given(callback="print"), "callback is 'print'"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_an_array_that_cannot_be_used_is_refused_in_one_line(case):
    (image, mask, options), words = ARRAYS[case]
    with pytest.raises(dip_jax.InputError) as caught:
        dip_jax.inpaint(image, mask, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and "config." not in str(caught.value)


@pytest.mark.parametrize("options", [{"step": 5}, {"mask": MASK}, {"keep_known": True}])
def test_denoise_has_no_such_argument(options):
    with pytest.raises(TypeError, match="unexpected keyword"):
        dip_jax.denoise(GREY, **options)


def bomb(side):
    """A PNG of `side` squared grey pixels in a few bytes; its pixels are cut short."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(GREY).save("grey.png")
    Image.fromarray(RGB).save("rgb.png")
    Image.fromarray(np.uint8(255) * MASK).save("mask.png")
    Image.fromarray(np.uint8(255) * MASK[:-1]).save("low.png")
    Image.fromarray(np.zeros_like(GREY)).save("black.png")
    Image.fromarray(GREY[:20]).save("small.png")
    Image.fromarray(np.dstack([RGB, GREY | 1])).save("opaque.png")
    Image.fromarray(np.dstack([RGB, GREY])).save("hole.png")
    Image.fromarray(257 * GREY.astype(np.uint16)).save("deep.png")
    Image.fromarray(GREY.astype(np.float32)).save("float.tif")
    Image.fromarray(np.full((40, 36), np.nan, np.float32)).save("nan.tif")
    (tmp_path / "cut.png").write_bytes((tmp_path / "grey.png").read_bytes()[:-60])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "bomb.png").write_bytes(bomb(31623))
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "exists.png").write_bytes(b"precious")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other.txt").write_text("precious")
    return tmp_path


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files} | {
        str(path): b"" for path in folder.rglob("*") if path.is_dir()
    }


MASKED = ("--mask", "mask.png")
COMMANDS = {
    "no command": ((), "TASK"),
    "another command": (("sharpen", "grey.png"), "sharpen"),
    "no picture": (("denoise",), "IMAGE"),
    "misspelt option": (("denoise", "grey.png", "--step", "5"), "--step"),
    "steps in words": (("denoise", "grey.png", "--steps", "many"), "--steps"),
    "no steps": (("denoise", "grey.png", "--steps", "0"), "--steps is 0"),
    "no seeds": (("denoise", "grey.png", "--seeds", "0"), "seeds is 0"),
    "negative seed": (("denoise", "grey.png", "--seed", "-1"), "-1"),
    "another criterion": (("denoise", "grey.png", "--criterion", "best"), "best"),
    "set without value": (("denoise", "grey.png", "--set", "average"), "NAME=VALUE"),
    "set of no field": (("denoise", "grey.png", "--set", "averag=0.9"), "mean --set average"),
    "set of another type": (("denoise", "grey.png", "--set", "average=long"), "'long'"),
    "missing file": (("denoise", "none.png"), "none.png"),
    "a folder": (("denoise", "folder.png"), "folder.png"),
    "a pattern of nothing": (("denoise", "*.webp"), "'*.webp' stands for no picture"),
    "a file of no name": (("denoise", ""), "IMAGE is empty"),
    "truncated": (("denoise", "cut.png"), "cut short"),
    "empty file": (("denoise", "empty.png"), "empty.png"),
    "no picture in it": (("denoise", "text.png"), "text.png"),
    "a bomb": (("denoise", "bomb.png"), "too many pixels"),
    "a NUL in the name": (("denoise", "a\0b.png"), "cannot be read"),
    "too small": (("denoise", "small.png"), "smaller than the 32 x 32"),
    "floats up to 255": (("denoise", "float.tif"), "float.tif"),
    "all NaN": (("denoise", "nan.tif"), "no finite value"),
    "no mask": (("inpaint", "grey.png"), "--mask"),
    "mask for noise": (("denoise", "grey.png", *MASKED), "--mask"),
    "missing mask": (("inpaint", "grey.png", "--mask", "none.png"), "none.png"),
    "mask of another size": (("inpaint", "grey.png", "--mask", "low.png"), "36 x 39"),
    "the picture as its mask": (("inpaint", "rgb.png", "--mask", "grey.png"), "between black"),
    "alpha of nothing": (("inpaint", "opaque.png"), "nowhere wholly transparent"),
    "alpha and a polarity": (
        ("inpaint", "hole.png", "--mask-polarity", "keep"),
        "--mask-polarity is 'keep'",
    ),
    "mask of nothing": (("inpaint", "grey.png", "--mask", "black.png"), "fills nothing"),
    "mask of all": (
        ("inpaint", "grey.png", "--mask", "black.png", "--mask-polarity", "keep"),
        "fills everything",
    ),
    "output exists": (("denoise", "grey.png", "-o", "exists.png"), "--force"),
    "output is the input": (("denoise", "grey.png", "-o", "./grey.png", "--force"), "what is read"),
    "output is the mask": (
        ("inpaint", "grey.png", *MASKED, "-o", "mask.png", "--force"),
        "what is",
    ),
    "output is a file, not a folder": (("denoise", "grey.png", "-o", "rgb.png/"), "'rgb.png/'"),
    "output in a folder of no folder": (("denoise", "grey.png", "-o", "none/out/"), "none/out"),
    "one output for two": (("denoise", "grey.png", "rgb.png", "-o", "out.png"), "out.png"),
    "output of no format": (("denoise", "grey.png", "-o", "out.xyz"), "'.xyz'"),
    "output has no suffix": (("denoise", "grey.png", "-o", "out"), "suffix"),
    "output in no folder": (("denoise", "grey.png", "-o", "none/out.png"), "no folder 'none'"),
    "output inside a file": (("denoise", "grey.png", "-o", "mask.png/out.png"), "mask.png"),
    "output with a long name": (
        ("denoise", "grey.png", "-o", "x" * 300 + ".png"),
        "cannot be written",
    ),
    "output cannot hold it": (("denoise", "deep.png", "-o", "out.jpg"), "JPEG"),
    "alpha into JPEG": (("denoise", "hole.png", "-o", "out.jpg"), "JPEG holds no transparency"),
    "range upside down": (("denoise", "grey.png", "--data-range", "9", "3"), "--data-range is (9"),
    "range of one": (("denoise", "grey.png", "--data-range", "9"), "--data-range"),
    "report in a full folder": (("denoise", "grey.png", "--report", "full"), "with --report"),
    "report is a file": (("denoise", "grey.png", "--report", "grey.png"), "is a file"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_command_that_cannot_be_done_is_refused_in_one_line(case, folder, capsys):
    arguments, words = COMMANDS[case]
    before = contents(folder)
    try:
        code = restore_files(make_parser().parse_args(arguments))
    except SystemExit as exit:  # by argparse
        code = exit.code
    out, err = capsys.readouterr()
    assert code == 2 and out == ""
    assert err.startswith("dip-jax: ") and err.count("\n") == 1 and words in err
    assert contents(folder) == before


@pytest.fixture
def nobody(folder):
    """A user who owns nothing here and may only read; the superuser becomes one for a while."""
    folder.chmod(0o555)
    if os.geteuid():
        yield
    else:
        os.seteuid(65534)
        yield
        os.seteuid(0)
    folder.chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
def test_without_permission_nothing_is_read_or_written(folder, request, capsys):
    (folder / "secret.png").write_bytes((folder / "grey.png").read_bytes())
    (folder / "secret.png").chmod(0)
    request.getfixturevalue("nobody")
    for arguments in (("grey.png", "-o", "out.png"), ("secret.png", "-o", "full/out.png")):
        assert restore_files(make_parser().parse_args(("denoise", *arguments))) == 2
        _, err = capsys.readouterr()
        assert "ermission" in err and err.count("\n") == 1
