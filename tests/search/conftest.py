"""Searches over the depths of a tiny backbone."""

import dataclasses

import pytest

from tl_strategies.runs.job import check
from tl_strategies.search.search import open_search, run_search
from tl_strategies.search.settings import SearchSettings
from tl_strategies.settings.run import Settings


@pytest.fixture
def base(photos, backbone, tmp_path):
    """Settings of short trials."""
    return Settings(
        dataset=f"folder:{photos}",
        backbone=backbone,
        epochs=2,
        batch_size=8,
        learning_rate=0.03,
        deterministic=True,
        run_dir=str(tmp_path / "search"),
        cache_dir=str(tmp_path / "cache"),
    )


@pytest.fixture
def find(base):
    """Run a search: what its trials have other than `base`, and flags of the search."""

    def find(others=None, **flags):
        settings = dataclasses.replace(base, **(others or {}))
        search = SearchSettings(**flags)
        return run_search(search, open_search(check(settings), search))

    return find
