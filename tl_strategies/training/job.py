"""A job: what a run will do, checked as far as it can be without decoding an image."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING

from tl_strategies.backbones.names import check_backbone
from tl_strategies.backbones.units import Unit, find_units
from tl_strategies.data.cache import cache_directory, check_directory, check_writable
from tl_strategies.data.listing import Listing
from tl_strategies.data.sources import list_dataset
from tl_strategies.data.split import PARTS
from tl_strategies.data.task import Task
from tl_strategies.errors import UsageError
from tl_strategies.plans.plan import Plan
from tl_strategies.strategies import Strategy, load_plugin
from tl_strategies.strategies.create import create_strategy
from tl_strategies.training.place import make_new, run_directory
from tl_strategies.training.settings import Settings

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Job:
    """What a run will do.

    Attributes:
        settings: of the run.
        directory: where it will be written.
        listing: the images, not yet decoded.
        backbone: with its weights.
        units: of the backbone.
        plan: what is trained; None for a search, whose trials have their own.
    """

    settings: Settings
    directory: pathlib.Path
    listing: Listing
    backbone: "keras.Model"
    units: list[Unit]
    plan: Plan | None

    @property
    def task(self) -> Task:
        """The labels that are used."""
        return task_of(self.settings, self.listing)

    @property
    def image_size(self) -> int:
        """Side of the images, in pixels."""
        return self.backbone.inputs[0].shape[1]


@dataclasses.dataclass(frozen=True)
class Checked:
    """Settings that passed every check that needs no Keras; without a strategy, of a search."""

    settings: Settings
    strategy: Strategy | None
    directory: pathlib.Path
    listing: Listing


def check(
    settings: Settings, strategy: Strategy | None = None, listing: Listing | None = None
) -> Checked:
    """Check what takes a moment: the strategy, the run's directory, the data's listing.

    Args:
        settings: of the run.
        strategy: in place of the one that the settings name.
        listing: in place of the data that the settings name.

    Raises:
        UsageError: something must change before any training can start.
    """
    for plugin in settings.plugin:
        load_plugin(plugin)
    strategy = strategy or create_strategy(settings.strategy, settings.n, settings.option)
    check_backbone(*_backbone_of(settings), settings.n)
    try:
        directory = check_writable("run_dir", run_directory(settings))
        check_directory("cache_dir", cache_directory(settings.cache_dir))
        if listing is None:
            listing = list_of(settings)
    except (OSError, RuntimeError) as error:  # RuntimeError: ~nobody has no home
        raise UsageError(f"Paths must be ones that you can read. Received: {error}.") from error
    task_of(settings, listing)
    listing.check_counts(settings.classes)
    if settings.class_weight != "none" and listing.task.multilabel:
        raise UsageError(
            "--class_weight must be none where images have several labels. Received: "
            f"{settings.class_weight}. Give the images weights, in a column of csv:FILE."
        )
    return Checked(settings, strategy, directory, listing)


def list_of(settings: Settings) -> Listing:
    """The images that settings name.

    Raises:
        UsageError: they are not as they must be.
    """
    splits = {part: getattr(settings, f"{part}_split") for part in PARTS}
    return list_dataset(settings.dataset, splits)


def task_of(settings: Settings, listing: Listing) -> Task:
    """The labels of the data, or those of them that settings choose.

    Raises:
        UsageError: there are no such classes.
    """
    return listing.of_classes(settings.classes)[0].task if settings.classes else listing.task


def prepare(checked: Checked) -> Job:
    """Load the backbone, and resolve the plan where there is a strategy.

    Raises:
        UsageError: something must change before any training can start.
    """
    import keras

    from tl_strategies.backbones.zoo import load_backbone

    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            "Runs must have the tensorflow backend. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}. On other backends use strategy.adapt(backbone, task)."
        )
    settings = checked.settings
    keras.utils.set_random_seed(settings.seed)  # --weights none draws its weights here
    backbone = load_backbone(*_backbone_of(settings))
    units = find_units(backbone)
    if checked.strategy is None:
        return Job(settings, checked.directory, checked.listing, backbone, units, None)
    task = task_of(settings, checked.listing)
    plan = checked.strategy.plan(units, task, settings.backbone, settings.epochs, settings.bn)
    if not settings.validates and not plan.phases:
        raise UsageError(
            f"Strategy {plan.strategy} must have validation images, to choose C on. Received: "
            f"{settings.train_on or 'vtab1k'}. Give --train_on train."
        )
    return Job(settings, checked.directory, checked.listing, backbone, units, plan)


def _backbone_of(settings: Settings) -> tuple:
    """What `load_backbone` takes."""
    return tuple(
        getattr(settings, name) for name in ("backbone", "weights", "image_size", "keep_top", "top")
    )


def planned(job: Job, settings: Settings, directory: pathlib.Path) -> Job:
    """The job of one training among several that share data and backbone.

    Raises:
        UsageError: the strategy cannot be made.
    """
    strategy = create_strategy(settings.strategy, settings.n, settings.option)
    task = task_of(settings, job.listing)
    plan = strategy.plan(job.units, task, settings.backbone, settings.epochs, settings.bn)
    return dataclasses.replace(job, settings=settings, directory=directory, plan=plan)


def claim(job: Job) -> Job:
    """The job with a directory that no other run has, made now; one that was named is taken."""
    if job.settings.run_dir is not None:
        return job
    return dataclasses.replace(job, directory=make_new(job.directory))
