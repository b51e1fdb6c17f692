"""The command as its own process: what it writes, what it says, and its exit codes."""

import os
import re
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
import tifffile
from checkout import ROOT
from PIL import Image

import dip_jax
from dip_jax.cli import command
from dip_jax.cli.many_files import restore_files
from dip_jax.cli.output import find_output
from dip_jax.cli.pages import with_masks
from dip_jax.cli.signals import Stopping
from dip_jax.pictures import reading, samples, writing
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.reading import read_pages
from dip_jax.pictures.writing import write_pages
from dip_jax.settings import fields, tasks

REFINED = tuple(
    word
    for setting in (
        *("network.scales=1", "network.down=4", "network.up=4", "network.skip=4"),
        *("network.upsampling=nearest", "input.kind=noise", "input.depth=4", "log_every=2"),
    )
    for word in ("--set", setting)
)
TINY = (*REFINED, "--set", "refine=False")  # where the refinement is not the subject


def waves(h=40, w=36, c=3):
    x = 0.5 + 0.4 * np.sin(np.indices((h, w)).sum(axis=0) / 4)
    return np.repeat(np.rint(255 * x).astype(np.uint8)[..., None], c, axis=-1).squeeze()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(waves()).save("photo.png", dpi=(300, 300))
    mask = np.zeros((40, 36), np.uint8)
    mask[10:15] = 255
    Image.fromarray(mask).save("mask.png")
    return tmp_path


def here(*arguments, settings=TINY):
    """The command in this process."""
    return restore_files(command.make_parser().parse_args([*arguments, *settings]))


def start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "dip_jax", *arguments],
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)} | environment,
        stdout=stdout,
        stderr=stderr,
        text=True,
    )


@pytest.mark.slow
def test_the_command_restores_a_file_and_says_what_it_does(folder):
    process = start("denoise", "photo.png", "--steps", "6", *REFINED)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "photo_denoised.png" in out and "6 steps" in out
    assert "GB of memory" in err and "6/6" in err
    result = reading.read("photo_denoised.png")
    assert result.pixels.shape == (40, 36, 3) and result.dpi == pytest.approx((300, 300), rel=1e-3)


NEVER_BY_ITSELF = ("--steps", "1000000", "--set", "stop.patience=0")


def leaves_the_best_so_far(process, number):
    process.send_signal(number)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert "interrupted" in out and reading.read("out.png").pixels.shape == (40, 36, 3)


@pytest.mark.slow
def test_a_signal_writes_the_best_so_far(folder):
    process = start("denoise", "photo.png", "-o", "out.png", *NEVER_BY_ITSELF, *TINY)
    heard = ""
    while not re.search(r"step \d{3,}/1000000", heard):  # so many that there is something to see
        line = process.stderr.readline()
        assert line, heard
        heard += line
    leaves_the_best_so_far(process, signal.SIGINT)


@pytest.mark.thorough
@pytest.mark.slow
def test_a_terminal_that_closes_writes_the_best_so_far_with_its_report(folder):
    arguments = ("denoise", "photo.png", "-o", "out.png", "--report", "seen")
    process = start(*arguments, *NEVER_BY_ITSELF, *TINY)
    rows = folder / "seen" / "metrics.jsonl"
    while not rows.exists() or len(rows.read_text().splitlines()) < 60:  # of 2 steps each
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    leaves_the_best_so_far(process, signal.SIGHUP)
    assert "interrupted" in (folder / "seen" / "report.html").read_text()


def test_what_a_picture_is_like_is_told(folder, capsys):
    x = samples.sample("chelsea", 144).pixels[:, :96] / 255
    rng = np.random.default_rng(0)
    noisy = x + rng.normal(0, 22 / 255, x.shape)
    barred = noisy.copy()
    barred[:30] = 0
    pictures = {
        "striped": x + rng.normal(0, 15 / 255, (1, x.shape[1], 1)),
        "photons": rng.poisson(x * 30) / 30,
        "barred": barred,
    }
    for name, y in pictures.items():
        Image.fromarray(np.rint(255 * np.clip(y, 0, 1)).astype(np.uint8)).save(f"{name}.png")
    narrow = np.rint(100 + 900 * np.clip(noisy, 0, 1)).astype(np.uint16)
    tifffile.imwrite("narrow.tif", narrow, photometric="rgb")
    names = (*(f"{name}.png" for name in pictures), "narrow.tif")
    assert here("denoise", *names, "-o", "out/", "--steps", "2") == 0
    said = capsys.readouterr().err
    for words in (
        "every column has an offset of its own",
        "--set adapt.stripes=False leaves them",
        "the noise grows with brightness",
        "regions of one value",
        "the values fill 100 to 1000 of 0 to 65535",
    ):
        assert words in said
    restored = tifffile.imread("out/narrow.tif")
    assert restored.dtype == np.uint16 and 90 <= restored.min() and restored.max() <= 1050


