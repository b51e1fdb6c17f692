"""The report says what the summary says, loads nothing, and works in a real browser."""

import base64
import io
import json
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dip_jax.errors import InputError
from dip_jax.report.html.gallery import LONGEST_SIDE
from dip_jax.report.html.page import report_html, write_report
from dip_jax.report.style import REFERENCES

DANGEROUS = "in/\"'><script>document.title='run'</script><img src=x onerror=alert(1)>&amp;.png"
VOID = {"meta", "link", "img", "input"}
SIZE = (40, 60)  # height, width


def panels(
    *extra: str, size: tuple[int, int] = SIZE, channels: int = 3
) -> list[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    pictures = [
        (name, np.round(255 * rng.random((*size, channels))) / 255)
        for name in ("degraded 18.07 dB", "restored 31.97 dB", *extra)
    ]
    return [(n, x[..., :1] if n.startswith("uncertainty") else x) for n, x in pictures]


def lane(seed: int, **changes: Any) -> dict[str, Any]:
    figures = {"psnr_heldout": 24.678 + seed, "psnr_observed": 25.4, "psnr_true": 24.95 + seed}
    return {
        "seed": seed,
        "steps": 1234,
        "chosen_step": 1010 + seed,
        "chosen_image": "avg",
        "stop_reason": "criterion",
        "oracle": {"psnr_true_out": 25.5, "step_out": 998, "psnr_true_avg": 25.75, "step_avg": 700},
        "seconds": 229.4,
        "metrics": {"out": figures, "avg": figures},
    } | changes


def summary(**changes: Any) -> dict[str, Any]:
    one = lane(0)
    return {
        "task": "hole_fill",
        "image": "photos/coffee.png",
        "shape": [*SIZE, 3],
        "seeds": [0],
        "steps": 1234,
        "chosen_step": 1010,
        "chosen_image": "avg",
        "criterion": "heldout",
        "stop_reason": "criterion",
        "rollbacks": 0,
        "filled_share": 0.125,
        "seconds": 229.4,
        "seconds_to_first_step": 21.9,
        "steps_per_second": 33.07,
        "device": "cpu",
        "versions": {"python": "3.11.7", "dip_jax": "0.1.0", "jax": "0.10.2"},
        "degraded": {"psnr_true": 18.068, "ssim_true": 0.8177},
        "oracle": one["oracle"],
        "metrics": one["metrics"] | {"restored": {"psnr_true": 31.9685, "ssim_true": 0.948}},
        "uncertainty": None,
        "lanes": [one],
        "restored": "restored.png",
    } | changes


def several() -> dict[str, Any]:
    lanes = [lane(3), lane(4, stop_reason="num_steps")]
    return summary(
        seeds=[3, 4],
        chosen_step=None,
        chosen_image="mean",
        steps=2468,
        oracle={},
        lanes=lanes,
        uncertainty={"white": 0.05, "mean": 0.01},
    )


def history(*seeds: int, references: tuple[str, ...] = ("true", "heldout", "observed")):
    rows = []
    for seed in seeds or (None,):
        for step in (1, *range(50, 1250, 50), 1234):
            row: dict[str, Any] = {"step": step} if seed is None else {"step": step, "seed": seed}
            for offset, reference in enumerate(references):
                for output in ("avg", "out"):
                    value = 25.5 - offset - 15 * np.exp(-step / 150) + (seed or 0) / 10
                    row[f"psnr_{reference}_{output}"] = value
                    if reference != "heldout":
                        row[f"ssim_{reference}_{output}"] = value / 30
            rows.append(row)
    return rows


class Page(HTMLParser):
    """The elements of a page with their attributes, its visible text, and its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.words.append(data + " ")

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == name]


def page(**arguments: Any) -> Page:
    given = {"panels": panels("clean"), "rows": history(), "summary": summary()} | arguments
    return Page(report_html(**given))


CASES: dict[str, dict[str, Any]] = {
    "an experiment": {},
    "several seeds": {
        "summary": several(),
        "rows": history(3, 4),
        "panels": panels("clean", "uncertainty (white: 12.8 of 255)"),
    },
    "no clean picture": {
        "summary": summary(
            task="denoise",
            degraded={},
            oracle={},
            filled_share=None,
            metrics={"avg": {"psnr_heldout": 28.2}, "restored": {"psnr_heldout": 28.2}},
        ),
        "rows": history(references=("heldout", "observed")),
        "panels": panels(),
    },
    "interrupted at once": {
        "summary": summary(stop_reason="interrupted", steps=1, chosen_step=1),
        "rows": history()[:1],
    },
    "nothing but pictures": {"summary": {}, "rows": [], "panels": panels(channels=1)},
    "dangerous names": {
        "summary": summary(image=DANGEROUS, device="</script><script>alert(2)</script>"),
        "command": ["dip-jax", DANGEROUS],
    },
}


@pytest.mark.parametrize("case", CASES)
def test_the_page_is_well_formed_and_names_no_address_but_data(case: str) -> None:
    html = report_html(
        **({"panels": panels("clean"), "rows": history()} | {"summary": summary()} | CASES[case])
    )
    found = Page(html)
    for name, attributes in found.elements:
        assert not {key for key in attributes if key.startswith("on") or key == "style"}
        for key in ("src", "href", "srcset", "poster", "data", "action", "background"):
            assert (attributes.get(key) or "data:").startswith("data:"), (name, attributes)
        assert name not in {"iframe", "object", "embed", "base", "form"}
    assert "url(" not in html and "@import" not in html
    policy = next(
        x["content"] for x in found.all("meta") if x.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy and policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy and "http" not in policy


@pytest.mark.parametrize("case", CASES)
def test_every_picture_and_control_has_a_name(case: str) -> None:
    found = page(**CASES[case])
    labels = {x.get("for") for x in found.all("label")}
    for attributes in found.all("input"):
        radio_in_label = attributes.get("name") == "size"
        assert attributes.get("aria-label") or attributes.get("id") in labels or radio_in_label
    for attributes in found.all("img"):
        assert "alt" in attributes and (attributes["alt"] or attributes.get("id"))
    ids = [x["id"] for _, x in found.elements if "id" in x]
    assert len(ids) == len(set(ids))
    assert len(found.all("h1")) == 1


def test_a_name_from_outside_stays_text() -> None:
    found = page(**CASES["dangerous names"])
    assert len(found.scripts) == 2  # the curves' data and the page's own
    assert "alert" not in "".join(found.scripts)
    assert all((x.get("src") or "").startswith("data:") for x in found.all("img") if "id" not in x)
    assert DANGEROUS in "".join(found.words)
    assert shlex.quote(DANGEROUS) in "".join(found.words)


def test_bytes_that_are_no_text_do_not_stop_the_report(tmp_path: Path) -> None:
    name = b"caf\xe9\x01.png".decode(errors="surrogateescape")
    write_report(tmp_path / "report.html", panels=panels(), rows=[], summary=summary(image=name))
    assert "caf" in Page((tmp_path / "report.html").read_text(encoding="utf-8")).text


def test_the_pictures_are_embedded_without_loss() -> None:
    given = panels("clean", "uncertainty (white: 12.8 of 255)")
    found = page(panels=given)
    embedded = [x for x in found.all("img") if x.get("src")]
    assert len(embedded) == 4
    for (_, image), attributes in zip(given, embedded, strict=True):
        data = base64.b64decode((attributes["src"] or "").removeprefix("data:image/png;base64,"))
        pixels = np.asarray(Image.open(io.BytesIO(data)))
        expected = np.round(255 * image).astype(np.uint8)
        np.testing.assert_array_equal(pixels.reshape(expected.shape), expected)
        assert (attributes["height"], attributes["width"]) == tuple(map(str, SIZE))


def test_a_larger_picture_is_reduced_and_this_is_said() -> None:
    whole = page(panels=panels(size=(4, LONGEST_SIDE)))
    reduced = page(panels=panels(size=(4, 2 * LONGEST_SIDE)))
    assert "Reduced" not in whole.text
    assert f"Reduced to {LONGEST_SIDE} × 2" in reduced.text
    assert f"{2 * LONGEST_SIDE:,} × 4 pixels" in reduced.text  # what the picture has


def test_the_page_says_what_the_summary_says() -> None:
    text = page(
        done="Holes filled in",
        command=["python", "-m", "dip_jax.main", "--config.image=my photo.png"],
    ).text
    for part in (
        "Holes filled in coffee.png",
        "stopped by itself after 1,234 steps",
        "The image of step 1,010 was chosen, by its PSNR on held-out pixels",
        "18.07 → 31.97 dB",
        "12.5% of the picture",
        "psnr_true 18.07 24.95 24.95 31.97",
        "ssim_true 0.818 – – 0.948",
        "psnr_heldout – 24.68 24.68 –",
        "3 min 49 s",
        "jax 0.10.2",
        "python -m dip_jax.main '--config.image=my photo.png'",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("criterion", "stopped by itself after 1,234 steps"),
        ("num_steps", "made all of its 1,234 steps"),
        ("diverged", "kept falling apart and was ended after 1,234 steps"),
        ("interrupted", "interrupted after 1,234 steps; the same command goes on"),
    ],
)
def test_the_page_says_how_the_run_ended(reason: str, words: str) -> None:
    assert words in page(summary=summary(stop_reason=reason)).text


def test_several_seeds_have_a_table_and_their_uncertainty_a_scale() -> None:
    found = page(**CASES["several seeds"])
    assert "2,468 steps of 2 seeds" in found.text
    assert "the mean of the seeds" in found.text
    assert "psnr_heldout PSNR on known pixels" in found.text  # for the table of the seeds
    assert "3 1,234 1,013 avg 27.95 27.68 3 min 49 s it stopped by itself (criterion)" in found.text
    assert "4 1,234 1,014 avg 28.95 28.68 3 min 49 s all steps were made (num_steps)" in found.text
    assert f"White: {255 * 0.05:.1f} of 255" in found.text
    chosen = [x["data-step"] for x in found.all("line") if x.get("class") == "chosen"]
    assert set(chosen) == {"1013", "1014"}


def test_of_a_picture_in_parts_seeds_are_told_together_and_parts_are_folded() -> None:
    lanes = [
        {"part": part, "seed": seed, "steps": 10 * part, "chosen_step": 7, "chosen_image": "avg"}
        | {"seconds": 5.0 * part, "stop_reason": "num_steps", "metrics": {}}
        for part in (1, 2, 3)
        for seed in (4, 5)
    ]
    found = page(summary=summary(parts=3, parts_left=0, lanes=lanes, seeds=[4, 5]))
    assert "seed parts steps time 4 3 60 30 s 5 3 60 30 s" in found.text
    (details,) = found.all("details")
    assert "open" not in details
    assert "3 5 30 7 avg 15 s all steps were made (num_steps)" in found.text
    alone = page(summary=summary(parts=3, lanes=[one for one in lanes if one["seed"] == 4]))
    assert "Seeds" not in alone.text and "part steps" in alone.text


def test_without_a_clean_picture_nothing_is_said_of_one() -> None:
    found = page(**CASES["no clean picture"], done="Noise removed from")
    assert "Noise removed from coffee.png" in found.text
    assert "28.20 dB PSNR of the network on held-out pixels" in found.text
    assert "psnr_true" not in found.text and "oracle" not in found.text
    assert not [x for x in found.all("path") if " true " in (x.get("class") or "")]


@pytest.mark.parametrize(
    ("filled_share", "words"),
    [
        (
            None,
            "It was refined: it has a share, the less the farther it is off, or none, in what "
            "filters without training make of the degraded picture (non-",
        ),
        (
            0.1,
            "It was refined by what filters without training make of the known pixels (Wiener, "
            "non-local Bayes).",
        ),
    ],
)
def test_that_a_result_is_refined_is_told(filled_share: float | None, words: str) -> None:
    found = page(summary=summary(filled_share=filled_share, refined=True))
    assert words in found.text
    assert "refined by" not in page(summary=summary(refined=False)).text


def test_the_curves_lie_where_their_values_are() -> None:
    """Step 1234 is at the right end, and equal steps are equally far apart."""
    rows = [{"step": step, "psnr_true_avg": 20.0 + step / 100} for step in range(0, 1001, 100)]
    found = page(rows=rows, summary=summary(oracle={}, chosen_step=500, lanes=[]))
    (path,) = [x["d"] for x in found.all("path") if "avg" in (x["class"] or "").split()[2:]]
    assert path is not None
    points = np.array([point.split() for point in path.split("L")[1:]], float)
    np.testing.assert_allclose(points[:, 0], np.linspace(0, 1000, 11), atol=0.1)
    np.testing.assert_allclose(np.diff(points[:, 1]), np.diff(points[:, 1])[0], atol=0.2)
    assert points[0, 1] > points[-1, 1]  # a higher value is higher on the page
    (chosen,) = [x for x in found.all("line") if x.get("class") == "chosen"]
    assert chosen["x1"] == chosen["x2"] == "50.000%"


def test_each_reference_has_the_colour_it_has_in_the_curves_picture() -> None:
    html = report_html(panels=panels(), rows=history(), summary=summary())
    for name, colour in REFERENCES.items():
        assert f"--{name}:{colour}" in html


def test_the_values_under_the_cursor_are_those_of_the_rows() -> None:
    data = json.loads(page(rows=history()).scripts[0])
    assert data["steps"][:2] == [1, 50] and data["steps"][-1] == 1234
    values = [f"{row['psnr_heldout_out']:.2f}" for row in history()]
    assert data["cells"]["psnr_heldout_out"] == values
    extremes = json.loads(page(rows=history(3, 4)).scripts[0])["cells"]
    assert float(extremes["psnr_true_avg_lowest"][-1]) == pytest.approx(25.8, abs=0.02)
    assert float(extremes["psnr_true_avg_highest"][-1]) == pytest.approx(25.9, abs=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        panels()[:1],
        [*panels(), ("clean", np.zeros((3, 4, 3)))],
        [*panels(), ("clean", np.zeros((*SIZE, 4)))],
        [*panels(), ("clean", np.zeros(SIZE))],
    ],
)
def test_pictures_that_do_not_fit_are_refused_and_nothing_is_written(
    tmp_path: Path, wrong: list[Any]
) -> None:
    with pytest.raises(InputError, match=r"expected"):
        write_report(tmp_path / "report.html", panels=wrong, rows=[], summary={})
    assert list(tmp_path.iterdir()) == []


# In a browser


def visit(browser: Any, path: Path, width: int, height: int = 800) -> list[str]:
    """Opens a file at a width, and gives every address that was asked for."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 500},
    )
    browser.get_log("performance")
    browser.get(path.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]


