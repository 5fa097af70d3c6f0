"""Offering language models, as in `wit/provider.wit` and `wit/turn.wit`."""

from abc import abstractmethod
from typing import List, Optional

from wit_world.exports import Provider as Export
from wit_world.exports.provider import (
    Abilities,
    EmbedRequest,
    Embeddings,
    Model,
    Outcome,
    Request,
    ResponseFormat_Text,
    StopReason,
    ToolChoice_Named,
    ToolChoice_Required,
)
from wit_world.imports.turn import Event_Text, Event_Usage, emit

from cara import errors
from cara.errors import Failure
from cara.types import ErrorKind, Usage

__all__ = [
    "Abilities",
    "EmbedRequest",
    "Embeddings",
    "Model",
    "Outcome",
    "Provider",
    "Request",
    "StopReason",
    "emit",
    "model",
    "only",
    "outcome",
    "text",
    "usage",
]


def text(piece: str) -> None:
    """Emits a piece of the answer's text, and returns when there is room for the next."""
    emit([Event_Text(piece)])


def usage(input: int, output: int, cache_read: int = 0, cache_write: int = 0, reasoning: int = 0) -> None:
    """Emits how many tokens it took so far; replaces what was said before."""
    emit([Event_Usage(Usage(input, output, cache_read, cache_write, reasoning))])


def model(
    id: str,
    name: Optional[str] = None,
    context_tokens: Optional[int] = None,
    output_tokens: Optional[int] = None,
    **abilities: bool,
) -> Model:
    """A model on offer. `abilities` are those of the contract that the vendor tells of: `tools=True`, `images=False`."""
    unknown = dict.fromkeys(Abilities.__annotations__)
    return Model(id, name or id, context_tokens, output_tokens, Abilities(**{**unknown, **abilities}))


def outcome(stop: StopReason, model: str, **told: str) -> Outcome:
    """How an answer ended. `told` is what else the vendor says: `request_id`, `stop_sequence`, `fingerprint`."""
    unknown = dict.fromkeys(("request_id", "stop_sequence", "fingerprint"))
    return Outcome(stop, model, **{**unknown, **told})


def only(request: Request, *known: str) -> None:
    """Refuses what is asked for and is not in `known`, each by its name in the contract, so that a provider which passes
    on a few options drops none of the others. A choice counts where it demands a call."""
    asked = {
        "tool-choice": isinstance(request.tool_choice, (ToolChoice_Required, ToolChoice_Named)),
        "parallel-tool-calls": request.parallel_tool_calls is not None,
        "response-format": not isinstance(request.response_format, ResponseFormat_Text),
        "max-output-tokens": request.max_output_tokens is not None,
        "temperature": request.temperature is not None,
        "top-p": request.top_p is not None,
        "top-k": request.top_k is not None,
        "presence-penalty": request.presence_penalty is not None,
        "frequency-penalty": request.frequency_penalty is not None,
        "seed": request.seed is not None,
        "stop": bool(request.stop),
        "effort": request.effort is not None,
    }
    for name in asked:
        if asked[name] and name not in known:
            raise Failure(ErrorKind.UNSUPPORTED, f"this provider has no `{name}`")


class Provider(Export):
    """The export `Provider`: what the methods of a class below it raise becomes an error of the contract."""

    @abstractmethod
    def list_models(self) -> List[Model]:
        """The models on offer now."""

    @abstractmethod
    def answer(self, request: Request) -> Outcome:
        """Answers a request: emits text and usage as they come, returns when the answer is complete."""

    def vectors(self, request: EmbedRequest) -> Embeddings:
        """One vector for each input, in order."""
        raise Failure(ErrorKind.UNSUPPORTED, "this provider has no embeddings")

    def models(self) -> List[Model]:
        try:
            return self.list_models()
        except Exception as raised:
            raise errors.outcome(raised) from None

    def complete(self, request: Request) -> Outcome:
        try:
            return self.answer(request)
        except Exception as raised:
            raise errors.outcome(raised) from None

    def embed(self, request: EmbedRequest) -> Embeddings:
        try:
            return self.vectors(request)
        except Exception as raised:
            raise errors.outcome(raised) from None
