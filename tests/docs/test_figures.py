"""Figures of the README have a table; its links, and those of the pages, lead somewhere."""

import re

import pytest
from checkout import ROOT

import dip_jax

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")


def tables():
    texts = [
        path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks/results").glob("*.md")
    ]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "configs").glob("*.py")]
    return "\n".join(texts)


def test_the_readme_is_one_screen_or_two():
    assert len(README.splitlines()) <= 150


def test_every_psnr_of_the_readme_stands_in_a_table():
    figures = set(re.findall(r"(?<![\d.])\d{1,2}\.\d\d(?![\d.])", README))
    assert len(figures) > 15
    known = tables()
    assert not [figure for figure in figures if not re.search(rf"(?<![\d.]){figure}(?!\d)", known)]


def test_every_commit_of_the_readme_is_one_of_a_table():
    commits = set(re.findall(r"\b(?=[0-9a-f]*\d)[0-9a-f]{10}\b", README))
    assert commits and not [commit for commit in commits if commit not in tables()]


@pytest.mark.parametrize(
    "page",
    [
        path.relative_to(ROOT).as_posix()
        for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
        if "_build" not in path.parts
    ],
)
def test_links_lead_to_files(page):
    where = (ROOT / page).parent
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S)
    for target, _ in LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            assert (where / target).exists(), target


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.search(r"^## \[([\d.]+)\] - ([\d-]+)$", changes, re.M).groups()
    assert version == dip_jax.__version__
    assert f"\nversion: {version}\n" in citation and f"\ndate-released: {date}\n" in citation


def test_the_gallery_is_small():
    sizes = [path.stat().st_size for path in (ROOT / "docs" / "gallery").iterdir()]
    assert max(sizes) < 150_000 and sum(sizes) < 1_500_000
