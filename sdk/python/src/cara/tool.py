"""Work that a model can ask for, as in `wit/tool.wit`."""

import json
from typing import Any, Callable, List, Union

from wit_world.exports import Tool
from wit_world.exports.tool import Context

from cara.errors import Failure, outcome
from cara.types import Content, Content_Text, ErrorKind

Work = Callable[[Any, Context], Union[str, List[Content]]]
"""Gets a tool's arguments, a `dict` that the host checked against its schema, and on whose behalf the call is made.

It answers with a text or a list of contents, or raises a `Failure`.
"""


def tools(**table: Work) -> type:
    """The export `Tool`: one function for each tool that component.toml describes, by its name."""

    class Exported(Tool):
        def call(self, name: str, arguments: str, context: Context) -> List[Content]:
            try:
                work = table.get(name)
                if work is None:
                    raise Failure(ErrorKind.UNSUPPORTED, f"there is no tool `{name}`")
                answer = work(json.loads(arguments), context)
            except Exception as raised:
                raise outcome(raised) from None
            return [Content_Text(answer)] if isinstance(answer, str) else answer

    return Exported
