"""The page in a real browser: a mask is painted, the picture heals, the result is downloaded."""

import base64
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving import SMALL, Person, serving, waves

pytestmark = pytest.mark.slow
SIZE = (96, 120)  # height, width
UNTIL_STOPPED = {"steps": 10**6, "set": f"{SMALL} stop.patience=0"}


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with serving() as one:
        yield one


class Page:
    """A tab of the browser, as a person uses it."""

    def __init__(self, browser: Any, person: Person, width: int = 1280, height: int = 900) -> None:
        self.browser, self.person = browser, person
        self.size(width, height)
        browser.get(f"{person.address}/studio.css")
        browser.execute_script("sessionStorage.clear()")  # as in a new tab
        browser.get_log("performance")
        browser.get_log("browser")
        browser.get(person.address)
        self.until("document.querySelectorAll('#tasks input').length > 5")

    def size(self, width: int, height: int, dark: bool = False) -> None:
        device = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})

    def js(self, expression: str) -> Any:
        return self.browser.execute_script(f"return {expression}")

    def until(self, expression: str, seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := self.js(expression)):
            assert time.monotonic() < deadline, (expression, self.text("problem"))
            time.sleep(0.05)
        return value

    def text(self, id: str) -> str:
        return self.js(f"document.getElementById('{id}').textContent")

    def seen(self, id: str) -> bool:
        return self.js(f"document.getElementById('{id}').checkVisibility()")

    def element(self, id: str) -> Any:
        return self.browser.find_element("id", id)

    def click(self, id: str) -> None:
        self.js(f"document.getElementById('{id}').scrollIntoView({{block: 'center'}})")
        self.element(id).click()

    def open(self, path: Any) -> None:
        self.element("file").send_keys(str(path))
        self.until(f"document.getElementById('about').textContent.startsWith('{path.name}')")
        self.until("document.getElementById('picture').complete")

    def fill_in(self, **options: Any) -> None:
        for name, value in options.items():
            script = "const e = document.getElementById(arguments[0]); e.value = arguments[1]; "
            script += "e.dispatchEvent(new Event('input', {bubbles: true}))"
            self.browser.execute_script(script, f"option-{name}", str(value))

    def drag(self, *ways: tuple[float, float]) -> None:
        """Moves the pointer over the picture with the button down; in shares of its size."""
        from selenium.webdriver import ActionChains

        self.js("document.getElementById('stage').scrollIntoView({block: 'center'})")
        box = self.js("document.getElementById('picture').getBoundingClientRect().toJSON()")
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ways]
        actions = ActionChains(self.browser, duration=20)
        pointer = actions.w3c_actions.pointer_action
        pointer.move_to_location(round(points[0][0]), round(points[0][1]))
        pointer.pointer_down()
        for x, y in points[1:]:
            pointer.move_to_location(round(x), round(y))
        pointer.pointer_up()
        actions.perform()

    def begin(self, path: Any, **options: Any) -> None:
        """Opens a picture, paints a line over its middle, and has that filled."""
        self.open(path)
        self.drag((0.2, 0.5), (0.8, 0.5))
        self.fill_in(**options)
        self.click("start")

    def marked(self) -> np.ndarray:
        """What is painted, as the canvas has it."""
        data = self.js("document.getElementById('mask').toDataURL().split(',')[1]")
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        return np.asarray(image)[..., 3] > 127

    def asked(self) -> list[str]:
        """Every address that was asked for."""
        events = [json.loads(e["message"])["message"] for e in self.browser.get_log("performance")]
        return [
            e["params"]["request"]["url"]
            for e in events
            if e["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(waves(size=SIZE)).save(path)
    return path


def test_a_mask_is_painted_and_the_picture_heals(browser, person, photo, tmp_path):
    page = Page(browser, person)
    page.open(photo)
    page.drag((0.2, 0.5), (0.8, 0.5))
    painted = page.marked()
    assert painted[48, 30:90].all() and not painted[:30].any() and not painted[66:].any()
    page.drag((0.5, 0.1), (0.5, 0.2))
    assert page.marked().sum() > painted.sum()
    page.click("undo")
    assert np.array_equal(page.marked(), painted)
    page.click("redo")
    page.js("document.querySelector('input[name=tool][value=eraser]').click()")
    page.drag((0.4, 0.05), (0.6, 0.05), (0.6, 0.25), (0.4, 0.25), (0.5, 0.15), (0.5, 0.1))
    assert page.marked()[:20].sum() < 40
    page.until("/of memory/.test(document.getElementById('estimate').textContent)")

    page.fill_in(**UNTIL_STOPPED)
    page.click("start")
    page.until("document.querySelector('#running .curve svg')")
    source = "document.getElementById('after').src"
    preview = page.until(f"/preview/.test({source}) && {source}")
    page.until(f"{source} !== {preview!r}")
    assert "step" in page.text("told") and not page.seen("tools")
    page.click("stop")
    page.until("document.getElementById('download').checkVisibility()")
    assert page.text("why").startswith("Stopped by you")

    folder = tmp_path / "downloads"
    folder.mkdir()
    how = {"behavior": "allow", "downloadPath": str(folder)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", how)
    page.click("download")
    path, deadline = folder / "photo_inpainted.png", time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    work = person.studio.bench.works[-1]
    with Image.open(path) as image, Image.open(work.files.mask) as mask:
        restored, marked = np.asarray(image), np.asarray(mask) > 0
    before = waves(size=SIZE)
    assert np.array_equal(restored[~marked], before[~marked])
    assert not np.array_equal(restored[marked], before[marked])
    assert marked[48, 30:90].all()
    assert all(url.startswith((person.address, "blob:", "data:")) for url in page.asked())
    assert [e for e in browser.get_log("browser") if "favicon" not in e["message"]] == []


@pytest.mark.thorough
def test_a_result_is_found_again_when_its_tab_was_closed(browser, person, photo):
    page = Page(browser, person)
    page.begin(photo, steps=3, set=SMALL)
    page.until("document.querySelector('#running').checkVisibility()")
    other = Page(browser, person)
    other.until("/was restored/.test(document.getElementById('elsewhere').textContent)")
    other.js("document.querySelector('#elsewhere button').click()")
    other.until("document.getElementById('download').checkVisibility()")
    other.click("paint-again")
    assert other.marked()[48, 30:90].all()


@pytest.mark.thorough
def test_before_and_after_are_compared_and_it_is_done_again(browser, person, photo):
    page = Page(browser, person)
    page.begin(photo, steps=3, set=SMALL, seeds=2)
    page.until("document.getElementById('split').checkVisibility()")
    page.drag((0.5, 0.5), (0.25, 0.5))
    assert abs(float(page.js("document.getElementById('split-at').value")) - 25) <= 1
    page.click("uncertain")
    assert page.seen("uncertainty")
    assert page.text("as-command").startswith("dip-jax inpaint photo.png --mask photo_mask.png")
    page.click("another")
    page.until("document.querySelectorAll('#results input').length === 2")
    assert "--seed 2" in page.text("as-command")
    page.click("paint-again")
    assert page.seen("tools") and page.marked().any()
    assert page.js("document.getElementById('option-seeds').value") == "2"


def test_what_was_rubbed_out_of_a_suggestion_stays_out(browser, person, tmp_path):
    pixels = np.full((128, 160, 3), 90, np.uint8)
    pixels[30:33, 20:140] = pixels[90:93, 20:140] = 240
    path = tmp_path / "lines.png"
    Image.fromarray(pixels).save(path)
    page = Page(browser, person)
    page.open(path)
    page.click("suggest")
    page.until("/%/.test(document.getElementById('marked').textContent)")
    assert page.marked()[31, 30:130].all() and page.marked()[91, 30:130].all()
    page.js("document.querySelector('input[name=tool][value=eraser]').click()")
    page.drag((0.1, 0.25), (0.9, 0.25))
    assert not page.marked()[31, 30:130].any()
    script = "const e = document.getElementById('sensitivity'); e.value = 0.6; "
    browser.execute_script(script + "e.dispatchEvent(new Event('input'))")
    page.until("performance.getEntriesByType('resource').some(e => /=0.6/.test(e.name))")
    page.until("!document.getElementById('suggest').disabled")
    assert not page.marked()[31, 30:130].any() and page.marked()[91, 30:130].all()


@pytest.mark.thorough
def test_a_reload_in_the_middle_loses_nothing(browser, person, photo):
    page = Page(browser, person)
    page.begin(photo, **UNTIL_STOPPED)
    page.until("document.querySelector('#running .curve svg')")
    browser.refresh()
    page.until("document.querySelector('#running .curve svg')")
    assert page.text("about").startswith("photo.png")
    page.click("stop")
    page.until("document.getElementById('download').checkVisibility()")
    browser.refresh()
    page.until("document.getElementById('download').checkVisibility()")
    page.click("paint-again")
    page.until("!document.getElementById('undo').disabled")
    assert page.marked()[48, 30:90].all()


@pytest.mark.thorough
def test_a_second_tab_is_told_and_can_watch(browser, person, photo):
    page = Page(browser, person)
    page.begin(photo, **UNTIL_STOPPED)
    page.until("document.querySelector('#running .curve svg')")
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    try:
        other = Page(browser, person)
        other.until("document.getElementById('elsewhere').checkVisibility()")
        assert "photo.png is being restored" in other.text("elsewhere")
        other.open(photo)
        other.js("document.querySelector('input[name=task][value=denoise]').click()")
        other.fill_in(steps=2, set=SMALL)
        other.click("start")
        other.until("document.getElementById('problem').checkVisibility()")
        assert "one picture is at a time" in other.text("problem")
        other.js("document.querySelector('#elsewhere button').click()")
        other.until("document.querySelector('#running .curve svg')")
        other.click("stop")
        other.until("document.getElementById('download').checkVisibility()")
    finally:
        browser.close()
        browser.switch_to.window(first)
    page.until("document.getElementById('download').checkVisibility()")


def test_a_broken_file_is_told_and_the_picture_before_stays(browser, person, photo, tmp_path):
    page = Page(browser, person)
    page.open(photo)
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:300])
    page.element("file").send_keys(str(broken))
    page.until("document.getElementById('problem').checkVisibility()")
    assert "'broken.png'" in page.text("problem")
    assert page.text("about").startswith("photo.png")


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (360, False)])
def test_it_fits_and_can_be_read_aloud(browser, person, photo, width, dark):
    page = Page(browser, person, width)
    page.size(width, 800, dark)
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.js(fits)
    page.open(photo)
    for name in ("inpaint", "deblur", "super-resolve"):
        page.js(f"document.querySelector('input[name=task][value={name}]').click()")
        page.js("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        assert page.js(fits), name
        nameless = """[...document.querySelectorAll('input, select, button, a[href]')].filter(e =>
            e.checkVisibility() && !e.textContent.trim() && !e.ariaLabel
            && !(e.labels && [...e.labels].some(l => l.textContent.trim())))
            .map(e => e.outerHTML)"""
        assert page.js(nameless) == [], name
    page.js("document.querySelector('input[name=task][value=inpaint]').click()")
    contrast = """[...document.querySelectorAll('p, span, label, h2, button, summary')].filter(e =>
        e.checkVisibility() && e.textContent.trim()).map(e => {
          const rgb = c => c.match(/[\\d.]+/g).map(Number);
          const light = c => { const [r, g, b] = rgb(c).map(v => { v /= 255;
            return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          let back = e; while (back && /, 0\\)$/.test(getComputedStyle(back).backgroundColor))
            back = back.parentElement;
          const [a, b] = [light(getComputedStyle(e).color),
            light(getComputedStyle(back || document.body).backgroundColor)].sort((x, y) => y - x);
          return [(a + 0.05) / (b + 0.05), e.id || e.textContent.trim().slice(0, 30)]; })
        .filter(([ratio]) => ratio < 4.5)"""
    assert page.js(contrast) == []


def test_it_can_be_painted_without_a_mouse(browser, person, photo):
    from selenium.webdriver import Keys

    page = Page(browser, person)
    page.open(photo)
    stage = page.element("stage")
    stage.send_keys(*[Keys.ARROW_LEFT] * 3, Keys.ENTER, *[Keys.ARROW_RIGHT] * 6, Keys.ENTER)
    marked = page.marked()
    assert marked[48].any() and not marked[:30].any()
    assert marked[:, :60].any() and marked[:, 60:].any()
    stage.send_keys(Keys.CONTROL, "z")
    assert 0 < page.marked().sum() < marked.sum()


@pytest.mark.thorough
def test_a_picture_of_12_megapixels(browser, person, tmp_path):
    path = tmp_path / "large.jpg"
    rows, columns = np.mgrid[:3000, :4000].astype(np.float32) / 40
    grey = (127 + 60 * np.sin(rows) + 60 * np.cos(columns)).astype(np.uint8)
    Image.fromarray(grey).save(path, quality=95)
    page = Page(browser, person)
    page.open(path)
    assert "4000 × 3000" in page.text("about")
    page.drag((0.5, 0.5), (0.51, 0.5))
    page.until("/parts?:/.test(document.getElementById('estimate').textContent)")
    page.fill_in(steps=2, set=SMALL.replace("parts.kind=whole", "seamless=False"))
    page.click("start")
    page.until("document.getElementById('download').checkVisibility()")
    work = person.studio.bench.works[-1]
    with Image.open(work.files.mask) as mask:
        marked = np.asarray(mask) > 0
    assert marked.shape == (3000, 4000) and 0 < marked.mean() < 0.01
    assert "4000 × 3000 pixels" in page.text("facts")
