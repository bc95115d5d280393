"""The prefix pass by workers: its rows are those of one process, whoever dies."""

import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.execution.executor import in_order
from tl_strategies.execution.tasks import Opening, Task
from tl_strategies.runs import shares
from tl_strategies.settings.groups import Workers


def stored(directory):
    """Every row in a store's directory, by table and key."""
    rows = {}
    for path in directory.glob("store/*/chunk-*"):
        index = np.load(path / "index.npy")
        size = (path / "rows.bin").stat().st_size // len(index)
        data = (path / "rows.bin").read_bytes()
        for i, key in enumerate(index["key"]):
            rows[path.parent.name, bytes(key)] = data[i * size : (i + 1) * size]
    return rows


@pytest.fixture
def fit(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(shares, "ROWS", 16)  # so that 42 images are several shares

    def fit(name, **flags):
        place = tmp_path / name
        flags = {
            **settings,
            "run_dir": str(place / "run"),
            "cache_dir": str(place / "cache"),
        } | flags
        run = tl.fit("head", deterministic=True, **flags)
        return run, stored(place / "cache")

    return fit


def test_rows_and_run_are_those_of_one_process(fit, capfd):
    here, rows = fit("here")
    assert len(rows) >= 42
    assert "features of rows" not in capfd.readouterr().out
    by_workers, others = fit("workers", workers=2)
    assert "features of rows 17 to 32 of 42" in capfd.readouterr().out
    assert others == rows
    assert by_workers.metrics["test"] == here.metrics["test"]
    fit("workers", workers=2, run_dir=None)
    assert "features of rows" not in capfd.readouterr().out  # the store has them all


def test_folds_share_the_pass(fit, capfd):
    here, rows = fit("here", folds=3)
    capfd.readouterr()
    by_workers, others = fit("workers", folds=3, workers=2)
    output = capfd.readouterr().out
    assert output.index("features of rows") < output.index("fold 1: test")
    assert others == rows
    assert by_workers.metrics["test"] == here.metrics["test"]


def test_what_exceeds_the_limit_is_not_shared(fit, capfd):
    fit("workers", workers=2, cache_limit=1e-6)
    output = capfd.readouterr().out
    assert "features of rows" not in output
    assert "going on without the store" in output


def test_the_others_begin_when_all_shares_have_ended(tmp_path, capfd):
    def tasks(kind, count):
        return [Task(f"{kind} {i}", (kind, i), tmp_path / f"{kind}{i}") for i in range(count)]

    first = [*tasks("dies once", 2), *tasks("is wrong", 1)]
    opening = Opening("tests.execution.contexts:open_squares", (tmp_path,))
    take = in_order(tasks("square", 3))
    work = shares.execute_after(first, take, Workers(workers=2), opening, tmp_path)
    assert sorted(ended.task.name for ended in work) == ["square 0", "square 1", "square 2"]
    assert "[3/3]" in (output := capfd.readouterr().out)
    assert "--n must be another one" in output
    begun = [(tmp_path / f"square{i}" / "tries").stat().st_mtime_ns for i in range(3)]
    shared = [tmp_path / name / "tries" for name in ("dies once0", "dies once1", "is wrong0")]
    assert min(begun) > max(tries.stat().st_mtime_ns for tries in shared)
