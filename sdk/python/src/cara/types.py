"""What every interface shares, as in `wit/types.wit`."""

# The generated module is called after its package once another package (wasi:http) has one of that name too.
try:
    from wit_world.imports.cara_plugin_types import *  # noqa: F403
except ImportError:
    from wit_world.imports.types import *  # noqa: F403
