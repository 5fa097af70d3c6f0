"""Server-Sent Events, read piece by piece (WHATWG HTML section 9.2.6). Pure."""

import codecs
import re
from typing import Iterable, Iterator, List

MOST = 1 << 20
"""The largest event, in characters."""

_END = re.compile(r"\r\n|\n|\r")


class Events:
    """Reads a stream of events. Pieces may be cut anywhere."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._data: List[str] = []
        self._length = 0

    def push(self, piece: bytes) -> List[str]:
        """The `data` of each event that is complete with this piece, its lines joined by line feeds."""
        self._rest += self._decoder.decode(piece)
        found: List[str] = []
        start = 0
        for end in _END.finditer(self._rest):
            # A CR at the very end may be half of a CR LF.
            if end.group() == "\r" and end.end() == len(self._rest):
                break
            line = self._rest[start : end.start()]
            start = end.end()
            if not line:
                if self._data:
                    found.append("\n".join(self._data))
                self._data, self._length = [], 0
            elif line == "data" or line.startswith("data:"):
                self._data.append(line[5:].removeprefix(" "))
                self._length += len(line)
        self._rest = self._rest[start:]
        if len(self._rest) + self._length > MOST:
            raise ValueError(f"an event of the answer is larger than {MOST} characters")
        return found


def events(pieces: Iterable[bytes]) -> Iterator[str]:
    """The `data` of each event of a body, as they come: `events(response.chunks())`."""
    reader = Events()
    for piece in pieces:
        yield from reader.push(piece)
