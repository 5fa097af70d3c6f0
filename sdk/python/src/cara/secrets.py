"""Spending secrets without seeing them, as in `wit/secrets.wit`. Needs `[[secret]]` in component.toml."""

from typing import Dict

from wit_world.imports.secrets import basic, placeholder

__all__ = ["basic", "bearer", "placeholder"]


def bearer(name: str) -> Dict[str, str]:
    """The headers of a request that shows a secret as `Authorization: Bearer` (RFC 6750).

    What stands there is a placeholder: the host puts the value in on the wire, only toward the audience of the secret.
    """
    return {"authorization": f"Bearer {placeholder(name)}"}
