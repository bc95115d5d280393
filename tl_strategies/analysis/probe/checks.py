"""What a probe checks before Keras is imported."""

import dataclasses
from typing import Any

from tl_strategies.analysis.probe.settings import ProbeSettings
from tl_strategies.data.listing import Listing
from tl_strategies.runs.job import Checked, check, list_of
from tl_strategies.settings.run import Settings


def check_probe(
    shared: dict[str, Any], probe: ProbeSettings, listing: Listing | None = None, model: Any = None
) -> list[Checked]:
    """The networks of a probe, each backbone with each weights.

    Args:
        shared: the settings that all networks have.
        probe: settings of the probe.
        listing: in place of the data that the settings name.
        model: in place of the backbones.

    Raises:
        UsageError: something must change before anything can be computed.
    """
    first = Settings(**shared, deterministic=True)
    listing = list_of(first) if listing is None else listing
    return [
        check(dataclasses.replace(first, backbone=backbone, weights=weights), None, listing, model)
        for backbone in probe.backbone
        for weights in probe.weights
    ]
