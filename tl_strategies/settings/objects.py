"""Settings that a call from Python may give as objects, in the place of names and numbers."""

import json
import operator
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tl_strategies.settings.schema import require


def _keras(name: str) -> Callable[[Any], bool]:
    """Whether a value is an instance of one of Keras's classes, such as "layers.Layer".

    Keras is not imported for that: whoever has such an object has imported it.
    """
    return lambda value: (
        "keras" in sys.modules
        and isinstance(value, operator.attrgetter(name)(sys.modules["keras"]))
    )


def _all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(fits, value))


LAYER = _keras("layers.Layer")
SCHEDULE = _keras("optimizers.schedules.LearningRateSchedule")
DRAWN = ("seed", "name")
# What each may be besides what its flag takes.
TAKEN: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "optimizer": ("a name or a Keras optimizer", _keras("optimizers.Optimizer")),
    "learning_rate": ("above 0, auto, or a Keras schedule", SCHEDULE),
    "schedule": ("a name or a Keras schedule", SCHEDULE),
    "class_weight": (
        "a name, or weights by the names or numbers of classes",
        lambda v: isinstance(v, Mapping),
    ),
    "augment": (
        "a name, or Keras layers that augment images",
        lambda v: LAYER(v) or (bool(v) and _all(LAYER)(v)),
    ),
    "loss": ("a Keras loss, or its name", lambda v: v is None or isinstance(v, str) or callable(v)),
    "metrics": (
        "a list of Keras metrics, or of their names",
        lambda v: isinstance(v, list | tuple),
    ),
    "callbacks": ("a list of Keras callbacks", _all(_keras("callbacks.Callback"))),
    "head": ("a function from features to probabilities", lambda v: v is None or callable(v)),
}


def _is_object(value: Any) -> bool:
    """Whether a value is none that a flag or a TOML file could give."""
    if isinstance(value, tuple):
        return any(map(_is_object, value))
    return not isinstance(value, str | int | float | dict | None)


def check_objects(settings: Any) -> list[str]:
    """The names of settings that are objects; a UsageError where one is not what it must be."""
    found = []
    for name, (what, fits) in TAKEN.items():
        value = getattr(settings, name)
        if _is_object(value) or (name == "class_weight" and not isinstance(value, str)):
            require(name, fits(value), what, value)
            found.append(name)
    return found


def describe(value: Any) -> str:
    """A text that is the same for the same object: its configuration, or where it is defined."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(describe, value))}]"
    if isinstance(value, Mapping):
        return json.dumps({str(key): item for key, item in value.items()}, sort_keys=True)
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(value, "get_config"):
        try:
            config = keras.saving.serialize_keras_object(value)
            return json.dumps(_fixed(config), sort_keys=True)
        except (TypeError, ValueError, NotImplementedError):
            pass
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _fixed(config: Any) -> Any:
    """A configuration without names and seeds, which Keras makes up where none are given."""
    if isinstance(config, dict):
        return {key: _fixed(item) for key, item in config.items() if key not in DRAWN}
    return [_fixed(item) for item in config] if isinstance(config, list) else config


def notes(settings: Any) -> list[str]:
    """What a run that is resumed cannot know of the objects that it was given, in sentences."""
    found = ["callbacks begin anew where a run is resumed"] if settings.callbacks else []
    code = [name for name in ("head", "loss") if getattr(settings, name) is not None]
    code = [name for name in code if not hasattr(getattr(settings, name), "get_config")]
    if code:
        names = " and ".join(code)
        found.append(f"a change in the code of {names} is not seen where a run is resumed")
    return found
