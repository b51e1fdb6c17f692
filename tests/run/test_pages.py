"""Multi-page TIFFs: every page a picture of its own, and all of them together in one file again."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from checkout import ROOT
from picture_files import random_pixels
from PIL import Image

from dip_jax.cli import command
from dip_jax.cli.many_files import restore_files
from dip_jax.errors import InputError
from dip_jax.pictures import reading
from dip_jax.pictures.reading import count_pages, read_pages
from dip_jax.report.progress import PlainProgress
from dip_jax.run.inputs import prepare
from dip_jax.run.listing import entry_names, find_pictures, is_many, title
from dip_jax.run.many import run_folder
from dip_jax.run.one import run
from dip_jax.settings import tasks

TINY = {
    "network.scales": 1,
    "network.down": (4,),
    "network.up": (4,),
    "network.skip": (4,),
    "network.upsampling": ("nearest",),
    "input.kind": "noise",
    "input.depth": 4,
    "log_every": 2,
    "refine": False,
    "num_steps": 2,
}


def config_of(task, **changes):
    config = tasks.defaults(task) | {"preview_every": 0, "degrade": "none"}
    for path, value in TINY.items():
        *sections, name = path.split(".")
        (config[sections[0]] if sections else config)[name] = value
    return config | changes


def go(config, folder, **options):
    stream = io.StringIO()
    summary = run_folder(config, folder, PlainProgress("test", stream), **options)
    return summary, stream.getvalue()


def dip_jax(*arguments):
    """The command in this process."""
    tiny = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    steps = ["--steps", "2"]  # which has an option of its own
    return restore_files(command.make_parser().parse_args([*arguments, *tiny[:-2], *steps]))


def mask_of(h, w, *rows):
    mask = np.zeros((h, w), np.uint8)
    mask[slice(*rows)] = 255
    return Image.fromarray(mask)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A stack of three pages of two depths, and masks with one page, with two and with three."""
    monkeypatch.chdir(tmp_path)
    pages = [random_pixels(12, 10, dtype=dtype) for dtype in (np.uint8, np.uint16, np.uint8)]
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save("stack.tif", save_all=True, append_images=rest, dpi=(300, 300))
    masks = [mask_of(12, 10, n, n + 2) for n in (1, 4, 7)]
    masks[0].save("masks.tif", save_all=True, append_images=masks[1:])
    masks[0].save("two.tif", save_all=True, append_images=masks[1:2])
    masks[0].save("mask.png")
    return tmp_path


def changed_rows(before, after):
    same = (before == after).reshape(len(before), -1).all(axis=1)
    return [int(row) for row in np.flatnonzero(~same)]


@pytest.mark.slow
def test_a_stack_is_many_pictures_and_leaves_all_pages_in_one_file(folder):
    assert is_many("stack.tif") and not is_many("stack.tif", 2) and title("stack.tif") == "stack"
    config = config_of("text_inpaint", image="stack.tif", mask="masks.tif")
    summary, said = go(config, folder / "run")
    assert "stack.tif, 3 pages" in said and "[3 of 3] stack-page003: restored" in said
    rows = summary["pictures"]
    assert [row["folder"] for row in rows] == [f"stack-page00{n}" for n in (1, 2, 3)]
    assert [row["page"] for row in rows] == [1, 2, 3] and summary["restored"] == 3
    with tifffile.TiffFile(folder / "run" / "restored.tif") as file:
        assert [page.dtype for page in file.pages] == [np.uint8, np.uint16, np.uint8]
    pages = read_pages(folder / "run" / "restored.tif")
    before = read_pages("stack.tif")
    for number, (page, was) in enumerate(zip(pages, before, strict=True), 1):
        one = reading.read(folder / "run" / f"stack-page{number:03}" / "restored.tif")
        np.testing.assert_array_equal(page.pixels, one.pixels)
        assert page.pixels.dtype == was.pixels.dtype and page.dpi == was.dpi
        first = 3 * number - 2  # of the two rows that its own mask fills
        assert changed_rows(was.pixels, page.pixels) == [first, first + 1]
    report = (folder / "run" / "stack-page002" / "report.html").read_text()
    assert "stack.tif, page 2" in report
    table = (folder / "run" / "summary.md").read_text()
    assert "| stack.tif, page 2 |" in table and "- stack.tif: restored.tif" in table
    # One page alone gives the same, and with one mask for all pages another row is filled.
    alone = config | {"page": 2}
    run(alone, folder / "alone", PlainProgress("test", io.StringIO()))
    np.testing.assert_array_equal(
        reading.read(folder / "alone" / "restored.tif").pixels, pages[1].pixels
    )
    assert title("stack.tif", 2) == "stack-page002"
    fill = prepare(alone | {"mask": "mask.png"}).fill
    assert np.flatnonzero(fill.any(axis=1)).tolist() == [1, 2]


