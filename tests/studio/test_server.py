"""The studio without its page: what it does with a picture, and whom and what it refuses."""

import io
import json
import re
import shlex
import subprocess
import sys
import time
import warnings
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from serving import SIZE, SMALL, Person, layer, serving, waves
from tiers import first_always

from dip_jax.cli import command
from dip_jax.cli.many_files import restore_files
from dip_jax.pictures.picture import Picture
from dip_jax.studio import command as studio_command
from dip_jax.studio.asked import asked, offered
from dip_jax.studio.desk import name_of
from dip_jax.studio.guard import Guard

MARKED = np.zeros(SIZE, bool)
MARKED[10:14, 5:40] = True


@pytest.fixture(scope="module")
def person():
    with serving() as one:
        yield one


@pytest.fixture
def photo(person):
    """A picture with something painted on it."""
    id = person.open_pixels(waves())["id"]
    assert person.told(f"/api/pictures/{id}/mask", "PUT", layer(MARKED)) == {"marked": True}
    return id


def download(person, work):
    status, data, headers = person.ask(f"/api/works/{work['number']}/result")
    assert status == 200
    return data, headers["content-disposition"]


# What it is for


def test_a_picture_of_16_bits_comes_back_with_its_bits_and_what_its_file_said(person):
    pixels, buffer = waves(np.uint16), io.BytesIO()
    tifffile.imwrite(buffer, pixels, photometric="rgb", resolution=(300, 300))
    picture = person.open(buffer.getvalue(), "an old scan.tif")
    assert picture["depth"] == "16 bits" and (picture["width"], picture["height"]) == SIZE[::-1]
    person.told(f"/api/pictures/{picture['id']}/mask", "PUT", layer(MARKED))
    work = person.wait(person.start(picture["id"], "inpaint"))
    data, disposition = download(person, work)
    assert "an%20old%20scan_inpainted.tif" in disposition
    restored = tifffile.imread(io.BytesIO(data))
    assert restored.dtype == np.uint16
    assert np.array_equal(restored[~MARKED], pixels[~MARKED])
    assert not np.array_equal(restored[MARKED], pixels[MARKED])
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert file.pages[0].resolution == (300, 300)


def test_the_command_and_the_lines_of_python_that_it_shows_do_the_same(
    person, photo, tmp_path, monkeypatch
):
    work = person.wait(person.start(photo, "inpaint", seeds=2))
    data, _ = download(person, work)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(waves()).save("photo.png")
    (tmp_path / "photo_mask.png").write_bytes(person.ask(f"/api/works/{work['number']}/mask")[1])
    words = shlex.split(work["result"]["command"])
    assert words[:4] == ["dip-jax", "inpaint", "photo.png", "--mask"]
    assert restore_files(command.make_parser().parse_args(words[1:])) == 0
    expected = np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal(np.asarray(Image.open("photo_inpainted.png")), expected)
    Path("photo_inpainted.png").unlink()
    exec(compile(work["result"]["python"], "shown", "exec"), {})
    assert np.array_equal(np.asarray(Image.open("photo_inpainted.png")), expected)
    assert work["result"]["uncertainty"] > 0
    overlay = person.ask(f"/api/works/{work['number']}/uncertainty")[1]
    strength = np.asarray(Image.open(io.BytesIO(overlay)))[..., 3]
    assert strength[MARKED].max() > 100 and not strength[~MARKED].any()


def test_it_offers_what_the_package_offers_and_shows_python_for_it(person):
    assert [task["name"] for task in person.told("/api/tasks")] == list(command.COMMANDS)
    for name, task in offered().items():
        own = {"factor": 3, "sigma": 1.5, "pattern": "BGGR", "quality": 20, "degrees": 90}
        options = {o["name"]: own[o["name"]] for o in task["options"] if o["name"] in own}
        form = asked({"command": name, "options": options | {"seed": 3, "draft": True}})
        arguments = form.arguments("p.png", "m.png" if task["fills"] else None, {})
        assert {key: getattr(arguments, key) for key in options} == options
        assert (arguments.seed, arguments.draft) == (3, True)
        mask = "m.png" if task["fills"] else None
        lines = form.as_python("p.png", mask, {}, "o.png", Picture(waves()))
        assert ("rng=3" in lines and compile(lines, name, "exec")) or name == "tomography"
        assert "--" not in task["description"] + "".join(o["help"] for o in task["options"])


