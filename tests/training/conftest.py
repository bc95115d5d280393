"""Settings for short runs with a tiny backbone."""

import pytest


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
