"""The documentation builds without a warning, is complete, and loads nothing from anywhere."""

import html.parser
import os
import re
import subprocess
import sys

import pytest
from checkout import ROOT

from dip_jax.cli.command import make_parser
from dip_jax.settings import fields, tasks
from dip_jax.studio.command import make_parser as make_studio_parser

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class _Loaded(html.parser.HTMLParser):
    """The addresses that a page loads, and not those that it links to."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in LOADS and values.get(LOADS[tag]):
            self.addresses.append(values[LOADS[tag]])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documentation")
    ran = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(folder)],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


@pytest.mark.thorough
@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(built):
    pages = sorted(built.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        loaded = _Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        away = [one for one in loaded.addresses if re.match(r"([a-z]+:)?//", one)]
        assert not away, page
    for style in built.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", text), style


@pytest.mark.thorough
@pytest.mark.slow
def test_every_option_and_every_field_is_there(built):
    command = (built / "reference" / "command.html").read_text(encoding="utf-8")
    for parser in (*make_parser().commands.values(), make_studio_parser()):
        for action in parser._actions:
            for name in action.option_strings:
                assert name in ("-h", "--help") or name in command, name
    configuration = (built / "reference" / "configuration.html").read_text(encoding="utf-8")
    for task in tasks.DOORS:
        for name in fields.fields(tasks.defaults(task)):
            assert name in ("task", "preset") or f"config.{name}<" in configuration, name


@pytest.mark.thorough
@pytest.mark.slow
def test_formulas_are_drawn_in_their_page(built):
    page = (built / "how-it-works.html").read_text(encoding="utf-8")
    assert page.count('class="math"><svg') > 30 and "MathJax" not in page
