"""The store: found again, never half, one process computes."""

import multiprocessing

import numpy as np
import pytest

from tl_strategies.data.cache import written_aside
from tl_strategies.data.store import Store


def fill(value):
    def compute(out):
        out[:] = value
        return {"value": value}

    return compute


def test_hit_miss_off(tmp_path):
    store = Store(tmp_path)
    first = store.fetch({"a": 1}, (2, 3), "float32", fill(7))
    second = store.fetch({"a": 1}, (2, 3), "float32", fill(8))
    other = store.fetch({"a": 2}, (2, 3), "float32", fill(9))
    off = Store(None).fetch({"a": 1}, (2, 3), "float32", fill(5))
    assert [e.status for e in (first, second, other, off)] == ["miss", "hit", "miss", "off"]
    assert [e.extra["value"] for e in (first, second, other, off)] == [7, 7, 9, 5]
    np.testing.assert_array_equal(second.array, np.full((2, 3), 7))


def test_what_fails_leaves_nothing(tmp_path):
    def broken(out):
        out[:] = 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path).fetch({"a": 1}, (2,), "float32", broken)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []
    assert Store(tmp_path).fetch({"a": 1}, (2,), "float32", fill(3)).status == "miss"


def test_a_file_appears_whole_or_not(tmp_path):
    target = tmp_path / "a.txt"

    def fail():
        with written_aside(target) as aside:
            aside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def _compete(directory, log):
    def compute(out):
        with log.open("a") as file:
            file.write("computed\n")
        out[:] = 1

    Store(directory).fetch({"a": 1}, (1000,), "float32", compute)


def test_several_processes_compute_once(tmp_path):
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_compete, args=(tmp_path / "store", log)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert log.read_text() == "computed\n"
