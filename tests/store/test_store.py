"""The store: rows found again, never half, never wrong; one process computes; room is made."""

import multiprocessing
import os
import resource
import shutil
import signal
import time

import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.directories import MARK
from tl_strategies.files import atomic_write
from tl_strategies.store import table
from tl_strategies.store.store import Store
from tl_strategies.store.wanted import Wanted

SHAPE = (2, 3)


def keys(*numbers):
    return np.array([f"{number:032x}" for number in numbers], "S32")


class Rows:
    """Computes rows full of their key's number, and remembers which."""

    def __init__(self, *numbers, fail_after=None, seconds=0.0):
        self.numbers = numbers
        self.computed = []
        self.fail_after = fail_after
        self.seconds = seconds

    def __call__(self, positions):
        for position in positions:
            if len(self.computed) == self.fail_after:
                raise KeyboardInterrupt
            self.computed.append(self.numbers[position])
            time.sleep(self.seconds)
            yield position, np.full(SHAPE, self.numbers[position], "float32")


def fetch(store, rows, what="a"):
    numbers = keys(*rows.numbers)
    return store.fetch(Wanted({"what": what}, {"kind": what}, numbers, SHAPE, "float32", rows))


def check(entry, numbers):
    for position, number in enumerate(numbers):
        np.testing.assert_array_equal(entry.array[np.array([position])][0], np.full(SHAPE, number))


@pytest.fixture(params=["in memory", "in files"])
def store(request, tmp_path):
    return Store(tmp_path / "store", in_memory=2**20 if request.param == "in memory" else 0)


def chunks(store):
    return sorted(store.directory.glob("*/chunk-*"))


def test_only_what_is_missing_is_computed(store):
    first, second, third = Rows(1, 2), Rows(3, 2, 3, 1), Rows(2, 1)
    entry = fetch(store, first)
    assert (entry.status, first.computed) == ("miss", [1, 2])
    entry = fetch(store, second)
    assert (entry.status, second.computed) == ("miss", [3])
    check(entry, [3, 2, 3, 1])
    assert (fetch(store, third).status, third.computed) == ("hit", [])
    other = Rows(1)
    assert (fetch(store, other, "b").status, other.computed) == ("miss", [1])


def test_without_a_directory():
    rows = Rows(4, 5)
    entry = fetch(Store(None), rows)
    assert entry.status == "off"
    check(entry, [4, 5])
    assert fetch(Store(None, in_memory=0), rows) is None


def test_rows_that_cannot_be_computed(store):
    def compute(positions):
        for position in positions:
            if position != 1:
                yield position, np.full(SHAPE, position, "float32")

    for _ in range(2):
        entry = store.fetch(Wanted({}, {}, keys(0, 1, 2, 1), SHAPE, "float32", compute))
        assert entry.absent == (1, 3)
        np.testing.assert_array_equal(entry.array[np.array([2])][0], np.full(SHAPE, 2))


def test_a_pass_that_is_stopped_keeps_its_chunks(store, monkeypatch):
    monkeypatch.setattr(table, "FIRST_CHUNK", 0.0)
    with pytest.raises(KeyboardInterrupt):
        fetch(store, Rows(1, 2, 3, 4, fail_after=3, seconds=0.01))
    again = Rows(1, 2, 3, 4)
    check(fetch(store, again), [1, 2, 3, 4])
    assert again.computed in ([4], [3, 4])
    assert not list(store.directory.glob(f"*/{MARK}-*"))


def test_many_chunks_are_merged(store, monkeypatch):
    monkeypatch.setattr(table, "MOST_CHUNKS", 3)
    for number in range(7):
        fetch(store, Rows(number))
        assert 1 <= len(chunks(store)) <= 3
    rows = Rows(6, 3, 0, 5)
    entry = fetch(store, rows)
    assert (entry.status, rows.computed) == ("hit", [])
    check(entry, [6, 3, 0, 5])


@pytest.mark.parametrize("damage", ["cut", "flip", "index", "empty index", "no index"])
def test_damage_is_computed_again(store, damage, capsys):
    fetch(store, Rows(1, 2, 3))
    (chunk,) = chunks(store)
    path = chunk / ("rows.bin" if damage in ("cut", "flip") else "index.npy")
    data = bytearray(path.read_bytes())
    if damage == "no index":
        path.unlink()
    elif damage == "empty index":
        path.write_bytes(b"")
    elif damage == "flip":
        data[30] ^= 4
        path.write_bytes(data)
    else:
        path.write_bytes(data[:-5])
    rows = Rows(1, 2, 3)
    check(fetch(store, rows), [1, 2, 3])
    assert rows.computed == [1, 2, 3]
    assert "a damaged part of the store" in capsys.readouterr().out
    assert fetch(store, Rows(1, 2, 3)).status == "hit"


def test_a_directory_that_cannot_be_written_to(tmp_path, capsys):
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "store")
    check(fetch(store, Rows(1, 2)), [1, 2])
    assert "going on without the store" in capsys.readouterr().out
    with pytest.raises(tl.UsageError, match="--cache require must have a store"):
        fetch(Store(store.directory, required=True), Rows(1, 2))


