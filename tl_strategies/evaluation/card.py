"""The model card of a run: what it is for, made from what, how good, and how it is used."""

import math
import pathlib
import platform
import re
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

import tl_strategies
from tl_strategies.backbones.names import BUNDLED, backbone_names
from tl_strategies.data.split import PARTS
from tl_strategies.output import shown
from tl_strategies.plans.plan import Plan
from tl_strategies.settings.run import Settings

WEAKEST = 5  # labels
NORMAL = 1.959964  # standard deviations, for 95 %
MARKS = re.compile(r"([\\`*_{}\[\]<>()#&|~!])")  # what Markdown would read
CARD = pathlib.Path(__file__).parent / "assets" / "card.md"


def model_card(
    settings: Settings,
    plan: Plan,
    metrics: dict[str, Any],
    report: dict[str, Any],
    given_parts: bool,
    size: tuple[int, int],
) -> str:
    """The text of card.md, of metrics.json, data.json, whether data came with parts, and a size."""
    own = settings.weights == "imagenet" and settings.backbone not in backbone_names()
    names = {"strategy": plan.strategy, "source": report["source"], "backbone": plan.backbone}
    names["weights"] = "of its own" if own else settings.weights
    texts = {
        "name": {key: _plain(name) for key, name in names.items()},
        "licence": _licence(settings, plan),
        "counts": _counts(report),
        "split": _split(settings, given_parts, plan.head.refit),
        "scores": _scores(metrics, report["images"]),
        "weakest": _weakest(metrics["classes"], report),
        "size": "{}, {}, 3".format(*size),
        "python": platform.python_version(),
    }
    numbers = {"labels": len(report["classes"]), "left_out": len(report["left_out"])}
    objects = {"plan": plan, "metrics": metrics, "settings": settings}
    versions = {"ours": tl_strategies, "keras": keras, "tf": tf}
    return CARD.read_text(encoding="utf-8").format(**texts, **numbers, **objects, **versions)


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of so many cases (Wilson 1927)."""
    square = NORMAL**2 / count
    middle = share + square / 2
    width = NORMAL * math.sqrt((share * (1 - share) + square / 4) / count)
    return (middle - width) / (1 + square), (middle + width) / (1 + square)


def _plain(text: object) -> str:
    """A name that Markdown shows as it is, on one line."""
    return MARKS.sub(r"\\\1", shown(text))


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _licence(settings: Settings, plan: Plan) -> str:
    if settings.weights == "none" or all(unit.weights == "fresh" for unit in plan.units):
        return "No pretrained weights are in it."
    if (settings.backbone, settings.weights) == (BUNDLED, "imagenet"):
        return "The pretrained weights are Apache-2.0; see NOTICE of tl-strategies."
    return f"*Fill in* that of the pretrained weights of {_plain(settings.backbone)}."


def _counts(report: dict[str, Any]) -> str:
    rows = {"all images": report["images"]}
    rows |= {_plain(name): counts for name, counts in report["classes"].items()}
    return _table(["label", *PARTS], ([name, *map(rows[name].get, PARTS)] for name in rows))


def _split(settings: Settings, given_parts: bool, refit: bool) -> str:
    how = settings.splitting
    text = f"Split 70/15/15, stratified, by seed {how.seed}, equal images in one part."
    if how.file:
        text = f"Split as {_plain(how.file)} says."
    elif how.folds:
        text = f"Fold {how.fold} of {how.folds} is for tests, 15 % of the rest validates; seed "
        text += f"{how.seed}."
    elif how.protocol != "none":
        text = f"Split by the protocol {how.protocol}, seed {how.seed}."
    elif given_parts:
        text = f"Split as the data was; parts that it lacked by seed {how.seed}."
    if refit:
        return f"{text} The validation part was trained on too, after it was scored."
    return text if how.validation else f"{text} The validation part was trained on too."


def _scores(metrics: dict[str, Any], counts: dict[str, int]) -> str:
    """The metrics of each part, accuracy with its interval."""
    parts = [part for part in ("validation", "test") if metrics[part]]

    def text(name: str, part: str) -> str:
        value, count = metrics[part][name], counts[part]
        around = " [{:.3f}, {:.3f}]".format(*wilson(value, count)) if name == "accuracy" else ""
        return f"{value:.3f}{around}"

    rows = ([name.replace("_", " "), *(text(name, p) for p in parts)] for name in metrics["test"])
    return _table(["metric", *(f"{part}, {counts[part]} images" for part in parts)], rows)


def _weakest(classes: dict[str, dict[str, float]], report: dict[str, Any]) -> str:
    """The labels that are found least well, with their numbers of test images."""
    measure = "average_precision" if report["multilabel"] else "recall"
    known = {name: values[measure] for name, values in classes.items() if measure in values}
    rows = (
        [_plain(name), f"{known[name]:.3f}", report["classes"][name]["test"]]
        for name in sorted(known, key=known.get)[:WEAKEST]
    )
    return _table(["weakest labels", measure.replace("_", " "), "test images"], rows)
