"""The server's JSON: requests and answers. Pure: knows no host and no network, nothing of the contract.

Text only: tools are not offered to the model.
"""

import json
from typing import Any, Callable, Dict, List, Optional, Tuple


class Reported(Exception):
    """What the server said of a failure, in the stream."""


def chat(
    model: str,
    lines: List[Tuple[str, str]],
    max_tokens: Optional[int],
    temperature: Optional[float],
    stop: List[str],
) -> Dict[str, Any]:
    """What is sent for a request."""
    body = {
        "model": model,
        "messages": [{"role": role, "content": content} for role, content in lines],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": max_tokens,
        "temperature": temperature,
        "stop": stop or None,
    }
    return {key: value for key, value in body.items() if value is not None}


def models(answer: Any) -> List[str]:
    """The ids of a list of models."""
    return [str(item["id"]) for item in answer["data"]]


class Answer:
    """An answer, read event by event while it comes."""

    def __init__(self, model: str, text: Callable[[str], None], usage: Callable[[int, int], None]):
        self.model = model
        self.done = False
        self.reason = ""
        self._text = text
        self._usage = usage

    @property
    def complete(self) -> bool:
        """Whether it came to its end; else the stream was cut off."""
        return self.done or self.reason != ""

    def read(self, data: str) -> None:
        """Reads the data of one event."""
        if data.strip() == "[DONE]":
            self.done = True
            return
        chunk = json.loads(data)
        if chunk.get("error"):
            raise Reported(str(chunk["error"]["message"])[:300])
        self.model = chunk.get("model") or self.model
        for choice in chunk.get("choices") or []:
            content = (choice.get("delta") or {}).get("content")
            if content:
                self._text(content)
            self.reason = choice.get("finish_reason") or self.reason
        tokens = chunk.get("usage")
        if tokens:
            self._usage(int(tokens["prompt_tokens"]), int(tokens["completion_tokens"]))
