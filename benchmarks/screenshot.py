"""Pictures of the studio, for the README and the documentation.

    python -m benchmarks.screenshot           makes docs/gallery/studio*.jpg, in a minute or so

It starts the studio, opens its page in headless Chromium, and does what a person does: opens a
photograph with scratches, has them found, paints over what was not, and has all filled. The
photograph is one of scikit-image's, and the scratches are drawn here. It needs what the tests need:
Chromium and its driver, and the extra `test`.
"""

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from skimage import data

GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
_SIZE = (1280, 800)
_QUALITY = 80
_PATIENCE = 600  # seconds


Points = list[tuple[float, float]]


def scratched() -> tuple[Image.Image, list[Points]]:
    """A photograph of 300 x 260 pixels with four scratches and dust, and where they are."""
    damage = []
    picture = Image.fromarray(data.astronaut()).crop((90, 0, 390, 260))
    draw = ImageDraw.Draw(picture)
    rng = np.random.default_rng(1)
    for begin, end, width, grey in (
        ((20, 0), (95, 259), 2, 245),
        ((0, 70), (299, 118), 2, 240),
        ((230, 10), (205, 250), 1, 15),
        ((120, 200), (290, 150), 2, 250),
    ):
        steps = np.linspace(0, 1, 14)[:, None]
        points = np.array(begin) * (1 - steps) + np.array(end) * steps
        points[1:-1] += rng.normal(0, 1.2, (12, 2))
        line = [(x, y) for x, y in points.tolist()]
        draw.line(line, fill=(grey,) * 3, width=width)
        damage.append(line)
    for x, y in rng.integers(10, 250, (14, 2)).tolist():
        draw.ellipse((x, y, x + 2, y + 2), fill=(250, 248, 240))
        damage.append([(x + 1.0, y + 1.0)])
    return picture, damage


def _browser() -> Any:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
        "--disable-background-networking --disable-component-update --disable-sync"
    ).split():
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def _until(browser: Any, expression: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not browser.execute_script(f"return {expression}"):
        if time.monotonic() > deadline:
            raise TimeoutError(expression)
        time.sleep(0.1)


def _paint(browser: Any, lines: list[Points], width: int) -> None:
    """Moves the brush along lines, in pixels of the picture."""
    from selenium.webdriver import ActionChains

    script = "return document.getElementById('picture').getBoundingClientRect().toJSON()"
    box = browser.execute_script(script)
    scale = box["width"] / width
    actions = ActionChains(browser, duration=5)
    pointer = actions.w3c_actions.pointer_action
    for line in lines:
        for n, (x, y) in enumerate(line):
            x, y = (min(max(v, 0.5), limit - 1.5) for v, limit in ((x, 300), (y, 260)))
            pointer.move_to_location(round(box["x"] + scale * x), round(box["y"] + scale * y))
            if n == 0:
                pointer.pointer_down()
        pointer.pointer_up()
    actions.perform()


def _seen(name: str) -> str:
    return f"document.getElementById('{name}').checkVisibility()"


def _save(browser: Any, path: Path) -> None:
    browser.execute_script("scrollTo(0, 0); document.activeElement.blur()")
    time.sleep(0.5)
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    picture.save(path, quality=_QUALITY, optimize=True)
    print(path)


def main() -> None:
    """Makes the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=GALLERY, help="the folder that they go to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        picture, damage = scratched()
        picture.save(photo)
        words = [sys.executable, "-m", "dip_jax", "studio", "--no-browser", "--port", "0"]
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True)
        browser = _browser()
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None
            width, height = _SIZE
            device = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
            browser.get(found.group(0))
            _until(browser, "document.querySelectorAll('#tasks input').length")
            browser.find_element("id", "file").send_keys(str(photo))
            _until(browser, _seen("tools"))
            browser.find_element("id", "suggest").click()
            _until(browser, "/%/.test(document.getElementById('marked').textContent)")
            _paint(browser, damage, picture.width)
            _until(browser, "/of memory/.test(document.getElementById('estimate').textContent)")
            _save(browser, arguments.to / "studio_painting.jpg")
            browser.execute_script("document.getElementById('start').click()")
            _until(browser, "(document.getElementById('progress').value || 0) > 150")
            _save(browser, arguments.to / "studio_watching.jpg")
            _until(browser, _seen("download"))
            _save(browser, arguments.to / "studio.jpg")
        finally:
            browser.quit()
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    main()
