"""Diagnostics for the operator, as in `wit/log.wit`. Never shown to a model or another person."""

from wit_world.imports.log import Level, write


def info(message: str, **fields: object) -> None:
    """Writes one line with its fields."""
    _write(Level.INFO, message, fields)


def warn(message: str, **fields: object) -> None:
    """Writes one line with its fields."""
    _write(Level.WARN, message, fields)


def debug(message: str, **fields: object) -> None:
    """Writes one line with its fields."""
    _write(Level.DEBUG, message, fields)


def _write(level: Level, message: str, fields: "dict[str, object]") -> None:
    write(level, message, [(key, str(value)) for key, value in fields.items()])