def test_pages_that_fail_leave_no_whole_file_until_they_are_mended(folder):
    masks = [mask_of(12, 10, *rows) for rows in ((1, 3), (0, 0), (0, 0))]
    masks[0].save("masks.tif", save_all=True, append_images=masks[1:])
    config = config_of("text_inpaint", image="stack.tif", mask="masks.tif")
    summary, said = go(config, folder / "run")
    assert (summary["restored"], summary["failed"]) == (1, 2)
    assert "step 6/6" in said  # the bar ends full, whatever has failed
    assert "page 2 of the mask" in summary["pictures"][1]["reason"]
    reason = "2 pages (2, 3) failed"
    assert summary["stacks"] == [
        {"picture": "stack.tif", "pages": 3, "restored": None, "reason": reason}
    ]
    assert not (folder / "run" / "restored.tif").exists()
    assert f"none; {reason}" in (folder / "run" / "summary.md").read_text()
    masks[1:] = [mask_of(12, 10, 4, 6)] * 2
    masks[0].save("masks.tif", save_all=True, append_images=masks[1:])
    summary, said = go(config, folder / "run")
    assert "1 of 3 pictures are done" in said and summary["stacks"][0]["restored"]
    assert count_pages(folder / "run" / "restored.tif") == 3
    written = (folder / "run" / "restored.tif").stat().st_mtime_ns
    assert go(config, folder / "run")[0]["stacks"] == summary["stacks"]
    assert (folder / "run" / "restored.tif").stat().st_mtime_ns == written


def test_an_interrupted_stack_has_no_whole_file(folder):
    config = config_of("text_inpaint", image="stack.tif", mask="mask.png")
    asked = iter([False] * 2 + [True] * 9)  # at the first step of the second page
    summary, _ = go(config, folder / "run", should_stop=lambda: next(asked))
    assert summary["stop_reason"] == "interrupted"
    assert summary["stacks"][0]["reason"] == "2 pages (2, 3) left to be done"
    assert not (folder / "run" / "restored.tif").exists()


def test_pages_in_a_folder_of_pictures(folder):
    (folder / "in").mkdir()
    os.rename("stack.tif", "in/a.tif")
    Image.fromarray(random_pixels(12, 10)).save("in/b.png")
    (folder / "masks").mkdir()
    os.rename("masks.tif", "masks/a.tif")
    os.rename("two.tif", "masks/b.tif")
    config = config_of("text_inpaint", image="in", mask="masks")
    found = find_pictures(config)
    assert [(one.name, one.page, one.shape) for one in found] == [
        ("a-page001", 1, (12, 10, 1)),
        ("a-page002", 2, (12, 10, 1)),
        ("a-page003", 3, (12, 10, 1)),
        ("b", 0, (12, 10, 1)),
    ]
    assert "mask has 2 pages; expected 1, as the picture has" in found[3].failure
    assert [one.failure for one in found[:3]] == [""] * 3
    summary, _ = go(config, folder / "run")
    assert (summary["restored"], summary["failed"]) == (3, 1)
    assert count_pages(folder / "run" / "a-restored.tif") == 3
    with pytest.raises(InputError, match="page is 2"):
        go(config | {"page": 2}, folder / "other")


def test_names_of_pages_that_collide_get_more_of_their_path():
    paths = [Path("x/a.tif"), Path("y/a.tif"), Path("x/b-page001.png"), Path("x/b.tif")]
    names = entry_names(paths, [2, 1000, 1, 2])
    assert names[0] == ["x-a.tif-page001", "x-a.tif-page002", "x-a.tif-restored.tif"]
    assert names[1][0] == "y-a.tif-page0001" and names[1][-1] == "y-a.tif-restored.tif"
    assert names[2:] == [
        ["b-page001.png"],
        ["b.tif-page001", "b.tif-page002", "b.tif-restored.tif"],
    ]


