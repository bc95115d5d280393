"""What Yosinski et al. (2014) measured on ImageNet: top-1 accuracies at n = 1 to 7."""

# Two random halves of 500 classes; recomputed from the raw data that the authors have published.
RANDOM_HALVES = {
    "base": (0.6251,),
    "BnB": (0.6267, 0.6235, 0.6211, 0.6048, 0.5935, 0.6188, 0.6232),
    "AnB": (0.6282, 0.6239, 0.6189, 0.5998, 0.5780, 0.5806, 0.5425),
    "BnB+": (0.6177, 0.6215, 0.6313, 0.6287, 0.6301, 0.6276, 0.6266),
    "AnB+": (0.6373, 0.6358, 0.6426, 0.6399, 0.6446, 0.6460, 0.6465),
}
# Natural and man-made things, each the target once.
MAN_MADE = {
    "base": (0.5372,),
    "AnB": (0.5392, 0.5214, 0.5008, 0.4616, 0.4098, 0.3742, 0.2914),
}
NATURAL = {
    "base": (0.6534,),
    "AnB": (0.6571, 0.6506, 0.6250, 0.5824, 0.5219, 0.4851, 0.3990),
}
# All 1000 classes; random layers at the bottom, frozen.
RANDOM_LAYERS = {
    "base": (0.5763,),
    "RnB": (0.4917, 0.4026, 0.0011, 0.0191, 0.0499, 0.0145, 0.0146),
}


def published(kind: str) -> dict[str, tuple[float, ...]]:
    """Accuracies by treatment for a kind of class split; empty where there are none."""
    means = {
        name: tuple((a + b) / 2 for a, b in zip(MAN_MADE[name], NATURAL[name], strict=True))
        for name in MAN_MADE
    }
    return {"random": RANDOM_HALVES, "natural_manmade": means}.get(kind, {})


def published_differences(kind: str) -> dict[str, tuple[float, ...]]:
    """Differences to the base of the same data."""
    return {
        name: tuple(value - table["base"][0] for value in values)
        for table in (published(kind), RANDOM_LAYERS if kind == "random" else {})
        for name, values in table.items()
        if name != "base"
    }
