"""Offering language models, as in `wit/provider.wit` and `wit/turn.wit`."""

from abc import abstractmethod
from typing import List

from wit_world.exports import Provider as Export
from wit_world.exports.provider import EmbedRequest, Model, Outcome, Request, StopReason
from wit_world.imports.turn import Event_Text, Event_Usage, emit

from cara.errors import Failure, outcome
from cara.types import ErrorKind, Usage

__all__ = ["EmbedRequest", "Model", "Outcome", "Provider", "Request", "StopReason", "emit", "text", "usage"]


def text(piece: str) -> None:
    """Emits a piece of the answer's text, and returns when there is room for the next."""
    emit([Event_Text(piece)])


def usage(input: int, output: int, cache_read: int = 0, cache_write: int = 0) -> None:
    """Emits how many tokens it took so far; replaces what was said before."""
    emit([Event_Usage(Usage(input, output, cache_read, cache_write))])


class Provider(Export):
    """The export `Provider`: what the methods of a class below it raise becomes an error of the contract."""

    @abstractmethod
    def list_models(self) -> List[Model]:
        """The models on offer now."""

    @abstractmethod
    def answer(self, request: Request) -> Outcome:
        """Answers a request: emits text and usage as they come, returns when the answer is complete."""

    def vectors(self, request: EmbedRequest) -> List[List[float]]:
        """One vector for each input, in order."""
        raise Failure(ErrorKind.UNSUPPORTED, "this provider has no embeddings")

    def models(self) -> List[Model]:
        try:
            return self.list_models()
        except Exception as raised:
            raise outcome(raised) from None

    def complete(self, request: Request) -> Outcome:
        try:
            return self.answer(request)
        except Exception as raised:
            raise outcome(raised) from None

    def embed(self, request: EmbedRequest) -> List[List[float]]:
        try:
            return self.vectors(request)
        except Exception as raised:
            raise outcome(raised) from None