@pytest.mark.parametrize(
    ("task", "changes", "words"),
    [
        ("text_inpaint", {"mask": "two.tif"}, "mask has 2 pages; expected 1, which serves all"),
        ("denoise", {"clean": "two.tif"}, "clean has 2 pages; expected 1, which serves all"),
        ("text_inpaint", {"mask": "low.png"}, "low.png"),
        ("denoise", {"image": "signed.tif"}, "data_range"),
    ],
)
def test_a_stack_that_cannot_be_used_is_refused_and_nothing_is_written(
    folder, task, changes, words
):
    mask_of(9, 10, 1, 3).save("low.png")
    tifffile.imwrite("signed.tif", np.zeros((2, 12, 10), np.int16), photometric="minisblack")
    with pytest.raises(InputError, match=words):
        go(config_of(task, **({"image": "stack.tif"} | changes)), folder / "run")
    assert not (folder / "run").exists()


def test_a_page_that_there_is_not_is_refused(folder):
    for page, words in ((4, "no page 4; expected a page from 1 to 3"), (0, "say which page")):
        with pytest.raises(InputError, match=words):
            prepare(config_of("denoise", image="stack.tif", page=page))
    with pytest.raises(InputError, match="page is given without"):
        prepare(config_of("denoise", page=1))


def test_the_command_refuses_a_mask_with_other_pages(folder, capsys):
    before = sorted(os.listdir())
    for more in ((), ("--report", "work")):
        assert dip_jax("inpaint", "stack.tif", "--mask", "two.tif", "-o", "new.tif", *more) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and "mask has 2 pages; expected 1, which serves all" in err
    assert sorted(os.listdir()) == before


@pytest.mark.slow
def test_a_report_of_all_pages_gives_the_same_file(folder, capsys):
    for more in (("-o", "a.tif"), ("-o", "b.tif", "--report", "work")):
        assert dip_jax("inpaint", "stack.tif", "--mask", "masks.tif", *more) == 0
    assert (folder / "a.tif").read_bytes() == (folder / "b.tif").read_bytes()
    assert "3 of 3 pages, 6 steps" in capsys.readouterr().out
    for number in (1, 2, 3):
        assert (folder / "work" / f"stack-page00{number}" / "report.html").exists()
    assert count_pages(folder / "work" / "restored.tif") == 3


@pytest.mark.slow
def test_with_a_report_every_page_is_read_once(folder, monkeypatch):
    seen, read = [], reading._read

    def seeing(path, *how):
        seen.append(os.fspath(path))
        return read(path, *how)

    monkeypatch.setattr(reading, "_read", seeing)
    arguments = ("inpaint", "stack.tif", "--mask", "masks.tif", "-o", "out.tif", "--report", "work")
    assert dip_jax(*arguments) == 0
    assert seen[:4] == ["stack.tif", *["masks.tif"] * 3]  # a mask for each page
    # Then only for the work directory's own file with all pages.
    assert [Path(path).name for path in seen[4:]] == ["restored.tif"] * 3


def hardly_known():
    """A mask that leaves two pixels, which are held out together with `BLOCKS`: the fit fails."""
    mask = np.full((12, 10), 255, np.uint8)
    mask[0, :2] = 0
    return Image.fromarray(mask)


BLOCKS = ("--set", "heldout.block=5")


@pytest.mark.slow
def test_a_page_that_fails_does_not_lose_the_others(folder, capsys):
    masks = [mask_of(12, 10, 1, 3), hardly_known(), mask_of(12, 10, 7, 9)]
    masks[0].save("masks.tif", save_all=True, append_images=masks[1:])
    arguments = ("inpaint", "stack.tif", "--mask", "masks.tif", *BLOCKS)
    assert dip_jax(*arguments, "-o", "a.tif") == 1
    out, err = capsys.readouterr()
    assert "2 of 3 pages (page 2 failed; the others are as they were)" in out
    assert "page 2 failed, and is left as it was: no known value is left to fit" in err
    pages = list(zip(read_pages("stack.tif"), read_pages("a.tif"), strict=True))
    changed = [changed_rows(was.pixels, page.pixels) for was, page in pages]
    assert changed == [[1, 2], [], [7, 8]]
    assert dip_jax(*arguments, "-o", "b.tif", "--report", "work", "-q") == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("dip-jax: page 2: no known value") and "config." not in err
    assert (folder / "a.tif").read_bytes() == (folder / "b.tif").read_bytes()


