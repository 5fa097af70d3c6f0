"""What outlives a call, as in `wit/state.wit`. Needs `[state]` in component.toml."""

import json
from typing import Any, Callable

from componentize_py_types import Err
from wit_world.imports import state
from wit_world.imports.state import delete, keys, put

from cara.errors import refusal_of

__all__ = ["delete", "get", "keys", "put", "update"]


def get(key: str) -> Any:
    """The JSON value under a key; `None` when there is none."""
    entry = state.get(key)
    return None if entry is None else json.loads(entry.value)


def update(key: str, change: Callable[[Any], Any]) -> Any:
    """Replaces the JSON value under a key by what `change` makes of it, also when other calls do the same at once.

    `change` gets `None` when there is none, and may run more than once.
    """
    while True:
        entry = state.get(key)
        value = change(None if entry is None else json.loads(entry.value))
        try:
            put(key, json.dumps(value).encode(), entry.revision if entry else 0)
            return value
        except Err as raised:
            if refusal_of(raised) != "conflict":
                raise
