"""The names of backbones, known without importing Keras."""

import importlib.util
import pathlib
import re

BUNDLED = "efficientnet_lite0"
UNTRAINED = ("caffenet", "caffenet_mini")  # ours, without published weights


def backbone_names() -> list[str]:
    """Ours, then every network of keras.applications by its lower-case name."""
    package = pathlib.Path(importlib.util.find_spec("keras").origin).parent
    exports = (package / "applications" / "__init__.py").read_text(encoding="utf-8")
    networks = re.findall(r"^from .* import \w+ as ([A-Z]\w+)|^\s+([A-Z]\w+) as", exports, re.M)
    return [BUNDLED, *UNTRAINED, *sorted({(one or other).lower() for one, other in networks})]
