"""Secrets as keys, and which are at hand, as in `wit/secrets.wit`. Needs `[[secret]]` in component.toml.

A secret that stands in requests needs nothing of this: the host fills the headers and query keys that component.toml
names (`place`). In any other place, write `cara-secret--NAME` for the value.
"""

from wit_world.imports.secrets import available, sign

__all__ = ["available", "sign"]
