"""Requests, over `wasi:http/outgoing-handler`. Needs `[[http]]` in component.toml.

The host decides where a request may go, puts secrets in, and follows no redirect.
"""

import contextlib
import email.utils
import json as _json
import re
import time
from typing import Dict, Iterator, Optional, Tuple, Union

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler
from wit_world.imports import wasi_http_types as wasi
from wit_world.imports.streams import OutputStream, StreamError_Closed

from cara.errors import Failure, excerpt, from_status
from cara.types import ErrorKind

LIMIT = 16 << 20
"""The most bytes of a body unless said."""

_CHUNK = 64 << 10
_METHODS = {
    "GET": wasi.Method_Get,
    "HEAD": wasi.Method_Head,
    "POST": wasi.Method_Post,
    "PUT": wasi.Method_Put,
    "DELETE": wasi.Method_Delete,
    "OPTIONS": wasi.Method_Options,
    "PATCH": wasi.Method_Patch,
}


class Response:
    """The head of an answer, and its body to be read."""

    def __init__(self, authority: str, response: "wasi.IncomingResponse"):
        self.authority = authority
        self.status: int = response.status()
        self.headers: Dict[str, str] = {}
        for name, value in response.headers().entries():
            self.headers.setdefault(name.lower(), value.decode("utf-8", "replace"))
        self._response = response
        self._body = response.consume()

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return self.status // 100 == 2

    def chunks(self) -> Iterator[bytes]:
        """The pieces of the body, as they come. It can be read once."""
        # Leaving the block gives the stream back before its body, as the host demands.
        with self._body.stream() as stream:
            while True:
                try:
                    piece = stream.blocking_read(_CHUNK)
                except Err as raised:
                    if isinstance(raised.value, StreamError_Closed):
                        return
                    raise Failure(ErrorKind.NETWORK, f"the answer of `{self.authority}` broke off") from None
                if piece:
                    yield piece

    def body(self, limit: int = LIMIT) -> bytes:
        """The whole body. One over the limit, in bytes, is an error."""
        whole = bytearray()
        for piece in self.chunks():
            whole += piece
            if len(whole) > limit:
                raise Failure(ErrorKind.NETWORK, f"the answer of `{self.authority}` is larger than {limit} bytes")
        return bytes(whole)

    def text(self, limit: int = LIMIT) -> str:
        """The whole body as text; what is not UTF-8 becomes U+FFFD."""
        return self.body(limit).decode("utf-8", "replace")

    def json(self, limit: int = LIMIT) -> object:
        """The whole body as JSON."""
        try:
            return _json.loads(self.body(limit))
        except ValueError:
            text = f"the answer of `{self.authority}` is not the JSON expected"
            raise Failure(ErrorKind.NETWORK, text) from None

    def retry_after_ms(self) -> Optional[int]:
        """How long the server asked to wait (RFC 9110 section 10.2.3), in milliseconds."""
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch("[0-9]{1,9}", value):
            return int(value) * 1000
        try:
            date = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        return max(0, int((date.timestamp() - time.time()) * 1000))


def send(
    method: str, url: str, headers: Optional[Dict[str, str]] = None, body: Union[bytes, str, None] = None
) -> Response:
    """Sends a request and waits for the head of the answer, whatever its status."""
    scheme, authority, path = _divided(url)
    content = body.encode() if isinstance(body, str) else body or b""
    fields = [(name.lower(), value.encode()) for name, value in (headers or {}).items()]
    if content or method in ("POST", "PUT", "PATCH"):
        fields.append(("content-length", str(len(content)).encode()))
    request = wasi.OutgoingRequest(_fields(fields))
    request.set_method(_METHODS[method]() if method in _METHODS else wasi.Method_Other(method))
    request.set_scheme(scheme)
    request.set_authority(authority)
    request.set_path_with_query(path)
    outgoing = request.body()
    try:
        future = outgoing_handler.handle(request, None)
        _write(outgoing, content)
        with future.subscribe() as ready:
            ready.block()
        answer = future.get()
    except Err as raised:
        raise _failure(raised.value, authority) from None
    if isinstance(answer, Ok) and isinstance(answer.value, Ok):
        return Response(authority, answer.value.value)
    code = answer.value.value if isinstance(answer, Ok) and isinstance(answer.value, Err) else None
    raise _failure(code, authority)


def ask(
    method: str, url: str, headers: Optional[Dict[str, str]] = None, body: Union[bytes, str, None] = None
) -> Response:
    """As `send`, and an answer without success is raised: its kind from the status, its words from the server."""
    response = send(method, url, headers, body)
    if response.ok:
        return response
    said = excerpt(next(response.chunks(), b"").decode("utf-8", "replace"))
    message = f"`{response.authority}` answered {response.status}" + (f": {said}" if said else "")
    raise from_status(response.status, message, response.retry_after_ms())


def join(base: str, path: str) -> str:
    """Appends a path to a base address, whether or not that ends with a slash."""
    return f"{base.rstrip('/')}/{path.lstrip('/')}"


def _divided(url: str) -> Tuple["wasi.Scheme", str, str]:
    parts = re.fullmatch("(https?)://([^/?#@]+)((?:[/?][^#]*)?)(?:#.*)?", url, re.IGNORECASE | re.DOTALL)
    if parts is None:
        raise Failure(ErrorKind.BAD_REQUEST, "the address of a request is no `http` or `https` URL")
    scheme = wasi.Scheme_Https() if parts[1].lower() == "https" else wasi.Scheme_Http()
    return scheme, parts[2], parts[3] if parts[3].startswith("/") else "/" + parts[3]


def _fields(entries: "list[Tuple[str, bytes]]") -> "wasi.Fields":
    try:
        return wasi.Fields.from_list(entries)
    except Err:
        raise Failure(ErrorKind.BAD_REQUEST, "a header of the request is not allowed") from None


def _write(outgoing: "wasi.OutgoingBody", content: bytes) -> None:
    """Writes the whole body, as much at once as the host takes.

    What becomes of the request, its answer tells. A stream that closes is no failure: the other side may have taken
    every byte that was promised, or have answered before the end.
    """
    with contextlib.suppress(Err):
        if content:
            with outgoing.write() as stream:
                _fill(stream, content)
    with contextlib.suppress(Err):
        wasi.OutgoingBody.finish(outgoing, None)


def _fill(stream: "OutputStream", content: bytes) -> None:
    while content:
        room = stream.check_write()
        if room == 0:
            with stream.subscribe() as ready:
                ready.block()
            continue
        stream.write(content[:room])
        content = content[room:]
    stream.blocking_flush()


def _failure(code: object, authority: str) -> Failure:
    """What an error code of `wasi:http` means. What the host itself forbade is not worth another try."""
    if isinstance(code, (wasi.ErrorCode_HttpRequestDenied, wasi.ErrorCode_DestinationIpProhibited)):
        return Failure(ErrorKind.OTHER, f"cara does not allow a connection to `{authority}`")
    text = getattr(code, "value", None)
    if isinstance(code, wasi.ErrorCode_InternalError) and isinstance(text, str):
        # The host's own refusals come with their text; the hint tells them from a fault on the way.
        kind = ErrorKind.OTHER if "\nhint: " in text else ErrorKind.NETWORK
        return Failure(kind, text if kind is ErrorKind.OTHER else f"`{authority}`: {text}")
    return Failure(ErrorKind.NETWORK, f"`{authority}` gave no answer")
