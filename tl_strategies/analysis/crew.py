"""The cells of a study, trained in this process or side by side in several."""

import concurrent.futures
import importlib
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from tl_strategies.analysis.cells import Cell
from tl_strategies.errors import UsageError
from tl_strategies.output import Shield

MOST_DEATHS = 3  # of a worker, without a cell done in between

Result = dict[str, Any]

_study: Any = None  # of a worker
_failure: Exception | None = None  # of its opening


def train_here(cells: list[Cell], study: Any) -> Iterator[Result]:
    """Train cells one after the other; yields their results."""
    for cell in cells:
        yield study.run(cell)


def train_in_workers(
    cells: list[Cell],
    done: set[Cell],
    count: int,
    open_study: Callable[..., Any],
    arguments: tuple,
    log: pathlib.Path,
) -> Iterator[Result]:
    """Train cells in several processes; those that die are replaced, and their cells go on.

    Args:
        cells: to train, in the order in which they are begun; bases before what needs them.
        done: bases that are trained already.
        count: of processes.
        open_study: makes the study in a process; it can be imported there.
        arguments: of that.
        log: file that gets what workers print.

    Yields:
        Results, as cells end.

    Raises:
        UsageError: a worker cannot work, for a reason that it gives, or workers keep dying.
    """
    # Unpickling the function itself would import TensorFlow, which prints, before there is a log.
    place = (open_study.__module__, open_study.__name__)
    waiting, done, deaths = list(cells), set(done), 0
    while waiting:
        try:
            for cell, result in _with_pool(waiting, done, count, (place, arguments, log)):
                waiting.remove(cell)
                done.add(cell)
                deaths = 0
                yield result
        except BrokenProcessPool as error:
            deaths += 1
            if deaths >= MOST_DEATHS:
                raise UsageError(
                    f"Workers must live. Received: {deaths} that died at {waiting[0].name} or near "
                    f"it, perhaps for want of memory; {log} has their last words. Try fewer "
                    "--workers; the same command goes on."
                ) from error


def _with_pool(
    cells: list[Cell], done: set[Cell], count: int, initial: tuple
) -> Iterator[tuple[Cell, Result]]:
    """Train cells in a new pool, which ends with this generator."""
    pool = concurrent.futures.ProcessPoolExecutor(
        count,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=initial,
    )
    left, running = list(cells), {}
    try:
        while left or running:
            ready = [cell for cell in left if cell.source is None or cell.source in done]
            for cell in ready[: count - len(running)]:
                running[pool.submit(_run, cell)] = cell
                left.remove(cell)
            finished, _ = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in finished:
                yield running.pop(future), future.result()
    finally:
        for process in multiprocessing.active_children():
            process.kill()
        pool.shutdown(cancel_futures=True)


def _begin(place: tuple[str, str], arguments: tuple, log: pathlib.Path) -> None:
    """In a worker: print to the log, end with the parent, open the study.

    Each has as many threads as a process alone: with others TensorFlow would round otherwise.
    """
    global _study, _failure
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the parent's to handle
        signal.signal(number, signal.SIG_IGN)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.stdout, sys.stderr = Shield(sys.stdout), Shield(sys.stderr)
    sentinel = multiprocessing.parent_process().sentinel
    threading.Thread(target=_end_with, args=[sentinel], daemon=True).start()
    try:
        _study = getattr(importlib.import_module(place[0]), place[1])(*arguments)
    except Exception as error:  # the parent gets it in the place of a result
        _failure = error


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _run(cell: Cell) -> Result:
    if _failure is not None:
        raise _failure
    result = _study.run(cell)
    sys.stdout.flush()
    return result
