"""Settings that change nothing in a plan: they are named before training, not in silence."""

from tl_strategies.plans.plan import Plan
from tl_strategies.settings.run import Settings

# What only gradient descent has.
DESCENT = (
    *("epochs", "batch_size", "learning_rate", "optimizer", "schedule", "schedule_over", "warmup"),
    *("plateau", "patience", "weight_decay", "label_smoothing", "class_weight", "keep"),
)


def unheeded(settings: Settings, plan: Plan) -> list[str]:
    """The settings that were changed from their defaults and change nothing."""
    pretrained = [unit for unit in plan.units if unit.weights == "pretrained"]
    trained = [unit for unit in pretrained if unit.trainable]
    without_use = {
        **dict.fromkeys(DESCENT, not plan.phases),
        "schedule_over": len(plan.phases) < 2,
        "weights": not pretrained and settings.weights != "none",
        "bn": not (trained if settings.bn == "train" else pretrained),
        "cache_dir": settings.cache == "off",
        "cache_limit": settings.cache == "off",
    }
    return [
        name
        for name, useless in without_use.items()
        if useless and getattr(settings, name) != getattr(Settings, name)
    ]


def unheeded_text(settings: Settings, plan: Plan) -> str:
    """One line that names them; none if there are none."""
    flags = ", ".join(f"--{name}" for name in unheeded(settings, plan))
    return flags and f"strategy {plan.strategy} has no use for {flags}"
