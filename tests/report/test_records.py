"""Files are whole and strict; pictures show what they were given."""

import io
import json
import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from PIL import Image

from dip_jax import files
from dip_jax.errors import InputError
from dip_jax.report import plots, records
from dip_jax.report.comparison import comparison, write_picture
from dip_jax.report.style import ORACLE_COLOUR, REFERENCES


def refuse_constant(name: str) -> float:
    raise AssertionError(f"{name} is not JSON")


def strict_json(text: str | bytes) -> Any:
    return json.loads(text, parse_constant=refuse_constant)


def history(n: int, *, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    steps = 25 * np.arange(1, n + 1)
    rise = -18 * np.exp(-steps / 90) - np.maximum(steps - 500, 0) / 400
    keys = [f"psnr_{r}_{o}" for r in ("true", "heldout", "observed") for o in ("avg", "out")]
    keys += [f"ssim_{r}_{o}" for r in ("true", "observed") for o in ("avg", "out")]
    rows = []
    for step, rising in zip(steps, rise, strict=True):
        row: dict[str, Any] = {"step": int(step), "loss": 0.01}
        for offset, key in enumerate(keys):
            if not key.startswith(without):
                row[key] = float(29 - offset + rising if "psnr" in key else 0.9 + rising / 30)
        rows.append(row)
    return rows


# Files


def test_a_writer_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "restored.png"
    path.write_bytes(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half of the n")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        files.write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["restored.png"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    seen = []

    def write(file: BinaryIO) -> None:
        file.write(b"new")
        seen.append(path.read_bytes())

    files.write_atomically(path, write)
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_written_file_has_the_permissions_of_an_ordinary_one(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_bytes(b"")
    records.write_json(tmp_path / "ours", {})
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_json_is_strict_whatever_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    value = {
        "psnr": math.nan,
        "best": [math.inf, np.float32(-np.inf), np.float32(0.5), np.float64(28.9)],
        "shape": np.array([3, 4]),
        "step": np.int32(7),
        "done": np.bool_(True),
        "image": Path("a") / "b.png",
        "scalar": np.array(1.5, np.float16),
        "name": "Schrödinger",
        1: None,
    }
    records.write_json(path, value)
    assert strict_json(path.read_bytes()) == {
        "psnr": None,
        "best": [None, None, 0.5, 28.9],
        "shape": [3, 4],
        "step": 7,
        "done": True,
        "image": str(Path("a") / "b.png"),
        "scalar": 1.5,
        "name": "Schrödinger",
        "1": None,
    }
    assert '\n  "psnr": null' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [{1, 2}, 1j, np.complex64(1), object(), b"bytes"])
def test_what_json_cannot_hold_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(TypeError, match="JSON cannot hold"):
        records.write_json(tmp_path / "a.json", {"value": value})
    assert os.listdir(tmp_path) == []


def test_metrics_are_one_object_per_line_written_at_once_or_appended(tmp_path: Path) -> None:
    rows = [{"step": 1, "loss": np.float32(0.5)}, {"step": 2, "loss": math.nan, "note": "a\nb"}]
    at_once, appended = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    records.write_metrics(at_once, rows)
    for count, row in enumerate(rows, 1):
        records.append_metrics(appended, row)
        assert appended.read_bytes().count(b"\n") == count
    assert at_once.read_bytes() == appended.read_bytes()
    lines = at_once.read_text().splitlines()
    assert [strict_json(line)["step"] for line in lines] == [1, 2]


# The comparison


def contains(picture: np.ndarray, part: np.ndarray) -> bool:
    """Whether `part` is somewhere in `picture`, pixel for pixel."""
    h, w = part.shape[:2]
    rows, columns = np.nonzero((picture == part[0, 0]).all(-1))
    return any(
        np.array_equal(picture[i : i + h, j : j + w], part)
        for i, j in zip(rows, columns, strict=True)
    )


@pytest.mark.parametrize(
    ("shape", "factor"),
    [((300, 240, 3), 1), ((60, 50, 1), 4), ((8, 300, 3), 1), ((300, 7, 3), 1), ((1, 1, 3), 224)],
)
def test_panels_are_in_the_comparison_pixel_for_pixel(
    shape: tuple[int, int, int], factor: int
) -> None:
    images = [np.random.default_rng(seed).random(shape).astype(np.float32) for seed in range(2)]
    labels = ["degraded 20.2 dB", "restored 28.9 dB"]
    picture = np.asarray(comparison(list(zip(labels, images, strict=True))))
    for image in images:
        pixels = np.round(image.astype(np.float64) * 255).astype(np.uint8)
        pixels = np.broadcast_to(pixels, (*shape[:2], 3)).repeat(factor, 0).repeat(factor, 1)
        assert contains(picture, pixels)
    assert (picture[0] == 255).all() and (picture[:, 0] == 255).all()


@pytest.mark.parametrize(
    "label",
    [
        "restored 28.9 dB",
        "restored 28.9 dB, held-out 28.2 dB, the mean of four seeds of the network, step 1200",
        "a_name_without_a_single_place_to_break_it_" * 3,
        "",
    ],
)
def test_a_label_stays_within_its_panel(label: str) -> None:
    width = 200
    blank = np.ones((256, width, 3))
    gap = 12
    picture = np.asarray(comparison([("x", blank), (label, blank), ("x", blank)]))
    dark = np.asarray((picture < 128).any((0, 2)))
    assert not dark[gap + width : 2 * gap + width].any()
    assert not dark[2 * (gap + width) : 2 * (gap + width) + gap].any()
    assert dark[2 * gap + width : 2 * (gap + width)].any() == bool(label)


def test_values_outside_the_range_are_clipped_and_the_input_is_left_alone() -> None:
    image = np.full((256, 256, 3), np.array([-1.0, 2.0, np.nan]))
    before = image.copy()
    picture = np.asarray(comparison([("x", image)]))
    assert (picture == [0, 255, 0]).all(-1).sum() == 256 * 256
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3), (2, 8, 8, 3)])
def test_other_shapes_are_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="'clean' has shape"):
        comparison([("clean", np.zeros(shape))])