def test_it_tells_time_and_memory_before_it_starts(person, photo):
    form = {"command": "inpaint", "options": {"set": SMALL}}
    told = person.told(f"/api/pictures/{photo}/estimate", "POST", form)
    assert told["output"] == "photo_inpainted.png"
    assert any("of memory" in line and "seconds" in line for line in told["lines"])
    form["options"] |= {"criterion": "oracle"}
    status, error = person.refusal(f"/api/pictures/{photo}/estimate", "POST", form)
    assert status == 422 and "oracle" in error and "\n" not in error


def test_one_is_restored_at_a_time_and_stopping_keeps_what_there_is(person, photo):
    work = person.start(photo, "inpaint", "stop.patience=0", steps=10**6)
    other = person.open_pixels(waves(), "other.png")["id"]
    form = {"command": "denoise", "options": {"set": SMALL}}
    status, error = person.refusal(f"/api/pictures/{other}/start", "POST", form)
    assert status == 409 and error.startswith("photo.png is being restored")
    assert person.told("/api/state")["now"]["number"] == work["number"]
    first = 0
    while not first:  # a preview, and then another
        first = person.told(f"/api/works/{work['number']}")["preview"]
        time.sleep(0.05)
    before = person.ask(f"/api/works/{work['number']}/preview")[1]
    while person.told(f"/api/works/{work['number']}")["preview"] == first:
        time.sleep(0.05)
    assert person.ask(f"/api/works/{work['number']}/preview")[1] != before
    assert person.told(f"/api/works/{work['number']}/stop", "POST")["stopping"]
    work = person.wait(work)
    assert work["result"]["why"].startswith("Stopped by you") and work["made"] < 10**6
    assert np.isfinite(np.array(work["curve"], float)).all()
    assert person.told("/api/state")["now"] is None


def test_parts_stay_when_the_next_is_shown(person):
    pixels = waves(size=(200, 400))
    marked = np.zeros((200, 400), bool)
    marked[20:24, 20:40] = marked[170:174, 360:380] = True
    id = person.open_pixels(pixels)["id"]
    person.told(f"/api/pictures/{id}/mask", "PUT", layer(marked))
    work = person.start(id, "inpaint", "parts.kind=auto", steps=6)
    work = person.wait(work)
    assert work["parts"] == 2 and work["parted"] and work["close_up"] is False
    restored = np.asarray(Image.open(io.BytesIO(download(person, work)[0])))
    assert np.array_equal(restored[~marked], pixels[~marked])
    for place in (slice(0, 100), slice(100, 200)):
        assert not np.array_equal(restored[place], pixels[place])


def test_a_large_picture_is_painted_reduced_and_filled_at_full_size(person, monkeypatch):
    monkeypatch.setattr("dip_jax.studio.views.MOST_PIXELS", 600)
    monkeypatch.setattr("dip_jax.studio.views.reduction.__defaults__", (600,))
    picture = person.open_pixels(waves())
    assert picture["reduced"] == 2 and picture["view"] == [SIZE[1] // 2, SIZE[0] // 2]
    small = np.zeros((SIZE[0] // 2, SIZE[1] // 2), bool)
    small[5, 3:9] = True
    person.told(f"/api/pictures/{picture['id']}/mask", "PUT", layer(small))
    mask = person.ask(f"/api/pictures/{picture['id']}/mask")[1]
    expected = small.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(mask))), expected)
    again = person.ask(f"/api/pictures/{picture['id']}/mask?as=layer")[1]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(again)))[..., 3] > 0, small)


def test_a_mask_from_a_file_and_one_that_suggests_itself(person):
    pixels = np.full((128, 160, 3), 90, np.uint8)
    pixels += np.random.default_rng(0).integers(0, 6, pixels.shape, np.uint8)
    scratch = np.zeros((128, 160), bool)
    scratch[30:33, 20:140] = True
    pixels[scratch] = 240
    id = person.open_pixels(pixels)["id"]
    marks = person.ask(f"/api/pictures/{id}/marks?sensitivity=0.5")[1]
    found = np.asarray(Image.open(io.BytesIO(marks)))[..., 3] > 0
    assert found[scratch].all() and found.mean() < 0.1
    buffer = io.BytesIO()
    Image.fromarray(~scratch).save(buffer, "PNG")
    path = f"/api/pictures/{id}/mask-file?name=mask.png&polarity=keep"
    status, data, headers = person.ask(path, "POST", buffer.getvalue())
    assert status == 200 and "x-remarks" in headers
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)))[..., 3] > 0, scratch)
    path = f"/api/pictures/{id}/mask-file?name=mask.png"
    status, error = person.refusal(path, "POST", b"no picture")
    assert status == 422 and "'mask.png'" in error and str(person.studio.desk.folder) not in error


