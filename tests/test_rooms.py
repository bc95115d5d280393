"""The rooms of the house: imports point only up the list in CONTRIBUTING.md."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1] / "tl_strategies"
ROOMS = (
    *("ground", "tracking", "backbones", "store", "plans", "strategies", "data", "settings"),
    *("training", "evaluation", "execution", "runs", "analysis", "search", "work", "api"),
)
APART = ("__init__.py", "testing.py")  # what users import


def room_of(module):
    first = module.split(".")[1] if "." in module else ""
    return first if first in ROOMS else "ground"


def imports_of(file):
    """Modules of ours that a file imports when it runs, also those inside functions."""
    tree = ast.parse(file.read_text())
    typing = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    return [
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and id(node) not in typing
        if (node.module or "").startswith("tl_strategies")
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_only_up(room):
    files = [
        file
        for file in sorted(ROOT.rglob("*.py"))
        if file.relative_to(ROOT).as_posix() not in APART
    ]
    own = []
    for file in files:
        module = ".".join(("tl_strategies", *file.relative_to(ROOT).with_suffix("").parts))
        if room_of(module) == room:
            own.append(file)
            for other in imports_of(file):
                assert ROOMS.index(room_of(other)) <= ROOMS.index(room), f"{file}: {other}"
    assert own


def test_every_room_is_in_contributing():
    text = (ROOT.parent / "CONTRIBUTING.md").read_text()
    places = [text.index(f"\n      {room}") for room in ROOMS[1:]]
    assert places == sorted(places)
