"""Workers: cells wait for their bases; who dies is replaced; who cannot work says why."""

import os
import time

import pytest

from tl_strategies.analysis.cells import Cell
from tl_strategies.analysis.crew import MOST_DEATHS, train_in_workers
from tl_strategies.errors import UsageError

SLOW, QUICK = (Cell("random0", way, "base", 0, 0) for way in ("AB", "BA"))


class Recorded:
    """A study whose cells write down that they begin and end, and first kill their workers."""

    def __init__(self, directory, deaths):
        self.file = directory / "record"
        self.deaths = deaths

    def run(self, cell):
        self._write(f"begins {cell.name}")
        if self.file.read_text().count(f"begins {cell.name}") <= self.deaths:
            os._exit(9)
        time.sleep(1 if cell == SLOW else 0)
        self._write(f"ends {cell.name}")
        return {"name": cell.name}

    def _write(self, line):
        with self.file.open("a") as file:
            file.write(f"{line}\n")


@pytest.fixture
def train(tmp_path):
    """Train cells in workers; returns the lines that they wrote."""

    def train(cells, count, deaths=0):
        how = (Recorded, (tmp_path, deaths), tmp_path / "log")
        results = list(train_in_workers(cells, set(), count, *how))
        assert sorted(result["name"] for result in results) == sorted(cell.name for cell in cells)
        return (tmp_path / "record").read_text().splitlines()

    return train


def test_a_cell_waits_for_its_base(train):
    cell = Cell("random0", "AB", "BnB", 3, 0)
    assert cell.source == SLOW
    lines = train([SLOW, QUICK, cell], 2)
    assert lines.index(f"ends {SLOW.name}") < lines.index(f"begins {cell.name}")


@pytest.mark.parametrize("deaths", [1, MOST_DEATHS - 1])
def test_a_worker_that_dies_is_replaced(train, deaths):
    begun = {cell: [f"begins {cell.name}"] * (deaths + 1) for cell in (QUICK, SLOW)}
    assert train([QUICK, SLOW], 1, deaths) == [
        *begun[QUICK],
        f"ends {QUICK.name}",
        *begun[SLOW],
        f"ends {SLOW.name}",
    ]


def test_workers_that_keep_dying_are_given_up(train, tmp_path):
    with pytest.raises(UsageError, match="Workers must live"):
        train([SLOW, QUICK], 1, deaths=99)
    lines = (tmp_path / "record").read_text().splitlines()
    assert lines == [f"begins {SLOW.name}"] * MOST_DEATHS


def _unopened(directory):
    raise UsageError("a reason of its own")


def test_what_keeps_a_worker_from_opening_is_said(tmp_path):
    with pytest.raises(UsageError, match="a reason of its own"):
        list(train_in_workers([SLOW], set(), 1, _unopened, (tmp_path,), tmp_path / "log"))
