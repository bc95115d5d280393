"""A job: what a run will do, checked as far as it can be without decoding an image."""

import contextlib
import dataclasses
import itertools
import pathlib
from typing import TYPE_CHECKING

from tl_strategies.backbones.names import check_backbone
from tl_strategies.backbones.units import Unit, find_units
from tl_strategies.data.listing import Listing
from tl_strategies.data.sources import list_dataset
from tl_strategies.data.split import PARTS
from tl_strategies.environment import import_keras
from tl_strategies.errors import UsageError
from tl_strategies.image_size import ImageSize, parse_size
from tl_strategies.plans.plan import Head, Plan
from tl_strategies.runs.manifest import run_directory
from tl_strategies.settings.run import Settings
from tl_strategies.store.cache import cache_directory, check_directory, check_writable
from tl_strategies.strategies import Strategy, load_plugin
from tl_strategies.strategies.registry import create_strategy
from tl_strategies.task import Task
from tl_strategies.training.class_weight import check_class_weight

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Job:
    """What a run will do."""

    settings: Settings
    directory: pathlib.Path  # where it will be written
    listing: Listing  # the images, not yet decoded
    backbone: "keras.Model"  # with its weights
    units: list[Unit]  # of the backbone
    plan: Plan | None  # None for a search, whose trials have their own

    @property
    def task(self) -> Task:
        """The labels that are used."""
        return task_of(self.settings, self.listing)

    @property
    def image_size(self) -> ImageSize:
        """Of the images, in pixels."""
        return parse_size(tuple(self.backbone.inputs[0].shape[1:3]))


@dataclasses.dataclass(frozen=True)
class Checked:
    """Settings, of a run or of all the runs of a search, that passed what needs no Keras."""

    settings: Settings
    strategy: Strategy | None  # None of a search, whose trials have their own
    directory: pathlib.Path
    listing: Listing
    model: "keras.Model | None" = None  # in the place of the backbone that the settings name


def check(
    settings: Settings,
    strategy: Strategy | None = None,
    listing: Listing | None = None,
    model: "keras.Model | None" = None,
) -> Checked:
    """Check what takes a moment: the strategy, the run's directory, the data's listing.

    A strategy, listing or model takes the place of the one that the settings name.
    """
    for plugin in settings.plugin:
        load_plugin(plugin)
    n = None if settings.n == "auto" else settings.n
    strategy = strategy or create_strategy(settings.strategy, n, settings.option)
    if model is None:
        check_backbone(*_backbone_of(settings), n)
    try:
        directory = check_writable("run_dir", run_directory(settings))
        check_directory("cache_dir", cache_directory(settings.cache_dir))
        if listing is None:
            listing = list_of(settings)
    except (OSError, RuntimeError) as error:  # RuntimeError: ~nobody has no home
        raise UsageError(f"Paths must be ones that you can read. Received: {error}.") from error
    task = task_of(settings, listing)
    listing.check_counts(settings.classes)
    check_class_weight(settings.class_weight, task)
    return Checked(settings, strategy, directory, listing, model)


def list_of(settings: Settings) -> Listing:
    """The images that settings name."""
    splits = {part: getattr(settings, f"{part}_split") for part in PARTS}
    return list_dataset(settings.dataset, splits)


def task_of(settings: Settings, listing: Listing) -> Task:
    """The labels of the data, or those of them that settings choose."""
    return listing.of_classes(settings.classes)[0].task if settings.classes else listing.task


def prepare(checked: Checked) -> Job:
    """Load the backbone, and resolve the plan where there is a strategy."""
    import keras

    from tl_strategies.backbones.zoo import load_backbone, take_model

    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            "Runs must have the tensorflow backend. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}. On other backends use strategy.adapt(backbone, task)."
        )
    settings = checked.settings
    keras.utils.set_random_seed(settings.seed)  # --weights none draws its weights here
    name, *others = _backbone_of(settings)
    model = checked.model
    backbone = load_backbone(name, *others) if model is None else take_model(model, *others)
    job = Job(settings, checked.directory, checked.listing, backbone, find_units(backbone), None)
    if checked.strategy is None:
        return job
    plan = _plan(job, settings, checked.strategy)
    if not settings.validates and not plan.phases:
        raise UsageError(
            f"Strategy {plan.strategy} must have validation images, to choose C on. Received: "
            f"{settings.train_on or 'vtab1k'}. Give --train_on train."
        )
    return dataclasses.replace(job, plan=plan)


def open_job(settings: Settings, directory: pathlib.Path) -> Job:
    """The job that another process has checked, without a plan, in its directory."""
    import_keras()
    settings = dataclasses.replace(settings, run_dir=None, resume=False)
    checked = dataclasses.replace(check(settings), strategy=None)
    original = dataclasses.replace(settings, run_dir=str(directory))
    return dataclasses.replace(prepare(checked), settings=original, directory=directory)


def replan(job: Job, settings: Settings, directory: pathlib.Path) -> Job:
    """The job of one training among several that share data and backbone."""
    strategy = create_strategy(settings.strategy, settings.n, settings.option)
    plan = _plan(job, settings, strategy)
    return dataclasses.replace(job, settings=settings, directory=directory, plan=plan)


def _plan(job: Job, settings: Settings, strategy: Strategy) -> Plan:
    task = task_of(settings, job.listing)
    plan = strategy.plan(job.units, task, settings.backbone, settings.epochs, settings.bn)
    if settings.head is None:
        return plan
    if not plan.phases:
        raise UsageError(
            "head must come with a strategy that trains one by gradient descent. Received: "
            f"{plan.strategy}."
        )
    head = Head("given", task.label_count, multilabel=task.multilabel)
    return dataclasses.replace(plan, head=head)


def _backbone_of(settings: Settings) -> tuple:
    """What `load_backbone` takes."""
    names = ("backbone", "weights", "image_size", "keep_top", "top")
    return tuple(getattr(settings, name) for name in names)


def create_run_directory(job: Job) -> Job:
    """The job with a directory that no other run has, made now; one that was named is taken."""
    directory = job.directory
    if job.settings.run_dir is not None:
        return job
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in itertools.count(2):
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
            return dataclasses.replace(job, directory=directory)
        directory = job.directory.with_name(f"{job.directory.name}-{number}")
    raise AssertionError("unreachable")