@pytest.mark.thorough
def test_a_kernel_is_a_file_of_an_option(person):
    id = person.open_pixels(waves(channels=1))["id"]
    kernel = io.BytesIO()
    Image.fromarray(np.full((3, 3), 200, np.uint8)).save(kernel, "PNG")
    answer = person.told(f"/api/pictures/{id}/files/kernel?name=k.png", "POST", kernel.getvalue())
    assert answer["files"] == {"kernel": "k.png"}
    small = SMALL.replace(" parts.kind=whole", "")
    work = person.start(id, "deblur", set=small)
    work = person.wait(work)
    assert "--kernel k.png" in work["result"]["command"]
    assert "kernel = imagecodecs.imread('k.png')" in work["result"]["python"]
    status, error = person.refusal(f"/api/pictures/{id}/files/kernel?name=k.png", "POST", b"none")
    assert status == 422 and "'k.png' is not a picture" in error
    answer = person.told(f"/api/pictures/{id}/files/kernel", "DELETE")
    assert answer["files"] == {}
    work = person.wait(person.start(id, "deblur", set=small, sigma=1.5))
    assert "--sigma 1.5" in work["result"]["command"]


@pytest.mark.parametrize("task", first_always(["denoise", "deblur", "super-resolve"]))
def test_what_is_painted_is_nothing_to_other_tasks(person, photo, task, tmp_path, monkeypatch):
    set_here = SMALL if task == "denoise" else SMALL.replace(" parts.kind=whole", "")
    own = {"deblur": {"sigma": 1.5}, "super-resolve": {"factor": 2}}.get(task, {})
    work = person.wait(person.start(photo, task, set=set_here, **own))
    assert "mask" not in work["result"]["command"] and work["result"]["mask"] is None
    monkeypatch.chdir(tmp_path)
    Image.fromarray(waves()).save("photo.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what waves are seen to be
        exec(compile(work["result"]["python"], "shown", "exec"), {})
    with Image.open(work["result"]["file"]) as by_python:
        expected = np.asarray(Image.open(io.BytesIO(download(person, work)[0])))
        assert np.array_equal(np.asarray(by_python), expected)


def test_a_name_that_looks_like_an_option_is_shown_as_one_that_can_be_pasted(person):
    id = person.open_pixels(waves(), "-o it's.png")["id"]
    person.told(f"/api/pictures/{id}/mask", "PUT", layer(MARKED))
    work = person.wait(person.start(id, "inpaint"))
    words = shlex.split(work["result"]["command"])
    arguments = command.make_parser().parse_args(words[1:])
    assert (arguments.image, arguments.mask) == ("./-o it's.png", "./-o it's_mask.png")
    compile(work["result"]["python"], "shown", "exec")


def test_of_a_jpeg_there_is_a_result_that_loses_nothing(person):
    buffer = io.BytesIO()
    Image.fromarray(waves()).save(buffer, "JPEG", quality=60)
    picture = person.open(buffer.getvalue(), "photo.jpg")
    person.told(f"/api/pictures/{picture['id']}/mask", "PUT", layer(MARKED))
    work = person.wait(person.start(picture["id"], "inpaint"))
    assert work["result"]["file"] == "photo_inpainted.jpg"
    assert any("JPEG loses something" in line for line in work["lines"])
    data = person.ask(f"/api/works/{work['number']}/result?lossless")[1]
    restored = np.asarray(Image.open(io.BytesIO(data)))
    before = np.asarray(Image.open(buffer))
    assert np.array_equal(restored[~MARKED], before[~MARKED])
    assert not np.array_equal(restored[MARKED], before[MARKED])


def test_once_more_is_with_the_mask_of_then(person, photo):
    first = person.wait(person.start(photo, "inpaint"))
    mask = person.ask(f"/api/works/{first['number']}/mask")[1]
    person.told(f"/api/pictures/{photo}/mask", "PUT", layer(np.roll(MARKED, 15, axis=0)))
    form = {"command": "inpaint", "options": {"steps": 4, "set": SMALL, "seed": 1}}
    form["like"] = first["number"]
    again = person.wait(person.told(f"/api/pictures/{photo}/start", "POST", form))
    assert person.ask(f"/api/works/{again['number']}/mask")[1] == mask
    restored = np.asarray(Image.open(io.BytesIO(download(person, again)[0])))
    assert np.array_equal(restored[~MARKED], waves()[~MARKED])
    assert not np.array_equal(restored, download(person, first))


def test_a_picture_is_seen_with_the_black_and_white_that_it_has(person):
    pixels = (waves(np.float64)[..., 0] * 4095).astype(np.uint16)
    id = person.open_pixels(pixels)["id"]

    def mean(query):
        data = person.ask(f"/api/pictures/{id}/view{query}")[1]
        return np.asarray(Image.open(io.BytesIO(data))).mean()

    assert mean("") < 10 and 120 < mean("?low=0&high=4095") < 140
    form = {"command": "denoise", "options": {"set": SMALL, "data_range": [0, 100]}}
    status, error = person.refusal(f"/api/pictures/{id}/estimate", "POST", form)
    assert status == 422 and "“Values of black and white”" in error and "--" not in error


# What it refuses


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"no picture at all", "photo.png", "'photo.png' is not a picture that can be read"),
        (b"", "photo.png", "not a picture"),
        (None, "../../etc/x.png", "'x.png' is broken or cut short"),
    ],
)
def test_a_broken_file_is_refused_in_a_line_that_tells_no_folder(person, data, name, words):
    kept = sorted(person.studio.desk.folder.iterdir())
    if data is None:
        buffer = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(
            buffer, "PNG"
        )
        data = buffer.getvalue()[:1000]
    status, error = person.refusal(f"/api/pictures?name={name}", "POST", data)
    assert status == 422 and words in error and "\n" not in error
    assert str(person.studio.desk.folder) not in error
    assert sorted(person.studio.desk.folder.iterdir()) == kept


