"""Cells: all are there once, bases come first, and each has the source that its name says."""

import pytest

import tl_strategies as tl
from tl_strategies.analysis.study.cells import TREATMENTS, Cell, make_cells, parse_treatments
from tl_strategies.analysis.study.halves import Halves

SPLITS = [Halves("random0", ("a", "b"), ("c", "d")), Halves("random1", ("a", "c"), ("b", "d"))]


def test_the_grid():
    cells = make_cells(SPLITS, TREATMENTS, range(1, 8), repeats=2)
    assert len(cells) == len(set(cells)) == 2 * 2 * 2 * (1 + 6 * 7)
    assert len({cell.name for cell in cells}) == len({cell.seed(0) for cell in cells}) == len(cells)
    seen = set()
    for cell in cells:
        assert cell.source is None or cell.source in seen
        seen.add(cell)
    first = cells[: len(cells) // 4]
    assert {(cell.split, cell.repeat) for cell in first} == {("random0", 0)}


def test_sources():
    def source(treatment, direction="AB", split="random0"):
        return Cell(split, direction, treatment, 3, 1).source

    assert source("BnB") == source("BnB+") == Cell("random0", "AB", "base", 0, 1)
    assert source("AnB") == source("AnB+") == Cell("random0", "BA", "base", 0, 1)
    assert source("AnB", "BA") == Cell("random0", "AB", "base", 0, 1)
    assert source("RnB") is source("RnB+") is source("base") is None
    assert source("AnB", split="given0") is None


def test_bases_that_are_needed_are_there():
    cells = make_cells(SPLITS[:1], ["AnB"], [2], 1)
    assert [cell.treatment for cell in cells] == ["base", "base", "AnB", "AnB"]


def test_weights_that_are_given_have_one_direction():
    cells = make_cells([Halves("given0", (), ("a", "b"))], ["base", "AnB", "BnB"], [1, 2], 1)
    assert {cell.direction for cell in cells} == {"AB"}
    assert len(cells) == 5


def test_treatments_in_a_flag():
    assert parse_treatments("AnB, base", given=False) == ("base", "AnB")
    assert parse_treatments("all", given=False) == TREATMENTS
    assert "BnB" not in parse_treatments("all", given=True)
    for text, message in (("AnB,base,AnC", "AnC"), ("AnB", "must have base")):
        with pytest.raises(tl.UsageError, match=message):
            parse_treatments(text, given=False)
