"""The names that settings choose from, known without Keras."""

from tl_strategies.errors import UsageError, unknown

_NAMES = "SGD Adam AdamW Adamax Nadam RMSprop Adagrad Adadelta Adafactor Lamb Lion Muon"
OPTIMIZERS = {name.lower(): name for name in _NAMES.split()}
REFUSED = {"ftrl": "Ftrl", "schedulefreeadamw": "ScheduleFreeAdamW"}
# By schedule, as part of the run.
DEFAULT_WARMUP = {"constant": 0.1, "cosine": 0.1, "step": 0.1, "one_cycle": 0.3, "exponential": 0.1}
SCHEDULES = tuple(DEFAULT_WARMUP)
BN_POLICIES = ("frozen", "adapt", "train")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def check_optimizer(name: str) -> None:
    """Refuse optimizers that do not exist, and those that would damage pretrained weights."""
    key = name.lower()
    if key in REFUSED:
        raise UsageError(
            f"--optimizer must not be {REFUSED[key]}: it rebuilds a weight from its own state, "
            "which wipes out pretrained values even at a tiny learning rate. Use adam or sgd."
        )
    if key not in OPTIMIZERS:
        raise unknown("--optimizer", name, OPTIMIZERS)