def test_several_pages_and_too_many_bytes_are_refused(person):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((3, 40, 40), np.uint8), photometric="minisblack")
    status, error = person.refusal("/api/pictures?name=stack.tif", "POST", buffer.getvalue())
    assert status == 422 and error.startswith("stack.tif has 3 pages")
    with serving(most_bytes=1000) as one:
        status, error = one.refusal("/api/pictures?name=a.png", "POST", bytes(1001))
        assert status == 422 and error.startswith("a.png has more than")
        assert not list(one.studio.desk.folder.iterdir())


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"command": "run", "options": {}}, "the task is 'run'"),
        ({"command": "inpaint", "options": {"output": "/tmp/x.png"}}, "no option output"),
        ({"command": "inpaint", "options": {"report": "/tmp/x"}}, "no option report"),
        ({"command": "inpaint", "options": {"images": ["/etc/passwd"]}}, "no option images"),
        ({"command": "inpaint", "options": {"seeds": "--report=/tmp/x"}}, "a whole number"),
        ({"command": "inpaint", "options": {"set": "mask=/etc/passwd"}}, "mask"),
        ({"command": "inpaint", "options": {"set": "image=/etc/passwd"}}, "image"),
        ({"command": "inpaint", "options": {"set": "seeds"}}, "NAME=VALUE"),
        ({"command": "deblur", "options": {"kernel": "/etc/passwd", "sigma": 0}}, "“Kernel”"),
        ({"command": "deblur", "options": {"set": "operator.kernel=/etc/passwd"}}, "names no file"),
        ({"command": "inpaint", "options": {"seeds": {"a": 1}}}, "“Seeds” is"),
        ({"command": "inpaint", "options": {"data_range": [1, "x"]}}, "black and white” is"),
        ([], "the task is None"),
        ({"command": "inpaint", "options": None}, "the options are None"),
        ({"command": "inpaint", "options": {"steps": 0}}, "0"),
        ({"command": "inpaint", "options": {"seeds": 10**9}}, "1000000000"),
        ({"command": "inpaint", "options": {"seeds": True}}, "a whole number"),
        ({"command": "inpaint", "options": {"steps": 4.5}}, "a whole number"),
    ],
)
def test_a_form_asks_for_nothing_but_what_is_offered(person, photo, form, words):
    for door in ("estimate", "start"):
        status, error = person.refusal(f"/api/pictures/{photo}/{door}", "POST", form)
        assert status == 422 and words in error, error
    assert person.told("/api/state")["now"] is None


@pytest.mark.parametrize(
    "path",
    [
        "/../setup.cfg",
        "/%2e%2e/%2e%2e/setup.cfg",
        "/page/studio.html",
        "/studio.html/../../__init__.py",
        "/api/pictures/..%2f..%2fetc%2fpasswd",
        "/api/works/1/..%2fresult",
        "/api/works/99",
        "//etc/passwd",
    ],
)
def test_no_path_of_the_machine_can_be_read(person, path):
    assert person.refusal(path)[0] == 404


