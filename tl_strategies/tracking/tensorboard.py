"""What a run tells TensorBoard: scalars, learning rates, settings as HParams, the plan, figures."""

import functools
import pathlib
import re
import time
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.hparams import api as hp
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from tl_strategies.directories import make_directory

PARTS = ("train", "validation")
COLUMNS = (  # of the HParams page
    *("strategy", "n", "learning_rate", "epochs", "augment", "backbone", "dataset", "limit"),
    *("image_size", "batch_size", "optimizer", "seed"),
)
SECONDS = "seconds"  # that a training took, with its features
WITHIN = re.compile(r"trials|cells|best|search|fold\d+")  # folders inside one that has a name
EVENTS = re.compile(r"(events\.out\.tfevents\.)(\d+)(\..+)")


class Tracker:
    """Writes events below a run's directory, in the sub-folders `train` and `validation` too."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.run = tf.summary.create_file_writer(str(directory))

    @functools.cached_property
    def parts(self) -> dict[str, tf.summary.SummaryWriter]:
        """Made when they are first needed: after the mark of a start."""
        folders = {part: str(self.directory / part) for part in PARTS}
        return {part: tf.summary.create_file_writer(folder) for part, folder in folders.items()}

    def start_after(self, epoch: int) -> None:
        """Mark a start, which takes back what a killed run has written of later epochs.

        TensorBoard takes the first mark that it sees for the beginning: every run needs one.
        """
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        mark = event_pb2.Event(wall_time=time.time(), step=epoch + 1, session_log=start)
        for folder in (self.directory / part for part in PARTS):
            make_directory(folder)
            _step_back(folder)
            writer = EventFileWriter(str(folder))
            writer.add_event(mark)
            writer.close()

    def write_settings(self, config: dict[str, Any], plan: str, metric: str) -> None:
        """The settings and what they are compared by as HParams, and the plan as text."""
        values = {name: config[name] for name in COLUMNS if config.get(name) is not None}
        self.write_space([*COLUMNS], metric)
        with self.run.as_default():
            hp.hparams(values, trial_id=self._name())
            text = "\n".join(f"    {line}" for line in plan.splitlines())
            tf.summary.text("plan", text, step=0)

    def write_epoch(self, epoch: int, logs: dict[str, float], rates: dict[str, float]) -> None:
        """Losses, metrics and each group's learning rate after an epoch, counted from 1."""
        values: dict[str, dict[str, float]] = {part: {} for part in PARTS}
        for name, value in logs.items():
            part = "validation" if name.startswith("val_") else "train"
            values[part][f"epoch/{name.removeprefix('val_')}"] = value
        values["train"] |= {f"learning_rate/{group}": rate for group, rate in rates.items()}
        for part, writer in self.parts.items():
            with writer.as_default(step=epoch):
                for name, value in values[part].items():
                    tf.summary.scalar(name, value)
            writer.flush()

    def write_space(self, names: list[str], metric: str) -> None:
        """The hyper-parameters and the metric that the HParams page compares the runs below by."""
        metrics = [hp.Metric(name) for name in (f"validation/{metric}", f"test/{metric}", SECONDS)]
        with self.run.as_default():
            hp.hparams_config([hp.HParam(name) for name in names], metrics)

    def write_scalar(self, name: str, value: float, step: int = 0) -> None:
        """A result of the whole run."""
        with self.run.as_default():
            tf.summary.scalar(name, value, step=step)

    def write_image(self, name: str, pixels: np.ndarray) -> None:
        """A figure, uint8 of shape (height, width, channels)."""
        with self.run.as_default():
            tf.summary.image(name, pixels[None], step=0)

    def _name(self) -> str:
        """The run's directory, with as many folders as tell it apart from others."""
        parts = self.directory.absolute().parts
        inner = [i for i, part in enumerate(parts) if WITHIN.fullmatch(part)]
        start = min(inner, default=len(parts) - 1) - 1
        return "/".join(parts[max(start, 1) :])

    def flush(self) -> None:
        self.run.flush()


def _step_back(folder: pathlib.Path) -> None:
    """Rename event files that a clock ahead of ours has dated, so that new ones come after them.

    TensorBoard reads files in the order of their names, which begin with the second in which they
    were made.
    """
    latest = int(time.time()) - 1
    for path in sorted(folder.iterdir(), reverse=True):
        parts = EVENTS.fullmatch(path.name)
        if parts and int(parts[2]) > latest:
            path.rename(folder / f"{parts[1]}{latest:010}{parts[3]}")
            latest -= 1
