"""README and docs/: commands take the flags that they are shown with, links lead on."""

import importlib
import itertools
import pathlib
import re
import shlex

import pytest

from tl_strategies.strategies import get_strategy

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINES = [
    (page.name, line.strip())
    for page in PAGES
    for line in page.read_text(encoding="utf-8").splitlines()
    if re.match(r"(\s{4}|\.venv/bin/|)(tl-[a-z]+) ", line) or re.match(r"    tl-[a-z]+$", line)
]


def flags_of(line):
    """The command of a line, and the names and values of its flags."""
    words = shlex.split(line.removeprefix(".venv/bin/"), comments=True)
    module = importlib.import_module(f"tl_apps.{words[0].replace('-', '_')}")
    known = {flag.name: flag for flag in module.FLAGS}
    given = []
    for word, after in itertools.zip_longest(words[1:], words[2:], fillvalue=""):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            given.append((name, value if equals else after))
    return known, given


@pytest.mark.parametrize(("page", "line"), LINES, ids=lambda text: text[:60])
def test_flags_are_there(page, line):
    known, given = flags_of(line)
    for name, value in given:
        assert name in known or name.removeprefix("no") in known, f"--{name}"
        if name in known and getattr(known[name], "choices", None):
            assert value in known[name].choices
        if name == "strategy" and value in ("partial", "head", "full", "fixed", "lp_ft"):
            get_strategy(value)
        if name == "option":
            strategy = dict(given).get("strategy")
            assert value.partition("=")[0] in get_strategy(strategy).hyperparameters()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).is_file(), target


def test_options_of_fixed_are_all_told():
    text = (ROOT / "docs" / "strategies-and-units.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z_]+)=", text.partition("## Codes of frozen units")[2]))
    assert told == set(get_strategy("fixed").hyperparameters()) - {"n"}


def test_tables_are_those_that_the_tools_wrote():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name, table in re.findall(r"<!-- docs/(\S+) -->\n(.*?)<!-- end -->", text, re.S):
            if (ROOT / "docs" / name).is_file():
                assert table == (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_the_readme_is_short_and_names_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    tables = {"strategies.md", "engine.md", "codes.md"}
    for page in PAGES[1:]:
        assert page.name in tables or f"](docs/{page.name})" in text
