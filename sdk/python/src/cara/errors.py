"""Making the contract's errors: by kind, from a refusal of the host, from an HTTP answer."""

import sys
import traceback
from typing import Optional

from componentize_py_types import Err

from cara.types import Error, ErrorKind

MAY_PASS = (ErrorKind.RATE_LIMIT, ErrorKind.OVERLOADED, ErrorKind.NETWORK)


class Failure(Exception):
    """A failure that the host, and whoever called, understands. Raise it anywhere below an export.

    `message` is for a person: one sentence, lower case, no secret. `retry` says whether the same call may succeed later:
    as that kind usually does unless said. `retry_after_ms` is how long the other side asked to wait.
    """

    def __init__(
        self, kind: ErrorKind, message: str, retry: Optional[bool] = None, retry_after_ms: Optional[int] = None
    ):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry = kind in MAY_PASS if retry is None else retry
        self.retry_after_ms = retry_after_ms

    def error(self) -> Error:
        """The record `error` of the contract."""
        return Error(self.kind, self.message, self.retry, self.retry_after_ms)


def from_status(status: int, message: str, retry_after_ms: Optional[int] = None) -> Failure:
    """What an HTTP status that is no success means."""
    if 401 <= status <= 403:
        kind = ErrorKind.AUTH
    elif status in (408, 504):
        kind = ErrorKind.NETWORK
    elif status == 413:
        kind = ErrorKind.CONTEXT_TOO_LONG
    elif status == 429:
        kind = ErrorKind.RATE_LIMIT
    elif status in (502, 503, 529):
        kind = ErrorKind.OVERLOADED
    elif 400 <= status < 500:
        kind = ErrorKind.BAD_REQUEST
    else:
        kind = ErrorKind.OTHER
    return Failure(kind, message, kind in MAY_PASS or status >= 500, retry_after_ms)


def refusal_of(raised: BaseException) -> Optional[str]:
    """The case of a refusal that an imported function raised, in lower case: `conflict`, `cancelled`, `unavailable`..."""
    name = type(raised.value).__name__ if isinstance(raised, Err) else ""
    return name.removeprefix("Refusal_").lower() if name.startswith("Refusal_") else None


def outcome(raised: Exception) -> Err:
    """What an export raises for whatever its code raised.

    A refusal of the host keeps its text, which names the cure. A fault in the code becomes `fault`, and its trace goes to
    the log.
    """
    if isinstance(raised, Failure):
        return Err(raised.error())
    refusal = refusal_of(raised)
    if isinstance(raised, Err) and refusal is not None:
        kinds = {"unavailable": ErrorKind.AUTH, "invalid": ErrorKind.BAD_REQUEST}
        said = {
            "conflict": "the stored value was changed by another call",
            "cancelled": "the answer is no longer wanted",
        }
        text = getattr(raised.value, "value", None) or said.get(refusal, refusal)
        return Err(Error(kinds.get(refusal, ErrorKind.OTHER), text, False, None))
    if isinstance(raised, Err) and isinstance(raised.value, Error):
        return raised
    traceback.print_exception(raised, file=sys.stderr)
    sys.stderr.flush()
    return Err(Error(ErrorKind.FAULT, f"the component has a fault: {type(raised).__name__}", False, None))


def excerpt(said: str) -> str:
    """What a server said, fit for a message: text on one line, at most 300 characters."""
    line = " ".join(said.split())
    return line if len(line) <= 300 else line[:300] + "\u2026"
