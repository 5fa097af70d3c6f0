"""The component: which tools there are, and what each does.

Every call runs in a fresh sandbox: nothing in memory survives it. What is pure is in `text.py`, where it is tested
natively: `python3 -m unittest discover tests`.
"""

from typing import Any

import text
from cara import http
from cara.errors import Failure, from_status
from cara.tool import Context, tools
from cara.types import ErrorKind

PAGE_LIMIT = 256 << 10
"""The most of a page that is read for its title, in bytes."""


def greet(arguments: Any, _: Context) -> str:
    """`arguments` are as the schema in component.toml says: the host checked them."""
    return text.greeting(arguments["name"], arguments.get("times", 1))


def title(arguments: Any, _: Context) -> str:
    """Asks the one host that component.toml declares; the host lets no other request out."""
    url = f"https://example.com/{arguments['page']}"
    response = http.send("GET", url, {"accept": "text/html"})
    if not response.ok:
        # The kind of the error says whether it is worth another try.
        raise from_status(response.status, f"`{url}` answered {response.status}", response.retry_after_ms())
    found = text.title(response.text(PAGE_LIMIT))
    if found is None:
        raise Failure(ErrorKind.OTHER, f"`{url}` has no title")
    return found


# What the host calls. The names are those in component.toml.
Tool = tools({{snake}}_greet=greet, {{snake}}_title=title)
