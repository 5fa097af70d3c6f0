"""What the operator configured, as in `wit/settings.wit`. Needs `[[setting]]` in component.toml."""

import json
from typing import Any

from wit_world.imports import settings


def get(key: str) -> Any:
    """The value of a setting that component.toml declares; its default when the operator set none, `None` without one."""
    value = settings.get(key)
    return None if value is None else json.loads(value)
