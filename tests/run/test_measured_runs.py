"""Runs whose picture was measured by an operator: the same contracts as those of the four tasks."""

import contextlib
import io
import json

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.data import astronaut, shepp_logan_phantom
from skimage.transform import resize
from tiers import first_always

import dip_jax
from dip_jax import operators
from dip_jax.errors import InputError, Interrupted
from dip_jax.pictures import reading
from dip_jax.report.progress import PlainProgress
from dip_jax.run.many import run_folder
from dip_jax.run.one import run
from dip_jax.run.workdir import check_workdir
from dip_jax.settings import fields, tasks

TINY = {
    "network.scales": 1,
    "network.down": (4,),
    "network.up": (4,),
    "sample.side": 48,
    "num_steps": 20,
    "log_every": 5,
    "preview_every": 10,
    "checkpoint_every": 10,
    "refine": False,
}
MEASURED = [name for name in tasks.DOORS if name in tasks.MEASURED]
OWN = {"degrade": "none"}


OF_TASK = {  # so that little is to be done
    "tomography": {"sample.side": 32, "operator.views": 8, "refine": True},
    "super_resolve": {"operator.factor": 2},
}


def config_of(task, **changes):
    return fields.override(tasks.defaults(task), TINY | OF_TASK.get(task, {}) | changes)


def go(config, folder, **options):
    stream = io.StringIO()
    summary = run(config, folder, PlainProgress("test", stream), **options)
    return summary, stream.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("task", first_always(MEASURED))
def test_a_sample_is_damaged_and_restored(task, tmp_path):
    summary, said = go(config_of(task), tmp_path / "run")
    if task == "tomography":
        restored = reading.read(tmp_path / "run" / "restored.tif").pixels
        degraded = reading.read(tmp_path / "run" / "degraded.tif", (-100, 100)).pixels
        assert restored.shape == (32, 32) and degraded.shape == (32, 8)
        assert restored.dtype == degraded.dtype == np.float32
    else:
        restored = reading.read(tmp_path / "run" / "restored.png").pixels
        degraded = reading.read(tmp_path / "run" / "degraded.png").pixels
        factor = 2 if task == "super_resolve" else 1
        assert restored.shape[:2] == tuple(factor * n for n in degraded.shape[:2])
        assert restored.ndim == (2 if task == "deblur" else 3)  # the sample of one is grey
    assert summary["task"] == task and summary["metrics"]["restored"]["psnr_true"] > 10
    words = {"super_resolve": "2 times", "deblur": "Gaussian", "demosaic": "RGGB"}
    words["tomography"] = "8 views of 32 detectors over 180 degrees"
    assert words.get(task, "compressed as JPEG, with steps of 80 to") in said
    for name in ("report.html", "comparison.png", "curves.png", "preview/step_000010.png"):
        assert (tmp_path / "run" / name).stat().st_size > 100
    assert tasks.MEASURED[task].done in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("task", first_always(MEASURED))
def test_an_interrupted_run_goes_on_bit_for_bit(task, tmp_path):
    whole, _ = go(config_of(task), tmp_path / "whole")
    calls = iter([False, False, True])
    with contextlib.suppress(Interrupted):
        go(config_of(task), tmp_path / "cut", should_stop=lambda: next(calls, True))
    summary, said = go(config_of(task), tmp_path / "cut")
    assert "going on after step" in said
    assert summary["metrics"] == whole["metrics"]
    suffix = "tif" if task == "tomography" else "png"
    one, two = ((tmp_path / n / f"restored.{suffix}").read_bytes() for n in ("whole", "cut"))
    assert one == two


@pytest.fixture
def own(tmp_path):
    Image.fromarray(astronaut()[:160:4, :144:4]).save(tmp_path / "photo.png", dpi=(100, 100))
    return tmp_path


@pytest.mark.thorough
def test_a_run_gives_what_python_gives(own):
    config = config_of(
        "super_resolve", image=str(own / "photo.png"), **OWN, **{"operator.factor": 2}
    )
    go(config, own / "run")
    by_run = reading.read(own / "run" / "restored.png")
    options = {n: v for n, v in TINY.items() if n not in ("sample.side", "num_steps")}
    options = {n: v for n, v in options.items() if n not in ("preview_every", "checkpoint_every")}
    pixels = np.asarray(Image.open(own / "photo.png"))
    by_python = dip_jax.super_resolve(pixels, 2, num_steps=20, options=options)
    np.testing.assert_array_equal(by_run.pixels, by_python)
    assert by_run.dpi == pytest.approx((200, 200), rel=1e-2)  # of the same size on paper


@pytest.mark.thorough
def test_seeds_and_their_uncertainty(own):
    config = config_of("deblur", image=str(own / "photo.png"), seeds=2, **OWN)
    summary, _ = go(config, own / "run")
    assert summary["seeds"] == [0, 1] and (own / "run" / "uncertainty.png").exists()


@pytest.mark.thorough
def test_a_folder_of_pictures_of_several_sizes(own):
    (own / "scans").mkdir()
    for name, size in (("a", 20), ("b", 24)):
        Image.fromarray(astronaut()[:size, :size]).save(own / "scans" / f"{name}.png")
    config = config_of("super_resolve", image=str(own / "scans"), **OWN)
    summary = run_folder(config, own / "run", PlainProgress("test", io.StringIO()))
    assert summary["restored"] == 2
    assert reading.read(own / "run" / "b" / "restored.png").pixels.shape == (48, 48, 3)


