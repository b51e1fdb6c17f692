"""Formulas as pictures within the page, so that it loads no script and no font for them.

Browsers draw MathML themselves, but set its indices right only where a font for mathematics is
installed. Ziamath draws with one that it brings along.
"""

import html
from typing import Any

import ziamath
from docutils import nodes
from sphinx.application import Sphinx

_SIZE = 16.5  # pixels, of the theme's text

ziamath.config.svg2 = False  # shapes in their place: those of several pictures cannot be confused


def _drawn(tex: str, inline: bool) -> str:
    formula = ziamath.Latex(tex, size=_SIZE, color="currentColor", inline=inline)
    picture = formula.svg().replace("<svg ", f'<svg role="img" aria-label="{html.escape(tex)}" ', 1)
    if inline:
        depth = f'style="vertical-align: {formula.getyofst():.2f}px" '
        picture = picture.replace("<svg ", f"<svg {depth}", 1)
    return picture


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(f'<span class="math">{_drawn(node.astext(), True)}</span>')
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{_drawn(node.astext().strip(), False)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("formulas", (_inline, None), (_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
