"""Runs from Python."""

from typing import Any

from tl_strategies.data.arrays import list_data
from tl_strategies.environment import undisturbed
from tl_strategies.errors import UsageError
from tl_strategies.strategies import Strategy
from tl_strategies.training.folds import run_folds
from tl_strategies.training.job import check, claim, prepare
from tl_strategies.training.run import Run, run
from tl_strategies.training.settings import Settings
from tl_strategies.training.unheeded import unheeded_text


@undisturbed()
def fit(
    strategy: str | Strategy = "partial",
    n: int | str | None = None,
    data: Any = None,
    **settings: Any,
) -> Run:
    """Train, evaluate and save a model: `tl-run` from Python.

    Args:
        strategy: a name, or a strategy with its hyper-parameters.
        n: the transfer depth; None for the strategy's default.
        data: in place of `dataset`: images and labels, or such by part; see `list_data`.
        **settings: the other flags of `tl-run`, such as `dataset="folder:photos"`.

    Raises:
        UsageError: something must change before any training can start.
    """
    name = strategy
    if isinstance(strategy, Strategy):
        if n is not None or "option" in settings:
            raise UsageError(
                "n and option must be those of the strategy where one is given. Received: "
                f"{strategy!r} with n={n}, option={settings.get('option', ())}."
            )
        config = strategy.get_config()
        n = config.pop("n", None)
        name = strategy.name
        if not name:
            raise UsageError(
                f"A strategy must have a name. Received: {strategy!r}. Decorate its class with "
                '@tl.register("name").'
            )
        settings["option"] = tuple(f"{key}={value!r}" for key, value in config.items())
    listing = None
    if data is not None:
        if "dataset" in settings:
            raise UsageError("Only one of data and dataset must be given. Received: both.")
        listing, settings["dataset"] = list_data(data), "data"
    try:
        checked = Settings(strategy=name, n=n, **settings)
    except TypeError as error:
        raise UsageError(f"tl.fit must get the flags of tl-run. Received: {error}") from error
    given = strategy if isinstance(strategy, Strategy) else None
    job = prepare(check(checked, given, listing))
    if text := unheeded_text(checked, job.plan):
        print(text)
    job = claim(job)
    return run_folds(job) if checked.folds and not checked.fold else run(job)