@pytest.mark.thorough
def test_a_clean_picture_has_the_size_of_the_result(own):
    Image.fromarray(astronaut()[:80:2, :72:2]).save(own / "clean.png")
    small = reading.read(own / "photo.png").pixels[:20, :18]
    Image.fromarray(small).save(own / "small.png")
    files = {"image": str(own / "small.png"), "clean": str(own / "clean.png")}
    summary, _ = go(config_of("super_resolve", **files), own / "run")
    assert "psnr_true" in summary["metrics"]["restored"]
    with pytest.raises(InputError, match="expected 72 x 80 pixels with 3 channels"):
        go(config_of("super_resolve", **files, **{"operator.factor": 4}), own / "other")


def test_a_kernel_is_read_from_its_file(own):
    kernel = np.outer([1, 2, 1], [1, 2, 1]).astype(np.uint8)
    Image.fromarray(kernel).save(own / "psf.png")
    changes = {"image": str(own / "photo.png"), "operator.kernel": str(own / "psf.png")}
    _, said = go(config_of("deblur", **OWN, **changes), own / "run")
    assert "blurred by a kernel of 3 x 3 pixels" in said


@pytest.mark.thorough
def test_a_jpeg_says_how_it_was_compressed_and_another_file_does_not(own):
    Image.open(own / "photo.png").save(own / "photo.jpg", quality=30, subsampling=0)
    _, said = go(config_of("remove_jpeg", image=str(own / "photo.jpg"), **OWN), own / "run")
    assert "chroma 4:4:4" in said
    config = config_of("remove_jpeg", image=str(own / "photo.png"), **OWN)
    with pytest.raises(InputError, match="does not say how it was compressed"):
        go(config, own / "none")
    config["operator"]["quality"] = 30
    _, said = go(config, own / "told")
    assert "chroma 4:2:0" in said


@pytest.mark.thorough
def test_a_sinogram_of_ones_own_in_its_own_units(own):
    """In a TIFF of floats, of which `data_range` says the values."""
    angles = np.linspace(0, 180, 12, endpoint=False)
    body = 7.0 * resize(shepp_logan_phantom(), (32, 32)).astype(np.float32)
    sinogram = np.asarray(operators.radon(angles)(body[..., None]))[..., 0]
    tifffile.imwrite(own / "sinogram.tif", sinogram)
    top = float(sinogram.max())
    changes = {"image": str(own / "sinogram.tif"), "data_range": (0.0, top), "num_steps": 100}
    go(config_of("tomography", **OWN, **changes), own / "run")
    found = tifffile.imread(own / "run" / "restored.tif")
    assert np.corrcoef(found.ravel(), body.ravel())[0, 1] > 0.7
    assert 0.8 < found.sum() / body.sum() < 1.2


def test_the_fingerprint_is_of_the_operator_too(own):
    config = config_of("super_resolve", image=str(own / "photo.png"), **OWN)
    go(config, own / "run")
    saved = json.loads((own / "run" / "config.json").read_text())
    assert saved["operator"] == {"factor": 2, "kernel": "lanczos2"}
    with pytest.raises(InputError, match=r"operator\.kernel"):
        go(fields.override(config, {"operator.kernel": "area"}), own / "run")
    del saved["heldout"]["kind"]  # which earlier versions did not have
    (own / "run" / "config.json").write_text(json.dumps(saved))
    assert check_workdir(own / "run", config)
    with pytest.raises(InputError, match=r"heldout\.kind was None, is 'rows'"):
        check_workdir(own / "run", fields.override(config, {"heldout.kind": "rows"}))


@pytest.mark.parametrize(
    ("task", "changes", "words"),
    [
        ("super_resolve", {"operator.factor": 1}, "factor is 1"),
        ("super_resolve", {"operator.kernel": "box"}, "kernel is 'box'"),
        ("super_resolve", {"mask": "mask.png", "image": "photo.png"}, "super_resolve takes none"),
        ("super_resolve", {"degrade": "noise"}, "expected measured or none"),
        ("deblur", {"operator.sigma": 0.0}, "sigma is 0.0; expected"),
        ("deblur", {"operator.kernel": "psf.png", "operator.sigma": 2.0}, "expected one of them"),
        ("deblur", {"operator.boundary": "valid"}, "boundary is 'valid'"),
        ("deblur", {"operator.kernel": "none.tif"}, "none.tif"),
        ("tomography", {"operator.degrees": 0.0}, "degrees is 0.0"),
        ("tomography", {"operator.views": 0}, "views is 0"),
        ("tomography", {"operator.white": -1.0}, "white is -1.0"),
        ("tomography", {"sample.name": "coffee"}, "has colours"),
        ("tomography", {"image": "photo.png"} | OWN, "one value each"),
        ("demosaic", {"operator.pattern": "RGB"}, "pattern is 'RGB'"),
        ("demosaic", {"sample.name": "camera"}, "is grey"),
        ("demosaic", {"image": "photo.png"} | OWN, "one value at every pixel"),
        ("remove_jpeg", {"operator.quality": 101}, "quality is 101"),
        ("remove_jpeg", {"operator.subsampling": "4:1:0"}, "subsampling is '4:1:0'"),
        ("denoise", {"degrade": "measured"}, "expected noise"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(
    own, monkeypatch, task, changes, words
):
    monkeypatch.chdir(own)
    with pytest.raises(InputError, match=words) as refused:
        go(config_of(task, **changes), own / "run")
    assert "\n" not in str(refused.value) and not (own / "run").exists()
