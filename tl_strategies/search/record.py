"""What a search is, as a file: the same command goes on with it, another one is refused."""

import hashlib
import json
import pathlib
import time
from typing import Any

from tl_strategies.errors import UsageError
from tl_strategies.search.settings import SearchSettings
from tl_strategies.search.trial import Bench
from tl_strategies.training.description import check_same
from tl_strategies.training.forward import model_digest
from tl_strategies.training.settings import Settings, to_toml

RECORD = "search.json"
NAMES = (  # of what a search writes
    *(RECORD, "config.toml", "oracle.json", "trials", "trials.csv", "probe.json", "workers"),
    *("session.txt", "summary.json", "depth_curve.png", "best"),
)
PLACES = ("cache", "cache_dir", "cache_limit")  # change no result
PATIENCE = 600  # seconds that a worker waits for its chief to begin


def describe(search: SearchSettings, bench: Bench, space: list[dict[str, Any]]) -> dict[str, Any]:
    """All that determines the results of a search, as plain data."""
    settings, images = bench.job.settings, bench.images
    config = settings.to_config() | search.to_config()
    content = hashlib.blake2b(b"".join(images.keys) + images.listing.labels.tobytes())
    backbone = model_digest(bench.job.backbone)[:16]
    return {
        **{name: value for name, value in config.items() if name not in PLACES},
        "the space": json.loads(json.dumps(space)),
        "the images": f"{len(images.keys)} with digest {content.hexdigest()[:16]}",
        "the backbone": f"{len(bench.job.units)} units with digest {backbone}",
    }


def join(directory: pathlib.Path, description: dict[str, Any]) -> None:
    """Wait for the chief's description and hold a worker's against it.

    Raises:
        UsageError: there is none, or it is another search.
    """
    until = time.monotonic() + PATIENCE
    while not (directory / RECORD).is_file():
        if time.monotonic() > until:
            raise UsageError(
                "--run_dir must be that of a chief, on a disk that both see. Received: "
                f"{directory}."
            )
        time.sleep(0.2)
    check_same(directory / RECORD, description)


def config_text(settings: Settings, search: SearchSettings) -> str:
    """The text of config.toml, from which workers are started and the search is replayed."""
    config = settings.to_config() | search.to_config()
    for name in ("n", "deterministic", "train_on", "folds", "fold"):  # no flags of tl-search
        config.pop(name, None)
    text = to_toml({name: list(v) if isinstance(v, tuple) else v for name, v in config.items()})
    return text.replace("tl-run", "tl-search", 1)
