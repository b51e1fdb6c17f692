"""The pictures of a run's page, and the slider between two of them."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from PIL import Image

from dip_jax.pictures.values import from_float
from dip_jax.report.html.markup import tag

LONGEST_SIDE = 2048  # pixels; a larger picture is reduced to it
_PICTURES = {
    "degraded": "What was given.",
    "restored": "The result.",
    "clean": "The undamaged picture, which psnr_true and ssim_true compare with.",
}


def viewer() -> Element:
    """The before/after slider; `report.js` gives it the gallery's pictures."""
    sizes = [("fit", "Fit"), ("1", "100%"), ("2", "200%"), ("4", "400%")]
    return tag(
        "section",
        tag("h2", "Before and after", class_="hidden"),
        tag(
            "div",
            tag(
                "div",
                tag("img", id="right", alt=""),
                tag("img", id="left", alt=""),
                tag("span", class_="divider"),
                id="frame",
            ),
            id="stage",
        ),
        tag(
            "div",
            tag("span", id="left-name", class_="end", aria_hidden="true"),
            tag(
                "input",
                type="range",
                id="split",
                min=0,
                max=100,
                value=50,
                aria_label="How much of the picture on the left is shown",
            ),
            tag("span", id="right-name", class_="end", aria_hidden="true"),
            class_="split",
        ),
        tag(
            "fieldset",
            tag("legend", "Size"),
            [
                tag(
                    "label",
                    tag("input", type="radio", name="size", value=value, checked=value == "fit"),
                    tag("span", text),
                )
                for value, text in sizes
            ],
            class_="sizes",
        ),
        id="viewer",
        class_="js-only",
    )


def gallery(panels: Sequence[tuple[str, np.ndarray]], summary: Mapping[str, Any]) -> Element:
    figures = []
    for i, (label, image) in enumerate(panels):
        name, _, rest = label.partition(" ")
        data, size, reduced = _embedded(image)
        note = _PICTURES.get(name)
        if name == "uncertainty":
            note, rest = _uncertainty_note(summary), ""
        choice = tag(
            "input",
            type="radio",
            name="with",
            value=i,
            checked=i == 0,
            aria_label=f"Compare {name} with restored",
            class_="js-only",
        )
        title = tag("strong", name[:1].upper() + name[1:])
        figures.append(
            tag(
                "figure",
                tag(
                    "label" if i != 1 else "div",
                    tag(
                        "img",
                        src=data,
                        alt=f"{name} picture{rest and ', '}{rest}",
                        width=size[0],
                        height=size[1],
                        data_name=name,
                    ),
                    tag(
                        "span",
                        choice if i != 1 else None,
                        title,
                        " ",
                        tag("span", rest),
                        class_="name",
                    ),
                ),
                tag("figcaption", note, f" Reduced to {size[0]} × {size[1]}." if reduced else None),
            )
        )
    written = summary.get("restored")
    where = f", and {written} beside this file holds the result whole" if written else ""
    return tag(
        "section",
        tag("h2", "Pictures"),
        tag("p", "Choose what the restored picture is compared with.", class_="note js-only"),
        tag("div", figures, class_="gallery"),
        tag("p", f"Shown with 8 bits per channel{where}.", class_="note"),
        id="pictures",
    )


def _embedded(image: np.ndarray) -> tuple[str, tuple[int, int], bool]:
    """A picture as the data URI of a PNG, its size, and whether it was reduced to that."""
    x = np.nan_to_num(np.asarray(image, np.float64))
    picture = Image.fromarray(from_float(x, np.uint8, 2 if x.shape[2] == 1 else 3))
    reduced = max(picture.size) > LONGEST_SIDE
    if reduced:
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    png = BytesIO()
    picture.save(png, format="PNG")
    data = base64.b64encode(png.getvalue()).decode()
    return f"data:image/png;base64,{data}", picture.size, reduced


def _uncertainty_note(summary: Mapping[str, Any]) -> str:
    white = (summary.get("uncertainty") or {}).get("white")
    note = "The standard deviation over the seeds. Black: they agree."
    return note if white is None else f"{note} White: {255 * white:.1f} of 255, or more."
