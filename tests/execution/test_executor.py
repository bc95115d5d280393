"""Tasks end once each, whoever does them and whoever dies meanwhile."""

import dataclasses
import os
import pathlib
import subprocess
import sys
import time

import pytest

from tl_strategies.errors import UsageError
from tl_strategies.execution.executor import check_workers, execute, in_order
from tl_strategies.execution.tasks import Opening, Task, TaskError
from tl_strategies.settings.groups import Workers

CONTEXTS = "tests.execution.contexts"
ENGINES = {
    "here": Workers(),
    "local": Workers(workers=2),
    "ray": Workers(workers=2, engine="ray"),
}


def tasks(directory, *arguments):
    return [Task(f"{kind} {n}", (kind, n), directory / f"{kind}{n}") for kind, n in arguments]


def ended(directory, workers, *arguments, opening="open_squares"):
    """Tasks that have ended, by the numbers of their arguments."""
    take = in_order(tasks(directory, *arguments))
    opened = Opening(f"{CONTEXTS}:{opening}", (str(directory),))
    return {e.task.argument[1]: e for e in execute(take, workers, opened, directory)}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_does_all_tasks_and_replaces_workers_that_die(tmp_path, engine):
    arguments = [*(("is fine", n) for n in range(5)), ("is wrong", 5), ("fails", 6)]
    if engine != "here":
        arguments += [("dies once", 7), ("dies", 8), ("is fine", 9), ("gets further", 10)]
    found = ended(tmp_path, ENGINES[engine], *arguments)
    assert [found[n].unwrap()[0] for n in range(5)] == [0, 1, 4, 9, 16]
    assert (engine == "here") == (found[0].result[1] == os.getpid())
    with pytest.raises(UsageError, match="--n must be another one"):
        found[5].unwrap()
    assert "Unpicklable" in (
        str(found[6].error) if engine != "here" else type(found[6].error).__name__
    )
    if engine != "here":
        assert [found[n].unwrap()[0] for n in (7, 9, 10)] == [49, 81, 100]
        assert isinstance(found[8].error, TaskError)
        assert "it killed its process 2 times" in str(found[8].error)
        assert "last words of 8" in str(found[8].error)
        assert (tmp_path / "dies8" / "tries").read_text() == "xx"


def test_a_worker_that_grows_is_replaced(tmp_path):
    for growth, workers in ((0.04, 3), (1, 1)):
        most = Workers(workers=1, engine="local", memory_growth=growth)
        pool = dataclasses.replace(most, workers=2)
        found = ended(tmp_path, pool, *(("grows", n) for n in range(6)))
        assert len({found[n].unwrap()[1] for n in found}) >= workers


@pytest.mark.parametrize(
    ("opening", "message"), [("open_never", "--dataset must be there"), ("die", "killed")]
)
def test_a_context_that_cannot_be_opened(tmp_path, opening, message):
    if opening == "open_never":
        with pytest.raises(UsageError, match=message):
            ended(tmp_path, ENGINES["local"], ("is fine", 1), opening=opening)
    else:
        found = ended(tmp_path, ENGINES["local"], ("is fine", 1), opening=opening)
        assert message in str(found[1].error)


def test_tasks_wait_for_others(tmp_path):
    """The second one can be begun when the first has ended."""
    first, second = tasks(tmp_path, ("is fine", 1), ("is fine", 2))
    left, done = [first, second], []

    def take():
        if left and (left[0] is first or done):
            return left.pop(0)
        return None

    for one in execute(
        take, ENGINES["local"], Opening(f"{CONTEXTS}:open_squares", (tmp_path,)), tmp_path
    ):
        done += [one.task.name]  # now: `take` looks at it
    assert done == ["is fine 1", "is fine 2"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_nothing_outlives_a_parent_that_is_killed(tmp_path, engine):
    code = (
        "import pathlib\n"
        "from tests.execution.test_executor import ENGINES, ended\n"
        f"ended(pathlib.Path({str(tmp_path)!r}), ENGINES[{engine!r}], ('waits', 1), ('waits', 2))"
    )
    environment = {**os.environ, "TL_TEST_MARK": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)
    while not all((tmp_path / f"waits{n}" / "tries").exists() for n in (1, 2)):
        assert parent.poll() is None
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    until = time.monotonic() + 10
    while left := marked(str(tmp_path)):
        assert time.monotonic() < until, left
        time.sleep(0.2)


def marked(mark):
    """Processes that have inherited a mark in their environment, and run."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"TL_TEST_MARK={mark}".encode() in (path / "environ").read_bytes():
                state, above = (path / "stat").read_text().rsplit(")", 1)[1].split()[:2]
                line = (path / "cmdline").read_bytes().strip(b"\0")[:60]
                found += [] if state == "Z" else [(line, state, f"child of {above}")]
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"workers": 0}, "--workers must be at least 1"),
        ({"engine": "slurm"}, "--engine must be one of local, ray"),
        ({"gpus_per_worker": -1}, "--gpus_per_worker must be at least 0"),
        ({"memory_growth": 0}, "--memory_growth must be above 0"),
    ],
)
def test_workers_that_cannot_be(flags, message):
    with pytest.raises(UsageError, match=message):
        check_workers(Workers(**flags))


def test_ray_that_is_not_installed_or_not_there(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="of a Ray cluster that runs"):
        ended(tmp_path, Workers(engine="ray:127.0.0.1:1"), ("is fine", 1))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'tl-strategies\[ray\]'"):
        check_workers(Workers(engine="ray"))
