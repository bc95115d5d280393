"""Settings as TOML: config.toml, from which a command is replayed."""

import json
from typing import Any


def to_toml(command: str, config: dict[str, Any]) -> str:
    """The text of config.toml.

    Args:
        command: that takes it.
        config: values by the names of flags; None is left out.
    """
    lines = [f"# {command} --config THIS_FILE replays it"]
    lines += [f"{name} = {_toml(value)}" for name, value in config.items() if value is not None]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
