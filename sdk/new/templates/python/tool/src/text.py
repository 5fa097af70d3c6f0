"""What is pure: texts in, texts out."""

import re
from typing import Optional


def greeting(name: str, times: int) -> str:
    """A greeting, repeated."""
    return " ".join([f"Hello, {name}!"] * times)


def title(html: str) -> Optional[str]:
    """The title of an HTML page, its white space collapsed; `None` when it has none."""
    found = re.search("<title[^>]*>(.*?)</title", html, re.IGNORECASE | re.DOTALL)
    return " ".join(found[1].split()) or None if found else None