def style(browser: Any, selector: str, name: str) -> str:
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    return browser.execute_script(script, selector, name)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("case", CASES)
def test_in_a_browser_it_loads_nothing_logs_nothing_and_fits(
    browser: Any, tmp_path: Path, case: str, width: int
) -> None:
    path = tmp_path / "report.html"
    given = {"panels": panels("clean"), "rows": history(), "summary": summary()} | CASES[case]
    write_report(path, **given)
    asked = visit(browser, path, width)
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert browser.get_log("browser") == []
    assert browser.title.endswith("– dip_jax")  # no script of a picture's name has run
    fits = "const e = document.documentElement; return [innerWidth, e.scrollWidth <= e.clientWidth]"
    assert browser.execute_script(fits) == [width, True]
    loaded = "return [...document.images].map(image => image.naturalWidth)"
    pictures = browser.execute_script(loaded)
    assert len(pictures) == len(given["panels"]) + 2 and min(pictures) == SIZE[1]
    if given["rows"]:
        box = "const b = document.querySelector('.chosen').getBoundingClientRect(); return b.height"
        assert browser.execute_script(box) > 100


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 360])
def test_in_a_browser_the_controls_work(browser: Any, tmp_path: Path, width: int) -> None:
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.common.by import By

    path = tmp_path / "report.html"
    write_report(path, panels=panels("clean"), rows=history(), summary=summary())
    visit(browser, path, width)

    def shown() -> float:  # the share of the left picture that is to be seen
        box = "return document.querySelector(arguments[0]).getBoundingClientRect()"
        divider, frame = (browser.execute_script(box, x) for x in (".divider", "#frame"))
        return (divider["x"] + divider["width"] / 2 - frame["x"]) / frame["width"]

    split = browser.find_element(By.ID, "split")
    before = style(browser, "#left", "clipPath")
    assert shown() == pytest.approx(0.5, abs=0.01)
    split.send_keys(Keys.ARROW_RIGHT * 5)
    assert shown() == pytest.approx(0.55, abs=0.01)
    assert style(browser, "#left", "clipPath") != before
    split.send_keys(Keys.HOME)
    assert shown() == pytest.approx(0.0, abs=0.01)
    frame = browser.find_element(By.ID, "frame")
    quarter = frame.size["width"] // 4
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", frame)
    ActionChains(browser).move_to_element_with_offset(frame, quarter, 0).click().perform()
    assert shown() == pytest.approx(0.75, abs=0.02)

    # The proportions are the picture's own, at every size; enlarged, its pixels are seen.
    for size, scale in (("1", 1), ("4", 4)):
        browser.execute_script(
            "document.querySelector(arguments[0]).click()", f"[name=size][value='{size}']"
        )
        assert frame.size == {"height": scale * SIZE[0], "width": scale * SIZE[1]}
    assert style(browser, "#left", "imageRendering") == "pixelated"

    # The clean picture takes the degraded one's place.
    given = browser.find_element(By.ID, "left").get_attribute("src")
    browser.execute_script("document.querySelectorAll('input[name=with]')[1].click()")
    pictures = browser.find_elements(By.CSS_SELECTOR, ".gallery img")
    assert browser.find_element(By.ID, "left").get_attribute("src") != given
    assert browser.find_element(By.ID, "left").get_attribute("src") == pictures[2].get_attribute(
        "src"
    )

    # The values are those of the step under the cursor.
    step = browser.find_element(By.ID, "step")
    step.send_keys(Keys.HOME)
    cell = browser.find_element(By.CSS_SELECTOR, "[data-cell=psnr_true_avg]")
    assert cell.text == f"{history()[0]['psnr_true_avg']:.2f}"
    step.send_keys(Keys.ARROW_RIGHT)
    assert cell.text == f"{history()[1]['psnr_true_avg']:.2f}"
    plot = browser.find_element(By.CSS_SELECTOR, "svg.plot")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    ActionChains(browser).move_to_element(plot).perform()
    assert browser.find_element(By.ID, "values-step").text in ("600", "650")