def test_only_this_machine_and_its_own_page_are_answered(person):
    port = person.port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}"):
        assert person.ask("/", Host=host)[0] == 200
    for host in (f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", f"10.0.0.1:{port}", ""):
        status, body, _ = person.ask("/api/state", Host=host)
        assert status == 403 and b"is not this machine" in body
    assert person.ask("/api/state", Sec_Fetch_Site="cross-site")[0] == 403
    assert person.ask("/", Sec_Fetch_Site="cross-site")[0] == 200  # a link may lead here
    for origin in ("http://evil.example", f"http://localhost:{port + 1}", "null", ""):
        status, body, _ = person.ask("/api/pictures?name=a.png", "POST", b"x", Origin=origin)
        assert status == 403 and b"another page" in body
    headers = person.ask("/")[2]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_studio_for_others_answers_to_addresses_and_its_own_name():
    guard = Guard(None, "0.0.0.0")
    assert guard._refused("GET", {"host": "192.168.1.7:8760"}) == ""
    assert guard._refused("GET", {"host": "[fe80::1]:8760"}) == ""
    assert "evil.example" in guard._refused("GET", {"host": "evil.example"})
    assert guard._refused("POST", {"host": "10.0.0.1", "origin": "http://evil.example"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("C:\\pictures\\scan 1.tif", "scan 1.tif"),
        ("../../etc/passwd", "passwd"),
        ("", "picture"),
        (".png", "png"),
        ("..", "picture"),
        ("a\n\x00b<>.png", "ab.png"),
        ("ä" * 200 + ".jpeg", "ä" * 72 + ".jpeg"),
    ],
)
def test_a_file_gets_a_name_that_can_be_written_here(given, expected, tmp_path):
    assert name_of(given) == expected
    (tmp_path / name_of(given)).touch()


# The page, and the command


def test_the_page_asks_for_nothing_from_elsewhere_and_runs_no_code_of_its_own():
    folder = resources.files("dip_jax.studio") / "page"
    for file in folder.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.[a-z]", text), file.name
    html = (folder / "studio.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! type=\"module\" src=)", html)


def test_what_it_needs_and_cannot_use_is_told_in_a_line(monkeypatch, capsys, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(studio_command.importlib.util, "find_spec", lambda name: None)
        assert studio_command.main([]) == 2
    assert "pip install 'dip_jax[studio]'" in capsys.readouterr().err
    for words, expected in (
        (["--save", str(tmp_path / "none")], "nothing can be saved in --save"),
        (["--port", "99999"], "--port 99999"),
        (["--host", "192.0.2.1"], "nothing can listen at 192.0.2.1"),
    ):
        assert studio_command.main(words) == 2
        told = capsys.readouterr().err
        assert expected in told and told.count("\n") == 1


@pytest.mark.thorough
@pytest.mark.slow
def test_stopping_the_server_saves_what_was_not_downloaded(tmp_path):
    (tmp_path / "photo_denoised.png").write_bytes(b"mine")
    words = [sys.executable, "-m", "dip_jax", "studio", "--no-browser", "--port", "0"]
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        line = process.stdout.readline()
        port = int(re.search(r"127\.0\.0\.1:(\d+)/", line).group(1))
        one = Person(None, port)
        id = one.open_pixels(waves())["id"]
        work = one.start(id, "denoise", "stop.patience=0", steps=10**6)
        while not one.told(f"/api/works/{work['number']}")["preview"]:
            time.sleep(0.1)
        process.terminate()
        rest = process.communicate(timeout=60)[0]
    finally:
        process.kill()
    assert process.returncode == 0, rest
    assert "saved: photo_denoised-2.png" in rest
    assert (tmp_path / "photo_denoised.png").read_bytes() == b"mine"
    with Image.open(tmp_path / "photo_denoised-2.png") as saved:
        assert saved.size == SIZE[::-1]


def test_a_form_that_is_no_json_or_too_long_is_refused(person, photo):
    for body in (b"{", b"[" * 60000, json.dumps({"a": "x" * 2**17}).encode()):
        status, error = person.refusal(f"/api/pictures/{photo}/start", "POST", body)
        assert status == 422 and error.startswith("the form is")
    status, error = person.refusal(f"/api/pictures/{photo}/mask", "PUT", b"no PNG")
    assert status == 422 and "no PNG" in error
    status, error = person.refusal(f"/api/pictures/{photo}/mask", "PUT", layer(MARKED[:20]))
    assert status == 422 and "48 x 20" in error
