"""The component: models of a server that speaks chat completions.

Every call runs in a fresh sandbox: nothing in memory survives it. What the server's JSON says is in `wire.py`, which is
pure and tested natively: `python3 -m unittest discover tests`.
"""

import json
from typing import List

import wire
from cara import http, provider, settings
from cara.errors import Failure
from cara.provider import Model, Outcome, Request, StopReason
from cara.sse import events
from cara.types import ErrorKind, Part_CachePoint, Part_Text, Part_Thinking, Role

STOPS = {"length": StopReason.LENGTH, "content_filter": StopReason.REFUSED}


class Provider(provider.Provider):
    """What the host calls."""

    def list_models(self) -> List[Model]:
        answer = http.ask("GET", address("models")).json()
        return [provider.model(id, tools=False) for id in checked(wire.models, answer)]

    def answer(self, request: Request) -> Outcome:
        """Emits the answer piece by piece while it comes."""
        # What is not passed on is refused; an option is never left out silently.
        provider.only(request, "max-output-tokens", "temperature", "stop")
        # The host adds the key on the wire, as component.toml says (`place`).
        headers = {"accept": "text/event-stream", "content-type": "application/json"}
        body = json.dumps(wire.chat(request.model, lines(request), request.max_output_tokens, request.temperature, request.stop))
        response = http.ask("POST", address("chat/completions"), headers, body)
        answer = wire.Answer(request.model, provider.text, provider.usage)
        for data in events(response.chunks()):
            checked(answer.read, data)
            if answer.done:
                break
        if not answer.complete:
            raise Failure(ErrorKind.NETWORK, "the stream ended before the answer was complete")
        return provider.outcome(STOPS.get(answer.reason, StopReason.COMPLETE), answer.model)


def address(path: str) -> str:
    """Below the setting `base-url`: the operator's, or the default in component.toml."""
    return http.join(settings.get("base-url"), path)


def lines(request: Request) -> "list[tuple[str, str]]":
    """The messages as role and text. Text only: a message of anything else is an error."""
    found = [("system", request.system)] if request.system is not None else []
    for message in request.messages:
        if message.role is Role.TOOL:
            raise Failure(ErrorKind.UNSUPPORTED, "this provider knows no tools")
        content = ""
        for part in message.parts:
            if isinstance(part, Part_Text):
                content += part.value
            # A model's earlier reasoning is left out: the server takes none back. It keeps what it can without being told.
            elif not isinstance(part, (Part_Thinking, Part_CachePoint)):
                raise Failure(ErrorKind.UNSUPPORTED, "this provider takes text only")
        found.append((message.role.name.lower(), content))
    return found


def checked(read, data):
    """What `wire` cannot read is a broken answer; what the server itself reports keeps its words."""
    try:
        return read(data)
    except wire.Reported as raised:
        raise Failure(ErrorKind.OTHER, f"the server ended the answer: {raised}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failure(ErrorKind.NETWORK, "the answer is not the JSON expected") from None