@pytest.mark.thorough
@pytest.mark.slow
def test_the_result_is_written_though_nobody_listens(folder):
    """Standard output is a pipe that is closed, and says less than the file's name needs."""
    with open("words", "wb") as words:
        arguments = ("denoise", "photo.png", "-o", "bü.png", "--steps", "2")
        process = start(*arguments, *TINY, stderr=words, PYTHONIOENCODING="ascii:strict")
        process.stdout.close()
        assert process.wait(timeout=240) == 0
    said = (folder / "words").read_text()
    assert "2/2" in said and "Exception" not in said and "Traceback" not in said
    assert reading.read("bü.png").pixels.shape == (40, 36, 3)


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_the_result_is_written_though_the_disk_of_the_log_is_full(folder):
    with open("/dev/full", "wb") as full:
        arguments = ("denoise", "photo.png", "-o", "out.png", "--steps", "2")
        process = start(*arguments, *TINY, stdout=full, stderr=full)
        assert process.wait(timeout=240) == 0
    assert reading.read("out.png").pixels.shape == (40, 36, 3)


@pytest.mark.parametrize("before, more", [(0, ()), (1, ()), (0, ("--report", "work"))])
def test_a_signal_before_there_is_anything_to_see_writes_nothing(
    before, more, folder, capsys, monkeypatch
):
    answers = iter([False] * before + [True] * 9)  # before the fit, or at its first step
    monkeypatch.setattr(Stopping, "__call__", lambda self: next(answers))
    assert here("denoise", "photo.png", "-o", "out.png", "--steps", "4", *more) == 130
    out, err = capsys.readouterr()
    assert not out and not (folder / "out.png").exists()
    assert err.splitlines()[-1].startswith("dip-jax: interrupted before there was a usable picture")
    if more:
        monkeypatch.undo()
        monkeypatch.chdir(folder)
        assert here("denoise", "photo.png", "-o", "out.png", "--steps", "4", *more) == 0


def test_a_terminal_that_is_closed_is_one_signal_however_many_it_sends(capsys):
    with Stopping("ending") as stopping:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP):
            signal.raise_signal(number)
        assert stopping()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().err.count("ending") == 1


_COMPILES = """
import hashlib
from dip_jax.cli.signals import Stopping
with Stopping("asked", "ended"):
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # Python hears nothing before its end
"""


