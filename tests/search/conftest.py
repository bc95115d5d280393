"""Searches over the depths of a tiny backbone."""

import dataclasses
import pathlib
import shutil
from collections.abc import Callable

import pytest

from tests.conftest import draw_classes
from tl_strategies.runs.job import check
from tl_strategies.search.search import Found, open_search, run_search
from tl_strategies.search.settings import SearchSettings
from tl_strategies.settings.run import Settings


def settings_of(root, photos, backbone):
    """Settings of short trials."""
    return Settings(
        dataset=f"folder:{photos}",
        backbone=backbone,
        epochs=2,
        batch_size=8,
        learning_rate=0.03,
        deterministic=True,
        run_dir=str(root / "search"),
        cache_dir=str(root / "cache"),
    )


def finder(base):
    """Runs a search: what its trials have other than `base`, and flags of the search."""

    def find(others=None, **flags):
        settings = dataclasses.replace(base, **(others or {}))
        search = SearchSettings(**flags)
        return run_search(search, open_search(check(settings), search))

    return find


@pytest.fixture
def base(photos, backbone, tmp_path):
    return settings_of(tmp_path, photos, backbone)


@pytest.fixture
def find(base):
    return finder(base)


@dataclasses.dataclass(frozen=True)
class Finished:
    """A search that has ended.

    Attributes:
        directory: where it is.
        photos: its data.
        base: what its trials share.
        flags: of the search.
        find: runs a search there; see `finder`.
        found: what it gave.
    """

    directory: pathlib.Path
    photos: pathlib.Path
    base: Settings
    flags: dict
    find: Callable
    found: Found

    def again(self):
        """Start it again as it was started; returns what it finds."""
        return self.find(**self.flags)


@pytest.fixture(scope="module")
def _searched(tmp_path_factory, backbone):
    root = tmp_path_factory.mktemp("searched")
    photos = draw_classes(root / "photos")
    base = settings_of(root, photos, backbone)
    flags = {"depths": "1,4", "repeats": 2}
    found = finder(base)(**flags)
    shutil.copytree(root / "search", root / "copy")
    return Finished(root / "search", photos, base, flags, finder(base), found)


@pytest.fixture
def finished(_searched):
    """One for all tests of a file; each finds it as it ended."""
    shutil.rmtree(_searched.directory)
    shutil.copytree(_searched.directory.with_name("copy"), _searched.directory)
    return _searched
