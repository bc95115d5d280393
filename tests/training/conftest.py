"""A tiny backbone in a file, and settings for short runs with it."""

import pytest

from tl_strategies.testing import tiny_backbone


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    path = tmp_path_factory.mktemp("backbone") / "tiny.keras"
    tiny_backbone().save(path)
    return str(path)


@pytest.fixture
def settings(photos, backbone, tmp_path):
    return {
        "dataset": f"folder:{photos}",
        "backbone": backbone,
        "epochs": 2,
        "batch_size": 8,
        "learning_rate": 0.01,
        "run_dir": str(tmp_path / "run"),
        "cache_dir": str(tmp_path / "cache"),
    }
