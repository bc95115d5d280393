"""Room in the store: the tables that were not used for longest make way for new rows."""

import contextlib
import pathlib
import shutil
from typing import Any

from tl_strategies.store.table import Table, is_table


class NoStoreError(Exception):
    """Rows cannot be stored; says why."""


def tables_in(directory: pathlib.Path) -> list[dict[str, Any]]:
    """The tables in a directory, the least recently used first; nothing else that is there."""
    if not directory.is_dir():
        return []
    tables = [Table(path, (), "u1") for path in directory.iterdir() if is_table(path)]
    return sorted((table.describe() for table in tables), key=lambda table: table["used"])


def make_room(table: Table, whole: int, needed: int, limit: float) -> bool:
    """Evict tables until the new rows of one have room.

    Args:
        table: gets the rows; its lock must be held.
        whole: bytes of all its rows that are wanted now.
        needed: bytes of the new ones among them.
        limit: bytes that all tables may have together.

    Returns:
        False where the table's own rows had to go as well.

    Raises:
        NoStoreError: the rows are larger than the limit, or than the disk.
    """
    directory = table.path.parent
    if whole > limit:
        raise NoStoreError(f"{_gigabytes(whole)} exceed --cache_limit {limit / 1e9:g}")
    used = {other["table"]: other["bytes"] for other in tables_in(directory)}
    others = [name for name in used if name != table.path.name]
    kept = True
    while sum(used.values()) + needed > limit:
        if not others:
            table.delete()
            kept, needed = False, whole
            break
        victim = Table(directory / others.pop(0), (), "u1")
        with contextlib.suppress(BlockingIOError), victim.lock(wait=False):
            victim.delete()
            del used[victim.path.name]
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise NoStoreError(f"{directory} has {_gigabytes(free)} free, not {_gigabytes(needed)}")
    return kept


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
