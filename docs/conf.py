"""How the documentation is built: `python -m sphinx -W -b html docs docs/_build`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

from dip_jax import __version__  # noqa: E402 (of this checkout)

project = "dip_jax"
author = "The dip_jax developers"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "formulas",
    "options",
]
exclude_patterns = ["_build", "contributing/examples"]

myst_enable_extensions = ["deflist", "dollarmath", "colon_fence"]
myst_heading_anchors = 3

# Docstrings write `code` in single backticks.
default_role = "code"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "dip_jax"
html_static_path = ["_static"]
html_css_files = ["pictures.css"]
html_math_renderer = "formulas"
html_copy_source = False
html_show_copyright = False
smartquotes_action = "D"  # dashes; quotes may be those of a shell
html_show_sourcelink = False