def test_a_comparison_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no panels"):
        comparison([])


# The curves


@pytest.mark.parametrize(
    ("rows", "chosen_step"),
    [
        (history(40), 500),
        (history(40, without=("psnr_true", "ssim_true")), 1000),
        (history(40, without=("ssim",)), 510),
        (history(1), 25),
        (history(2), None),
        (history(3, without=("psnr", "ssim")), 25),
        ([{"step": 0, "loss": 1.0, "psnr_true_avg": None, "ssim_true_avg": math.nan}], 0),
        ([{"step": i, "psnr_true_avg": math.inf if i % 2 else 30.0} for i in range(9)], 0),
        ([], None),
    ],
)
def test_curves_are_a_valid_png_for_whole_partial_and_short_histories(
    tmp_path: Path, rows: list[dict[str, Any]], chosen_step: int | None
) -> None:
    path = tmp_path / "curves.png"
    title = "denoise: a_$file^{name$.png" + " which is long" * 12
    write_picture(path, plots.curves(rows, chosen_step, "heldout", title))
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        picture.load()
        assert picture.format == "PNG" and picture.mode == "RGB"
        assert picture.width >= 800


def test_the_ssim_axes_are_left_out_where_there_is_no_ssim() -> None:
    both = plots.curves(history(9), 100, "heldout", "x")
    one = plots.curves(history(9, without=("ssim",)), 100, "heldout", "x")
    assert one.height < both.height


def has_colour(picture: Image.Image, colour: str) -> bool:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.asarray(picture) == rgb).all(-1).sum() > 20)


@pytest.mark.parametrize("present", ["true", "heldout", "observed"])
def test_each_reference_is_drawn_in_its_own_colour(present: str) -> None:
    absent = tuple(f"psnr_{other}" for other in REFERENCES if other != present)
    picture = plots.curves(history(30, without=("ssim", *absent)), 500, "heldout", "x")
    for reference, colour in REFERENCES.items():
        assert has_colour(picture, colour) == (reference == present)


def test_the_oracle_is_marked_only_where_the_truth_is_known() -> None:
    known = plots.curves(history(30, without=("ssim",)), 700, "heldout", "x")
    unknown = plots.curves(history(30, without=("ssim", "psnr_true")), 700, "heldout", "x")
    assert has_colour(known, ORACLE_COLOUR)
    assert not has_colour(unknown, ORACLE_COLOUR)


def test_the_bad_values_of_the_first_steps_do_not_squash_the_rest() -> None:
    """A first value of 5 dB or of 15 dB gives much the same picture of the later ones."""
    rows = history(60, without=("ssim", "psnr_observed", "psnr_heldout"))
    worse = [dict(row) for row in rows]
    for key in ("psnr_true_avg", "psnr_true_out"):
        worse[0][key] -= 10.0

    def heights(rows: list[dict[str, Any]]) -> int:
        picture = np.asarray(plots.curves(rows, None, "x", "x"))
        curve = (picture == [0x00, 0x9E, 0x73]).all(-1)
        lines = np.nonzero(curve[:, : picture.shape[1] * 3 // 4].any(1))[0]
        return int(lines.max() - lines.min())

    assert heights(worse) == pytest.approx(heights(rows), rel=0.05)
