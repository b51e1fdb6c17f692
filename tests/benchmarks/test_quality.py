"""The quality benchmark: what it keeps, how it chooses, and what its tables say."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from benchmarks.ensembles.figures import psnr
from benchmarks.quality import classical, fits, measure, plan, report
from benchmarks.quality.__main__ import main
from benchmarks.quality.figures import entry, mean_entry, means
from benchmarks.quality.quoted import quoted
from benchmarks.quality.sheets import LIMIT, window
from dip_jax.errors import InputError

TINY = {
    "network.scales": 1,
    "network.down": 4,
    "network.up": 4,
    "input.depth": 4,
    "num_steps": 25,
}


def tiny(name):
    """A suite, its settings with a tiny network, and a picture."""
    suite = plan.SUITES[name]
    config = plan.configuration(suite, "cpu", TINY)
    return config, plan.photographs(suite, ["coffee"], config, 32)[0]


def run(folder, *words):
    given = [*words, "--side=36", f"--work={folder}/work", f"--out={folder}"]
    assert main(given) == 0


@pytest.mark.thorough
def test_the_report_of_the_classical_methods_and_what_is_kept_of_them(tmp_path):
    words = ("--suite=denoise", "--pictures=2", "--methods=classical")
    run(tmp_path, *words)
    results = json.loads((tmp_path / "quality_denoise.json").read_text())
    assert [p["name"] for p in results["pictures"]] == ["astronaut", "chelsea"]
    for picture in results["pictures"]:
        degraded, *methods = picture["entries"]
        assert {"total variation", "non-local means"} <= {e["method"] for e in methods}
        for e in methods:
            assert degraded["psnr"] < e["psnr"]
            assert e["oracle_psnr"] is None or e["psnr"] <= e["oracle_psnr"]
    text = (tmp_path / "quality_denoise.md").read_text()
    assert "| method | image | self-stopped, dB | SSIM | oracle, dB | SSIM | seconds |" in text
    assert str(tmp_path) not in text
    assert (tmp_path / "quality_denoise.png").stat().st_size < LIMIT

    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").iterdir()}
    run(tmp_path, *words)
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "work").iterdir()}
    assert (tmp_path / "quality_denoise.md").read_text() == text


@pytest.mark.thorough
def test_parameters_are_never_chosen_on_the_picture_that_is_measured(tmp_path):
    run(tmp_path, "--suite=denoise", "--pictures=1", "--methods=classical")
    grids = [path.name for path in (tmp_path / "work").glob("*-grid-of-*.json")]
    assert grids and not [name for name in grids if "astronaut" in name]
    assert classical.chosen([[1.0, 5.0, 4.0], [2.0, 2.0, 4.0]]) == 2


@pytest.mark.thorough
def test_a_folder_with_a_mask_that_is_white_where_the_picture_is_known(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    pixels = np.tile(np.arange(40, dtype=np.uint8) * 6, (40, 1))
    mask = np.full((40, 40), 255, np.uint8)
    mask[10:16, 20:26] = 0
    Image.fromarray(pixels).save(data / "ramp.png")
    Image.fromarray(mask).save(data / "ramp_mask.png")
    suite = plan.SUITES["hole"]
    config = plan.configuration(suite, "cpu", {})
    (picture,) = plan.suite_pictures(suite, config, data, None, None, "keep")
    np.testing.assert_array_equal(picture.fill, mask == 0)
    # Reduced, as large a share of it is filled.
    (half,) = plan.suite_pictures(suite, config, data, 20, None, "keep")
    np.testing.assert_array_equal(half.fill, (mask == 0)[::2, ::2])

    run(tmp_path, "--suite=hole", f"--data={data}", "--methods=classical", f"--row={data}/ramp.png")
    results = json.loads((tmp_path / "quality_hole.json").read_text())
    degraded, filled, alone = results["pictures"][0]["entries"]
    assert filled["psnr"] > 45 > degraded["psnr"]  # a ramp is a biharmonic surface
    assert alone["psnr"] > 45
    assert results["rows"][0]["shape"] == [40, 40, 1]


def test_what_cannot_be_measured_is_said_in_one_line(tmp_path, capsys):
    given = ["--suite=denoise", f"--data={tmp_path}", f"--work={tmp_path}", f"--out={tmp_path}"]
    assert main(given) == 2
    assert "has no pictures" in capsys.readouterr().err
    with pytest.raises(InputError, match="side is 'wide'"):
        plan.row("picture.png,side=wide")


@pytest.mark.thorough
@pytest.mark.slow
def test_the_oracle_of_a_fit_is_its_best_step_by_the_clean_picture():
    config, picture = tiny("denoise")
    members = fits.fit_members(picture, config, 1)
    known = members.results[0].oracle
    for kind, name in ((fits.OUT, "out"), (fits.AVG, "avg")):
        best = psnr(members.oracle[kind][0], picture.clean)
        assert best == pytest.approx(known[f"psnr_true_{name}"], abs=1e-3)
        assert best >= psnr(members.stopped[kind][0], picture.clean) - 1e-3


def test_twice_the_members_cost_twice_the_steps_and_halve_independent_errors():
    rng = np.random.default_rng(0)
    clean = np.full((32, 32, 3), 0.5, np.float32)
    images = {
        kind: (clean + 0.1 * rng.standard_normal((4, *clean.shape))).astype(np.float32)
        for kind in (fits.RESULT, fits.OUT, fits.AVG)
    }
    members = fits.Members(images, images, [])
    entries, shown = fits.means_of_members(members, clean, 7.0)
    for n, name in ((1, "1 seed"), (2, "2 seeds"), (4, "4 seeds")):
        found = [e for e in entries if e["method"] == f"dip_jax, {name}"]
        assert [e["image"] for e in found] == ["result", "output", "average"]
        for e in found:
            assert e["psnr"] == pytest.approx(20 + 10 * np.log10(n), abs=0.2)
            assert e["psnr"] == e["oracle_psnr"] and e["steps"] == 7.0 * n and e["seconds"] is None
    np.testing.assert_array_equal(shown["dip_jax, 1 seed|result"], images["result"][0])


def test_what_a_person_gets_has_the_known_pixels_as_they_are():
    _, picture = tiny("reconstruct")
    given = picture.given(np.zeros((3, *picture.y.shape), np.float32))
    known = ~picture.fill
    np.testing.assert_array_equal(given[:, known], np.stack(3 * [picture.y[known]]))
    assert not given[:, picture.fill].any()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["denoise", "hole"])
def test_the_baseline_is_taken_at_its_last_step_and_its_oracle_at_the_best(name):
    pytest.importorskip("torch")
    from benchmarks.quality import baseline

    changes = {name: value for name, value in TINY.items() if name != "input.depth"}
    suite = plan.SUITES[name]
    config = plan.configuration(suite, "cpu", changes)
    (picture,) = plan.photographs(suite, ["coffee"], config, 32)
    base = plan.baseline_configuration(suite, config)
    entries, images, _ = baseline.baseline(picture, base, 8)
    for e in entries:
        x = images[f"{e['method']}|{e['image']}"]
        assert e["psnr"] == pytest.approx(psnr(x, picture.clean))
        assert e["oracle_psnr"] >= e["psnr"] - 1e-3
        if picture.fill is not None:
            np.testing.assert_array_equal(x[~picture.fill], picture.y[~picture.fill])


def figures(method, image, value):
    names = ("psnr", "ssim", "oracle_psnr", "oracle_ssim", "seconds", "steps")
    return {"method": method, "image": image} | dict.fromkeys(names, value)


def test_the_largest_ensemble_is_held_against_the_best_of_each_other_method():
    entries = [
        figures("degraded", "", 99.0),
        figures("wavelet", "", 30.5),
        figures("PyTorch, 9 steps", "output", 28.0),
        figures("PyTorch, 9 steps", "average", 29.0),
        figures("dip_jax, 1 seed", "result", 31.0),
        figures("dip_jax, 4 seeds", "result", 30.0),
    ]
    lines = report.ahead(means([entries, entries]))
    assert len(lines) == 4  # the largest ensemble, then one seed
    assert lines[2].endswith("wavelet (30.50 dB): +0.50 dB, ahead")
    assert lines[0].endswith("wavelet (30.50 dB): -0.50 dB, **behind**")
    assert lines[1].endswith("PyTorch, 9 steps average (29.00 dB): +1.00 dB, ahead")


def missing(share, *pictures):
    one = [figures("dip_jax", "result", 35.0)]
    return {
        "suite": "reconstruct",
        "config": {"damage": {"share": share}},
        "pictures": [{"name": n, "shape": [side, side, 1], "entries": one} for n, side in pictures],
    }


def test_published_figures_stand_beside_the_same_pictures_alone():
    lines = quoted(missing(0.5, ("Montage_256", 256), ("Boat_512", 256), ("vase", 256)))
    text = "\n".join(lines)
    assert "| montage | 35.00 | 34.54 |" in text and "boat" not in text and "vase" not in text
    assert lines[-2] == "| **mean of these** | 35.00 | 34.54 | – |"
    assert lines[-1] == "| mean of all eleven | – | 33.48 | 35.14 |"
    assert not quoted(missing(0.5, ("house", 256)) | {"suite": "text"})
    assert not quoted(missing(0.5, ("vase", 256))) and not quoted(missing(0.8, ("house", 256)))


def test_the_mean_of_all_eleven_is_the_one_that_is_published():
    sides = {"barbara": 512, "boat": 512, "cameraman": 256, "couple": 512, "fingerprint": 512}
    sides |= {"hill": 512, "house": 256, "lena": 512, "man": 512, "montage": 256, "peppers": 256}
    for share, last in ((0.5, "33.48 | 35.14 |"), (0.9, "24.34 | 25.91 |")):
        assert quoted(missing(share, *sides.items()))[-1] == f"| **mean** | 35.00 | {last}"


def test_a_mean_leaves_out_what_not_every_picture_has():
    first = [figures("wavelet", "", 30.0), figures("BM3D", "", 32.0)]
    second = [figures("wavelet", "", 20.0) | {"oracle_psnr": None}]
    (mean,) = means([first, second])
    assert mean["psnr"] == 25 and mean["oracle_psnr"] is None


@pytest.mark.thorough
@pytest.mark.slow
def test_a_fits_seconds_are_its_steps_by_those_of_a_step(tmp_path):
    settings = [f"--set={name}={value}" for name, value in TINY.items()]
    run(
        tmp_path,
        "--suite=reconstruct",
        "--side=64",
        "--pictures=1",
        "--seeds=2",
        "--methods=dip_jax",
        *settings,
    )
    results = json.loads((tmp_path / "quality_reconstruct.json").read_text())
    (picture,) = results["pictures"]
    a_step = picture["details"]["times"]["dip_jax"]
    assert 0 < a_step < 5
    found = [e for e in picture["entries"] if e["method"].startswith("dip_jax")]
    assert {e["method"] for e in found} == {"dip_jax, 1 seed", "dip_jax, 2 seeds"}
    for e in found:
        assert e["seconds"] == pytest.approx(e["steps"] * a_step)
        assert e["steps"] == 25 * int(e["method"].split()[1])


def test_the_spread_over_seeds_is_told_where_there_are_several():
    clean = np.full((16, 16, 1), 0.5, np.float32)
    members = [clean + np.float32(off) for off in (0.1, 0.01)]  # 20 and 40 dB
    alone = entry("surface", "", members[0], members[0], clean)
    of_seeds = mean_entry("dip_jax, 1 seed", "result", members, members, clean)
    assert of_seeds["psnr"] == pytest.approx(30, abs=1e-3)
    assert of_seeds["spread"] == pytest.approx(20 / np.sqrt(2), abs=1e-3)
    several = report.figures_table(means([[alone, of_seeds]] * 2))
    assert "| 30.00 | 14.14 |" in several[-1] and "| 20.00 | – |" in several[-2]
    assert "spread" in several[0] and "spread" not in report.figures_table([alone])[0]


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.parametrize("suite", ["reconstruct"])
def test_an_accelerator_fits_all_pictures_side_by_side(tmp_path, monkeypatch, suite):
    together = []

    def fit_pictures(pictures, *args):
        together.append([picture.name for picture in pictures])
        plain(pictures, *args)

    plain = fits.fit_pictures
    monkeypatch.setattr(fits, "fit_pictures", fit_pictures)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    made_on = measure.made_on() | {"device": "an accelerator"}
    monkeypatch.setattr(measure, "made_on", lambda: made_on)
    settings = [f"--set={name}={value}" for name, value in TINY.items()]
    words = (f"--suite={suite}", "--side=48", "--seeds=2", "--methods=dip_jax", *settings)
    run(tmp_path, *words, "--pictures=1")
    run(tmp_path, *words, "--pictures=3")  # the first one is kept
    jax.clear_caches()
    results = json.loads((tmp_path / f"quality_{suite}.json").read_text())
    names = [picture["name"] for picture in results["pictures"]]
    assert together == [names[:1], names[1:]]
    for picture in results["pictures"]:
        assert "times" not in picture["details"]
        a_step = picture["details"]["dip_jax"]["step"]
        found = [e for e in picture["entries"] if e["method"].startswith("dip_jax")]
        assert len(found) == 6 and all(e["psnr"] > 5 for e in found)
        assert all(e["oracle_psnr"] >= e["psnr"] - 0.5 for e in found if e["image"] != "result")
        assert found[0]["seconds"] == pytest.approx(found[0]["steps"] * a_step)
    text = (tmp_path / f"quality_{suite}.md").read_text()
    assert "side by side" in text and "an accelerator" in text


@pytest.mark.thorough
@pytest.mark.slow
def test_the_oracle_of_a_masked_task_is_of_what_a_person_gets():
    config, picture = tiny("reconstruct")
    members = fits.fit_members(picture, config, 1)
    for images in (members.stopped, members.oracle):
        for kind in (fits.RESULT, fits.OUT, fits.AVG):
            known = ~picture.fill
            np.testing.assert_array_equal(images[kind][0][known], picture.y[known])
    for kind in (fits.OUT, fits.AVG):
        best = psnr(members.oracle[kind][0], picture.clean)
        assert best >= psnr(members.stopped[kind][0], picture.clean) - 1e-3


def test_a_crop_shows_what_was_filled():
    _, picture = tiny("hole")
    rows, columns = window(picture, 12)
    assert picture.fill[rows, columns].shape == (12, 12)
    assert picture.fill[rows, columns].any()