def test_a_full_disk(tmp_path, capsys):
    """The system refuses to let a file grow, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        entry = fetch(Store(tmp_path), Rows(*range(100)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    check(entry, range(100))
    assert entry.status == "off"
    assert "going on without the store" in capsys.readouterr().out
    assert chunks(Store(tmp_path)) == []
    assert fetch(Store(tmp_path), Rows(*range(100))).status == "miss"


def test_an_error_of_the_computation_is_not_the_disk_s(tmp_path):
    def broken(positions):
        yield 0, np.zeros(SHAPE, "float32")
        raise OSError("too many open files")

    with pytest.raises(OSError, match="too many open files"):
        Store(tmp_path).fetch(Wanted({}, {}, keys(1, 2), SHAPE, "float32", broken))


def test_the_least_recently_used_makes_room(tmp_path, capsys):
    store = Store(tmp_path, limit=100)  # four rows of 24 bytes
    fetch(store, Rows(1, 2), "old")
    fetch(store, Rows(1), "new")
    for age, kind in ((50, "old"), (100, "new")):
        (found,) = [entry["table"] for entry in store.tables() if entry["kind"] == kind]
        os.utime(tmp_path / found / "table.json", (time.time() - age, time.time() - age))
    fetch(store, Rows(1, 2), "old")
    fetch(store, Rows(1, 2), "third")
    assert {entry["kind"] for entry in store.tables()} == {"old", "third"}
    grown = Rows(1, 2, 3, 4)
    check(fetch(store, grown, "old"), [1, 2, 3, 4])
    assert {entry["kind"] for entry in store.tables()} == {"old"}
    assert sum(entry["bytes"] for entry in store.tables()) <= 100
    other = Rows(5, 6, 7)  # the table's own rows go when nothing else is left
    check(fetch(store, other, "old"), [5, 6, 7])
    assert sum(entry["bytes"] for entry in store.tables()) <= 100
    assert fetch(store, Rows(*range(5)), "huge").status == "off"
    assert "exceed --cache_limit" in capsys.readouterr().out


def test_what_is_evicted_can_still_be_read(tmp_path):
    store = Store(tmp_path, in_memory=0)
    entry = fetch(store, Rows(1, 2))
    store.clear()
    assert store.tables() == []
    check(entry, [1, 2])


def test_a_file_appears_whole_or_not(tmp_path):
    target = tmp_path / "a.txt"

    def fail():
        with atomic_write(target) as aside:
            aside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_damage_after_the_rows_were_found(tmp_path, capsys):
    """Rows that stay on disk are held against their checksums whenever they are read."""
    store = Store(tmp_path, in_memory=0)
    rows = Rows(1, 2, 3)
    entry = fetch(store, rows)
    (chunk,) = chunks(store)
    data = bytearray((chunk / "rows.bin").read_bytes())
    data[30] ^= 4
    (chunk / "rows.bin").write_bytes(data)
    check(entry, [1, 2, 3])
    check(entry, [1, 2, 3])
    assert rows.computed == [1, 2, 3, 2, 2]
    assert capsys.readouterr().out.count("a damaged part of the store") == 1
    assert fetch(Store(tmp_path), Rows(1, 2, 3)).status == "miss"


@pytest.mark.parametrize("name", ["rows.bin", "index.npy", "table.json"])
def test_a_named_pipe_in_the_place_of_a_file(tmp_path, name):
    store = Store(tmp_path)
    fetch(store, Rows(1, 2))
    (file,) = tmp_path.glob(f"**/{name}")
    file.unlink()
    os.mkfifo(file)
    check(fetch(Store(tmp_path), Rows(1, 2)), [1, 2])
    assert len(store.tables()) == 1


@pytest.mark.parametrize(
    "text", ["[]", "7", '{"row_bytes": "24", "depth": [1], "kind": 3}', '{"row_bytes": 0}', "{"]
)
def test_a_table_json_that_somebody_wrote(tmp_path, text):
    store = Store(tmp_path, limit=100)
    fetch(store, Rows(1, 2))
    (table_json,) = tmp_path.glob("*/table.json")
    table_json.write_text(text)
    (described,) = store.tables()
    assert described["rows"] >= 0
    check(fetch(store, Rows(3, 4, 5), "other"), [3, 4, 5])


def test_a_lock_that_is_a_link_to_another_file(tmp_path, capsys):
    precious = tmp_path / "precious"
    precious.write_text("all of it")
    store = Store(tmp_path / "store")
    fetch(store, Rows(1))
    (lock,) = store.directory.glob("*.lock")
    lock.unlink()
    lock.symlink_to(precious)
    check(fetch(store, Rows(1, 2)), [1, 2])
    assert precious.read_text() == "all of it"
    assert "going on without the store" in capsys.readouterr().out


@pytest.mark.parametrize("planted", ["link", "directory"])
def test_a_table_that_somebody_planted(tmp_path, planted, capsys):
    store, precious = Store(tmp_path / "store"), tmp_path / "precious"
    fetch(store, Rows(1))
    (entry,) = store.tables()
    table = store.directory / entry["table"]
    precious.mkdir()
    (precious / "table.json").write_text("mine")
    shutil.rmtree(table)
    if planted == "link":
        table.symlink_to(precious)
    else:
        precious.rename(table)
    check(fetch(Store(store.directory), Rows(1, 2)), [1, 2])
    assert (table / "table.json").read_text() == "mine"
    assert [path.name for path in table.iterdir()] == ["table.json"]
    assert "going on without the store" in capsys.readouterr().out


def test_directories_are_for_the_user_alone(tmp_path):
    fetch(Store(tmp_path / "cache" / "store"), Rows(1))
    made = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert made
    for path in made:
        others = path.stat().st_mode & 0o077 and path.parent.stat().st_mode & 0o077
        assert not others, path


def _compete(directory, log, wait):
    def compute(positions):
        with log.open("a") as file:
            file.write("computed\n")
        for position in positions:
            time.sleep(wait)
            yield position, np.full(SHAPE, position, "float32")

    Store(directory).fetch(Wanted({}, {}, keys(*range(50)), SHAPE, "float32", compute))


@pytest.fixture
def start(tmp_path):
    context = multiprocessing.get_context("spawn")

    def start(wait):
        process = context.Process(
            target=_compete, args=(tmp_path / "store", tmp_path / "log", wait)
        )
        process.start()
        return process

    return start


def test_several_processes_compute_once(tmp_path, start):
    processes = [start(0.01) for _ in range(4)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "log").read_text() == "computed\n"


def _share(directory, barrier, rows):
    def compute(positions):
        for position in positions:
            barrier.wait(60)  # for the other process, which must have begun too
            yield position, np.full(SHAPE, position, "float32")

    Store(directory).share(Wanted({}, {}, keys(*range(8)), SHAPE, "float32", compute), rows)


def test_shares_are_added_at_the_same_time(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    nothing = Wanted({}, {}, keys(*range(8)), SHAPE, "float32", Rows())
    assert len(Store(tmp_path / "store").make_room(nothing)) == 8
    processes = [
        context.Process(target=_share, args=(tmp_path / "store", barrier, rows))
        for rows in (np.arange(4), np.arange(4, 8))
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    rows = Rows(*range(8))
    wanted = Wanted({}, {}, keys(*range(8)), SHAPE, "float32", rows)
    entry = Store(tmp_path / "store").fetch(wanted)
    assert (entry.status, rows.computed) == ("hit", [])
    check(entry, range(8))


def test_what_is_missing_has_room_or_is_not_shared(tmp_path):
    rows = Rows(*range(8))
    wanted = Wanted({"what": "a"}, {}, keys(*range(8)), SHAPE, "float32", rows)
    store = Store(tmp_path / "store")
    fetch(store, Rows(1, 5))
    assert store.make_room(wanted).tolist() == [0, 2, 3, 4, 6, 7]
    assert Store(tmp_path / "store", limit=7 * 24).make_room(wanted).tolist() == []
    assert Store(None).make_room(wanted).tolist() == []
    store.share(wanted, np.array([4, 5, 6]))
    assert rows.computed == [4, 6]


def test_room_for_several_tables_is_made_for_their_sum(tmp_path):
    store = Store(tmp_path / "store", limit=24 * 40)
    fetch(store, Rows(*range(20)), "old")
    promised = 0
    for name in ("a", "b"):
        wanted = Wanted({"what": name}, {"kind": name}, keys(*range(12)), SHAPE, "float32", Rows())
        promised += 24 * len(store.make_room(wanted, promised))
    assert promised == 24 * 24
    assert sum(table["bytes"] for table in store.tables()) + promised <= store.limit


def test_chunks_of_many_shares_become_one_without_copies(tmp_path):
    store = Store(tmp_path / "store")
    rows = Rows(*range(table.MOST_CHUNKS + 6))
    numbers = keys(*rows.numbers)
    wanted = Wanted({"what": "a"}, {"kind": "a"}, numbers, SHAPE, "float32", rows)
    store.make_room(wanted)
    for at in range(len(numbers)):
        store.share(wanted, np.array([at]))
    for chunk in chunks(store)[:3]:  # as if another process had written the same
        shutil.copytree(chunk, chunk.with_name("chunk-" + chunk.name[6:][::-1]))
    assert len(chunks(store)) == len(numbers) + 3
    check(fetch(store, rows), rows.numbers)
    assert len(chunks(store)) == 1
    assert [entry["rows"] for entry in store.tables()] == [len(numbers)]
    assert sorted(rows.computed) == sorted(rows.numbers)


def test_who_dies_lets_the_lock_go(tmp_path, start):
    slow = start(60)
    while not (tmp_path / "log").exists():
        time.sleep(0.01)
    os.kill(slow.pid, signal.SIGKILL)
    second = start(0)
    second.join(60)
    assert second.exitcode == 0
    assert not list((tmp_path / "store").glob(f"*/{MARK}-*"))
    assert (tmp_path / "log").read_text() == "computed\n" * 2