def test_where_every_page_fails_nothing_is_written(folder, capsys):
    hardly_known().save("mask.png")
    before = sorted(os.listdir())
    arguments = ("inpaint", "stack.tif", "--mask", "mask.png", *BLOCKS, "-o", "out.tif")
    assert dip_jax(*arguments) == 1
    assert "no page was restored, and nothing was written" in capsys.readouterr().err
    assert sorted(os.listdir()) == before
    assert dip_jax(*arguments, "--report", "work") == 1
    assert not (folder / "out.tif").exists()
    assert capsys.readouterr().err.splitlines()[-1].startswith("dip-jax: page 1: no known value")


@pytest.mark.thorough
@pytest.mark.slow
def test_main_restores_every_page(folder):
    (folder / "runs").mkdir()
    process = subprocess.run(
        [
            *(sys.executable, "-m", "dip_jax.main", f"--config={ROOT}/configs/denoise.py"),
            *("--config.image=stack.tif", "--config.degrade=none", "--config.preview_every=0"),
            *(f"--config.{name}={value}" for name, value in TINY.items()),
        ],
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    work = Path("runs/denoise-stack-seed0")
    assert f"3 of 3 pictures restored\n{work / 'restored.tif'}" in process.stdout
    assert json.loads((work / "stack-page003" / "config.json").read_text())["page"] == 3
    assert count_pages(work / "restored.tif") == 3


def test_a_stack_with_axes_has_them_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    how = {"metadata": {"axes": "CYX"}, "photometric": "minisblack", "compression": "lzw"}
    tifffile.imwrite("stack.tif", random_pixels(2, 12, 10), **how)
    mask_of(12, 10, 3, 5).save("mask.png")
    go(config_of("text_inpaint", image="stack.tif", mask="mask.png"), tmp_path / "run")
    with tifffile.TiffFile(tmp_path / "run" / "restored.tif") as file:
        assert [(one.axes, one.shape) for one in file.series] == [("CYX", (2, 12, 10))]
        assert {int(page.compression) for page in file.pages} == {tifffile.COMPRESSION.LZW}


def test_the_alpha_of_a_picture_is_its_mask_where_none_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels, alpha = random_pixels(12, 10, 3), np.full((12, 10), 255, np.uint8)
    alpha[3:5], alpha[6] = 0, 100
    Image.fromarray(np.dstack([pixels, alpha])).save("erased.png")
    config = config_of("hole_fill", image="erased.png") | {"degrade": "none"}
    job = prepare(config)
    np.testing.assert_array_equal(job.fill, alpha == 0)
    assert job.degraded.alpha is None and "opaque" in job.remarks[0]
    np.testing.assert_array_equal(job.degraded.pixels, pixels)
    mask_of(12, 10, 0, 2).save("mask.png")
    masked = prepare(config | {"mask": "mask.png"})
    assert np.flatnonzero(masked.fill.any(axis=1)).tolist() == [0, 1]
    np.testing.assert_array_equal(masked.degraded.alpha, alpha)
    assert masked.remarks == ()
    mask_of(12, 10, 2, 4).save("across.png")
    (remark,) = prepare(config | {"mask": "across.png"}).remarks
    assert "transparent in 50.0% of what the mask fills, and stays so" in remark
    (remark,) = prepare(config | {"degrade": "missing"}).remarks
    assert "hidden colours" in remark and "--config.degrade=none" in remark
    with pytest.raises(InputError, match=r"config\.mask_polarity is 'keep'"):
        prepare(config | {"mask_polarity": "keep"})
    Image.fromarray(pixels).save("plain.png")
    with pytest.raises(InputError, match=r"give config\.mask.*or a picture that is transparent"):
        prepare(config | {"image": "plain.png"})