def test_a_signal_is_answered_and_a_second_one_ends_while_python_hears_nothing():
    process = subprocess.Popen(
        [sys.executable, "-c", _COMPILES],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert [process.stderr.readline() for _ in range(2)] == ["\n", "asked\n"]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "ended\n"


def test_a_command_does_not_care_whether_the_process_computes_in_double_precision(folder):
    assert here("denoise", "photo.png", "-o", "a.png", "--steps", "2", "-q") == 0
    jax.config.update("jax_enable_x64", True)
    try:
        assert here("denoise", "photo.png", "-o", "b.png", "--steps", "2", "-q") == 0
    finally:
        jax.config.update("jax_enable_x64", False)
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()


def test_under_nohup_a_closed_terminal_is_no_signal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stopping("ending") as stopping:
            signal.raise_signal(signal.SIGHUP)
            assert not stopping()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("name", ["inpaint", "fill-hole", "reconstruct"])
def test_known_pixels_come_back_exactly_and_quietly(name, folder, capsys):
    arguments = ("photo.png", "--mask", "mask.png", "-o", "out.png", "--steps", "2", "--quiet")
    assert here(name, *arguments, settings=REFINED) == 0
    assert capsys.readouterr() == ("", "")
    before, after = (reading.read(f).pixels for f in ("photo.png", "out.png"))
    same = (before == after).all(axis=(1, 2))
    assert same[:10].all() and same[15:].all() and not same[10:15].any()


@pytest.mark.slow
def test_the_same_as_from_python(folder, capsys):
    arguments = ("denoise", "photo.png", "-o", "out.png", "--steps", "4", "--seeds", "2")
    assert here(*arguments, settings=REFINED) == 0
    options = fields.parsed([word for word in REFINED if word != "--set"])
    expected = dip_jax.denoise(waves(), num_steps=4, seeds=2, options=options)
    np.testing.assert_array_equal(reading.read("out.png").pixels, expected)
    assert "mean of 2 seeds" in capsys.readouterr().out


@pytest.mark.slow
def test_a_report_keeps_the_work_directory_and_gives_the_same_picture(folder, capsys):
    for more in (("-o", "a.png"), ("-o", "b.png", "--report", "work")):
        assert here("denoise", "photo.png", "--steps", "4", *more) == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert (folder / "work" / "comparison.png").exists()
    assert "work" in capsys.readouterr().out


def test_without_a_mask_the_alpha_tells_what_to_fill_and_the_result_is_opaque(folder, capsys):
    pixels, alpha = waves(), np.full((40, 36), 255, np.uint8)
    alpha[9:21, 9:21], alpha[10:20, 10:20] = 90, 0  # erased with a soft edge, over other colours
    pixels[alpha == 0] = (255, 0, 255)
    Image.fromarray(np.dstack([pixels, alpha])).save("erased.png")
    Image.fromarray(np.uint8(255) * (alpha == 0)).save("hole.png")
    Image.fromarray(pixels).save("flat.png")
    for more in (("a.png",), ("c.png", "--report", "work")):
        assert here("fill-hole", "erased.png", "--steps", "2", "-o", *more) == 0
        assert "is the mask" in capsys.readouterr().err
    assert here("fill-hole", "flat.png", "--mask", "hole.png", "--steps", "2", "-o", "b.png") == 0
    assert "the mask fills 6.9%" in capsys.readouterr().err
    a, b, c = (reading.read(f"{name}.png") for name in "abc")
    assert a.alpha is None and c.alpha is None
    np.testing.assert_array_equal(a.pixels, b.pixels)
    np.testing.assert_array_equal(a.pixels, c.pixels)
    np.testing.assert_array_equal(a.pixels[alpha > 0], pixels[alpha > 0])


@pytest.mark.parametrize("kind", ["red", "strokes", "labels", "int32", "bool"])
def test_the_mask_is_the_same_however_it_is_drawn(kind, folder):
    drawn = reading.read("mask.png").pixels > 0
    if kind == "red":
        Image.fromarray(drawn[..., None] * np.uint8([255, 0, 0])).save("drawn.png")
    elif kind == "strokes":
        white = np.full(drawn.shape, 255, np.uint8)
        Image.fromarray(np.dstack([white, drawn * white])).save("drawn.png")
    elif kind == "labels":
        Image.fromarray(drawn.astype(np.uint8)).save("drawn.png")
    else:
        tifffile.imwrite("drawn.tif", drawn if kind == "bool" else drawn * np.int32(255))
    name = "drawn.tif" if kind in ("int32", "bool") else "drawn.png"
    arguments = command.make_parser().parse_args(["inpaint", "photo.png", "--mask", name])
    (given,) = with_masks(arguments, read_pages("photo.png"))
    np.testing.assert_array_equal(given.fill, drawn)
    assert bool(given.remarks) == (kind in ("red", "strokes", "bool"))


@pytest.mark.parametrize(
    ("name", "file_format", "expected"),
    [
        ("a.png", "PNG", "a_denoised.png"),
        ("a.jpg", "PNG", "a_denoised.png"),
        ("a.PNG", "TIFF", "a_denoised.tif"),
        ("a.JPG", "JPEG", "a_denoised.JPG"),
        ("a.jpeg", "JPEG", "a_denoised.jpeg"),
        ("a", "WEBP", "a_denoised.webp"),
        ("a.gif", "GIF", "a_denoised.png"),
        ("a.bmp", "BMP", "a_denoised.png"),
    ],
)
def test_what_a_file_is_and_not_what_it_is_called_chooses_the_format(
    name, file_format, expected, folder
):
    arguments = command.make_parser().parse_args(["denoise", name])
    assert str(find_output(arguments, file_format)) == expected


def test_a_png_called_jpg_keeps_its_alpha(folder, capsys):
    alpha = np.full((40, 36), 255, np.uint8)
    alpha[:9] = 0
    Image.fromarray(np.dstack([waves(), alpha])).save("a.jpg", "PNG")
    assert here("denoise", "a.jpg", "--steps", "2") == 0
    assert "'a.jpg' is a PNG: the result is a_denoised.png" in capsys.readouterr().err
    np.testing.assert_array_equal(reading.read("a_denoised.png").alpha, alpha)


def test_what_the_output_cannot_hold_is_told(folder, capsys):
    Image.fromarray(waves()).convert("CMYK").save("inks.tif", compression="jpeg")
    assert here("denoise", "inks.tif", "--steps", "2") == 0
    err = capsys.readouterr().err
    assert "'inks.tif' is CMYK: taken as RGB" in err
    assert "(JPEG) cannot hold the result without loss: it is compressed with deflate" in err


@pytest.fixture
def reads(monkeypatch):
    """The names of the pictures that are read, masks included, in turn."""
    seen, read = [], reading._read

    def seeing(path, *how):
        seen.append(os.fspath(path))
        return read(path, *how)

    monkeypatch.setattr(reading, "_read", seeing)
    return seen


def test_with_a_report_each_picture_is_read_once_and_no_result_is_read_back(folder, reads):
    arguments = ("inpaint", "photo.png", "--mask", "mask.png", "--steps", "2", "--report", "work")
    assert here(*arguments, "-o", "out.png") == 0
    assert reads == ["photo.png", "mask.png"]
    # But for what an earlier session has restored.
    assert here(*arguments, "-o", "again.png") == 0
    assert reads[2:] == ["photo.png", "mask.png", os.path.join("work", "restored.png")]
    assert (folder / "out.png").read_bytes() == (folder / "again.png").read_bytes()


@pytest.mark.thorough
@pytest.mark.slow
def test_every_page_of_a_tiff_is_a_picture_of_its_own(folder):
    pages = [waves(40, 36, 1), 3 * waves(33, 50, 1).astype(np.uint16), waves(32, 32)]
    write_pages("pages.tif", pages)
    assert here("denoise", "pages.tif", "--steps", "2", "-q") == 0
    for before, after in zip(pages, read_pages("pages_denoised.tif"), strict=True):
        assert after.pixels.shape == before.shape and after.pixels.dtype == before.dtype
        assert (after.pixels != before).any()


def test_float_values_of_any_range(folder):
    x = (waves(40, 36, 1) * 100.0 - 3000).astype(np.float32)
    like = Picture(x, data_range=(-3000, 22500))
    writing.write("float.tif", x, like)
    arguments = ("--data-range", "-3000", "22500", "--steps", "2", "-q", "-o", "out.tif")
    assert here("denoise", "float.tif", *arguments) == 0
    after = reading.read("out.tif", (-3000, 22500)).pixels
    assert after.dtype == np.float32 and after.max() > 1


@pytest.mark.slow
def test_a_jpeg_with_blocks_gets_a_hint(folder, capsys):
    photograph = Image.fromarray(samples.sample("chelsea", 160).pixels)
    for name, options in (("blocks.jpg", {"quality": 20}), ("fine.png", {})):
        photograph.save(name, **options)
        assert here("denoise", name, "--steps", "2") == 0
        _, err = capsys.readouterr()
        assert ("--criterion wmv with --steps 3000" in err) == (name == "blocks.jpg")
    assert here("denoise", "blocks.jpg", "-o", "out.png", "--steps", "2", "--report", "work") == 0
    _, err = capsys.readouterr()
    assert "--criterion wmv with --steps 3000" in err and "config." not in err
    assert reading.read("blocks_denoised.jpg").pixels.shape == (106, 160, 3)


def test_force_replaces_and_nothing_else_does(folder, capsys):
    (folder / "out.png").write_bytes(b"precious")
    assert here("denoise", "photo.png", "-o", "out.png", "--steps", "2") == 2
    assert (folder / "out.png").read_bytes() == b"precious"
    assert here("denoise", "photo.png", "-o", "out.png", "--steps", "2", "--force") == 0
    assert reading.read("out.png").pixels.shape == (40, 36, 3)


def test_a_fit_that_falls_apart_at_once_fails_and_writes_nothing(folder, capsys):
    wild = ("--set", "learning_rate=1e30", "--set", "stability.max_failures=1")
    before = sorted(os.listdir())
    code = here("denoise", "photo.png", "--steps", "4", *wild, "--set", "input.scale=1e38")
    assert code == 1
    _, err = capsys.readouterr()
    assert err.splitlines()[-1].startswith("dip-jax: the fit fell apart from its first step on")
    assert sorted(os.listdir()) == before


def test_after_a_second_signal_a_report_goes_on(folder, capsys, monkeypatch):
    arguments = ("denoise", "photo.png", "-o", "out.png", "--steps", "2", "--report", "work")
    with monkeypatch.context() as patch:
        twice = [signal.SIGINT] * 2
        patch.setattr(Stopping, "__call__", lambda self: [signal.raise_signal(n) for n in twice])
        assert here(*arguments) == 130
    assert "the same command goes on from the checkpoints in work" in capsys.readouterr().err
    assert not (folder / "out.png").exists() and (folder / "work" / "config.json").exists()
    assert here(*arguments) == 0
    assert (folder / "out.png").exists()


def test_every_option_is_explained():
    parser = command.make_parser()
    commands = parser._subparsers._group_actions[0].choices
    assert {c.get_default("task") for c in commands.values()} == set(tasks.DOORS)
    assert "exit codes" in parser.format_help()
    for one in commands.values():
        assert "example:" in one.format_help()
        assert all(action.help for action in one._actions)


def test_help_and_version_are_quick(capsys):
    begin = time.perf_counter()
    code = "import sys; from dip_jax.cli.command import main; main(['--version'])"
    code = f"import sys\ntry:\n    {code}\nfinally:\n    assert 'jax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == f"dip-jax {dip_jax.__version__}\n"
    assert time.perf_counter() - begin < 5


@pytest.mark.thorough
def test_the_commands_of_what_was_measured(folder, capsys):
    pixels = waves()
    assert here("super-resolve", "photo.png", "--factor", "2", "--steps", "4") == 0
    larger = reading.read("photo_enlarged.png")
    assert larger.pixels.shape == (80, 72, 3)
    assert larger.dpi == pytest.approx((600, 600), rel=1e-2)
    Image.fromarray(np.ones((3, 3), np.uint8)).save("psf.png")
    assert here("deblur", "photo.png", "--kernel", "psf.png", "--steps", "4", "-o", "a.png") == 0
    assert here("deblur", "photo.png", "--sigma", "1.5", "--steps", "4", "-o", "b.png") == 0
    assert "deviation of 1.5 pixels" in capsys.readouterr().err
    assert here("deblur", "photo.png", "--steps", "4", "-o", "c.png") == 2
    assert "--kernel" in capsys.readouterr().err
    assert here("deblur", "photo.png", "--kernel", "psf.png", "--sigma", "1.6") == 2
    said = capsys.readouterr().err
    assert "--kernel is 'psf.png' and --sigma is 1.6; expected one of them" in said
    assert said.count("\n") == 1
    Image.fromarray(pixels[..., 0]).save("raw.png")
    assert here("demosaic", "raw.png", "--pattern", "GRBG", "--steps", "4") == 0
    found = reading.read("raw_demosaiced.png").pixels
    np.testing.assert_array_equal(found[::2, ::2, 1], pixels[::2, ::2, 0])
    Image.fromarray(pixels).save("photo.jpg", quality=20)
    assert here("remove-jpeg", "photo.jpg", "--steps", "4", "--report", "work") == 0
    assert reading.read("photo_unjpegged.png").pixels.shape == (40, 36, 3)
    assert (folder / "work" / "report.html").exists()
    assert here("remove-jpeg", "photo.png", "--steps", "4", "-o", "none.png") == 2
    assert "--quality" in capsys.readouterr().err
