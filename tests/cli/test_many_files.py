"""The command given several pictures: which they are, where the results go, what fails alone."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from test_command import TINY, waves

from dip_jax.cli import command, many_files, one_file
from dip_jax.cli.many_files import restore_files
from dip_jax.cli.pages import Fitted
from dip_jax.errors import FitError
from dip_jax.lanes import memory
from dip_jax.pictures import reading
from dip_jax.pictures.writing import write_pages


def here(*arguments):
    return restore_files(command.make_parser().parse_args([*arguments, *TINY, "--steps", "2"]))


def picture(path, h=40, w=36):
    Image.fromarray(waves(h, w, 1)).save(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("scans", "masks", "out"):
        (tmp_path / name).mkdir()
    for name in ("a.png", "b.png", "scans/c.png"):
        picture(name)
    return tmp_path


@pytest.fixture
def fits(monkeypatch):
    """The pictures that are fitted, in turn, each a copy of what was given."""
    seen = []

    def fit(arguments, changes, given, progress, stopping):
        seen.append(arguments.image)
        progress.start(2)
        pixels = {i: one.picture.pixels for i, one in enumerate(given)}
        return Fitted(pixels, [], [], 2, stopping(), "finished")

    monkeypatch.setattr(one_file, "fit_in_turn", fit)
    return seen


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_files_patterns_and_folders_are_restored_into_one_folder(folder, capsys):
    before = files(folder)
    assert here("denoise", "a.png", "b*.png", "scans", "-o", "new/") == 0
    assert set(files(folder)) - set(before) == {"new/a.png", "new/b.png", "new/c.png"}
    for name in ("a", "b", "c"):
        after = reading.read(f"new/{name}.png").pixels
        assert after.shape == (40, 36) and (after != waves(40, 36, 1)).any()
    out, err = capsys.readouterr()
    assert "3 of 3 pictures restored" in out and "[2 of 3] b.png" in err
    assert "for all steps of 3 pictures" in err


@pytest.mark.parametrize("name", ["denoise", "inpaint", "fill-hole", "reconstruct"])
def test_results_beside_the_pictures_tell_the_tasks_apart(name, folder, fits):
    mask = np.zeros((40, 36), np.uint8)
    mask[5:9] = 255
    Image.fromarray(mask).save("mask.png")
    masked = () if name == "denoise" else ("--mask", "mask.png")
    before = files(folder)
    assert here(name, "a.png", "scans/c.png", *masked) == 0
    ending = {"denoise": "denoised", "inpaint": "inpainted", "fill-hole": "filled"}
    ending = ending.get(name, "reconstructed")
    assert set(files(folder)) - set(before) == {f"a_{ending}.png", f"scans/c_{ending}.png"}


def test_a_folder_given_twice_restores_no_results_and_no_mask(folder, fits, capsys):
    mask = np.zeros((40, 36), np.uint8)
    mask[5:9] = 255
    Image.fromarray(mask).save("scans/mask.png")
    picture("scans/well_filled.png")  # no result of anything
    arguments = ("inpaint", "scans", "--mask", "scans/mask.png", "--force")
    assert here(*arguments) == 0 and here(*arguments) == 0
    assert fits == ["scans/c.png", "scans/well_filled.png"] * 2
    left_out = "scans/c_inpainted.png, scans/well_filled_inpainted.png"
    assert f"results of pictures that are given: {left_out}" in capsys.readouterr().err
    assert here("inpaint", "scans/c_inpainted.png", "--mask", "scans/mask.png") == 0  # by name


def test_what_a_shell_makes_of_a_pattern_restores_no_results(folder, fits, capsys):
    for name in ("a_denoised.png", "a_denoised_denoised.png", "c_denoised.png"):
        picture(name)
    assert here("denoise", *sorted(str(p) for p in Path().glob("*.png")), "-o", "out") == 0
    assert fits == ["a.png", "b.png", "c_denoised.png"]
    assert "a_denoised.png, a_denoised_denoised.png" in capsys.readouterr().err


def test_results_in_a_folder_below_a_pattern_are_no_pictures(folder, fits, capsys):
    arguments = ("denoise", "**/*.png", "-o", "out", "--force")
    assert here(*arguments) == 0 and here(*arguments) == 0
    assert fits == ["a.png", "b.png", "scans/c.png"] * 2


def test_bad_pictures_are_told_before_the_first_fit_and_the_others_are_done(folder, fits, capsys):
    (folder / "bad.png").write_bytes(b"no picture")
    picture("small.png", 1)
    arguments = ("bad.png", "a.png", "none.png", "small.png", "empty*", "b.png")
    assert here("denoise", *arguments, "-o", "out") == 1
    out, err = capsys.readouterr()
    before = err.partition("[1 of 2]")[0].splitlines()
    for words in ("'bad.png' is not", "'none.png' cannot be read", "small.png: ", "'empty*'"):
        assert sum(line.startswith("dip-jax: ") and words in line for line in before) == 1
    assert "2 of 6 pictures restored, 4 failed" in out
    assert files(folder / "out") == ["a.png", "b.png"]


def test_one_picture_goes_into_a_folder_as_well(folder, fits):
    before = files(folder)
    for name in ("out", "new/", "new"):  # there, made, and there now
        assert here("denoise", "scans/c.png", "-o", name, "--force") == 0
    assert set(files(folder)) - set(before) == {"out/c.png", "new/c.png"}


def test_a_fit_that_fails_leaves_the_others(folder, fits, capsys, monkeypatch):
    fit = one_file.fit_in_turn

    def failing(arguments, *rest):
        if arguments.image == "a.png":
            raise FitError("the fit fell apart")
        return fit(arguments, *rest)

    monkeypatch.setattr(one_file, "fit_in_turn", failing)
    assert here("denoise", "a.png", "b.png", "-o", "out", "-q") == 1
    assert capsys.readouterr() == ("", "dip-jax: a.png: the fit fell apart\n")
    assert files(folder / "out") == ["b.png"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("a.png", "b.png"), "'a_denoised.png' exists"),
        (("a.png", "a.bmp", "-o", "out"), "would both be 'out/a.png'"),
        (("scans", "-o", "scans"), "is what is read"),
        (("a.png", "a_denoised.png"), "'a_denoised.png' exists"),
        (("a.bmp", "a.png", "-o", "./", "--force"), "where the result of 'a.bmp' would be"),
        (("a.png", "b.png", "-o", "full.png"), "'full.png' is a file's name"),
        (("a.png", "b.png", "-o", "new/", "--steps", "0"), "--steps is 0"),
        (("a.png", "b.png", "-o", "new/", "--report", "masks"), "--report 'masks' holds other"),
        (("bad.png", "none", "-o", "new/"), "none of 2 pictures"),
        (("bad.png", "-o", "new/"), "'bad.png' is not a picture"),
    ],
)
def test_what_is_wrong_with_all_is_refused_before_anything_is_done(
    given, words, folder, fits, capsys
):
    for name in ("a_denoised.png", "a.bmp"):
        picture(name)
    (folder / "bad.png").write_bytes(b"no picture")
    (folder / "masks" / "notes.txt").write_text("precious")
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    folders = sorted(path for path in folder.rglob("*") if path.is_dir())
    steps = () if "--steps" in given else ("--steps", "2")
    arguments = ["denoise", *given, *TINY, *steps]
    assert restore_files(command.make_parser().parse_args(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err.splitlines()[-1] and not fits
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before
    assert sorted(path for path in folder.rglob("*") if path.is_dir()) == folders


def test_each_picture_takes_its_mask_from_a_folder(folder, fits, capsys):
    for name, row in (("a", 5), ("c", 20)):
        mask = np.zeros((40, 36), np.uint8)
        mask[row] = 255
        Image.fromarray(mask).save(f"masks/{name}.bmp")
    assert here("inpaint", "a.png", "b.png", "scans/*.png", "--mask", "masks", "-o", "out") == 1
    assert fits == ["a.png", "scans/c.png"]
    err = capsys.readouterr().err
    assert "--mask has no file for b.png in masks" in err
    assert here("inpaint", "a.png", "--mask", "masks") == 0  # of one picture as well


def test_the_suffix_of_a_result_is_that_of_the_true_format(folder, fits):
    os.replace("a.png", "a.jpg")  # in truth a PNG
    picture("d.gif")
    write_pages("pages.tif", [waves(40, 36, 1)] * 2)
    os.replace("pages.tif", "pages.v2")
    given = ("a.jpg", "b.png", "d.gif", "pages.v2")
    assert here("denoise", *given, "-o", "out") == 0
    assert files(folder / "out") == ["a.png", "b.png", "d.png", "pages.v2.tif"]
    assert len(reading.read_pages("out/pages.v2.tif")) == 2


def test_an_interrupt_writes_the_picture_in_hand_and_names_the_others(
    folder, fits, capsys, monkeypatch
):
    monkeypatch.setattr(many_files.Stopping, "__call__", lambda self: bool(fits))
    assert here("denoise", "a.png", "b.png", "scans", "-o", "out") == 130
    assert files(folder / "out") == ["a.png"]
    assert "not restored: b.png, scans/c.png" in capsys.readouterr().err


def test_each_picture_has_its_report_and_a_second_start_fits_none_again(folder, capsys):
    picture("scans/a.png")
    arguments = ("denoise", "a.png", "scans/a.png", "-o", "out", "--report", "work")
    assert here(*arguments) == 2  # both would be out/a.png
    (folder / "bad.png").write_bytes(b"no picture")
    given = ("a.png", "scans/a.png", "bad.png")
    assert here("denoise", *given, "--report", "work") == 1
    reports = {path.parent.name for path in (folder / "work").glob("*/report.html")}
    assert reports == set(os.listdir("work")) and len(reports) == 2
    capsys.readouterr()
    assert here("denoise", *given, "--report", "work", "--force") == 1
    assert capsys.readouterr().err.count("nothing to do") == 2


def test_memory_that_a_fit_keeps_is_still_there_for_the_next_picture(monkeypatch):
    free = iter([8, 3, 2])
    monkeypatch.setattr(memory, "_machine_bytes", lambda: next(free))
    device = jax.local_devices(backend="cpu")[0]
    with memory.measured_once():
        assert [memory.device_bytes(device) for _ in range(2)] == [8, 8]
    assert memory.device_bytes(device) == 3


def test_several_pictures_that_need_no_fit(folder, fits, capsys):
    rows, columns = np.mgrid[:200, :300]
    smooth = 128 + 60 * np.sin(rows / 90) * np.cos(columns / 120)
    fill = np.zeros(smooth.shape, bool)
    fill[20:23, 30:60] = True
    for name in ("a.png", "b.png"):
        Image.fromarray(np.where(fill, 255, smooth).astype(np.uint8)).save(name)
    Image.fromarray(255 * fill.astype(np.uint8)).save("mask.png")
    given = ("inpaint", "a.png", "b.png", "--mask", "mask.png", "-o", "out/")
    arguments = command.make_parser().parse_args([*given, "--set", "parts.kind=damage"])
    assert restore_files(arguments) == 0 and len(fits) == 2
    assert "checking 2 pictures" in capsys.readouterr().err
