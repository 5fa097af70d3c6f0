"""A tool in Python, for `tests/foreign.rs`: another toolchain, the same contract."""

import json
import os
import socket
import sys
import time

from componentize_py_types import Err
from wit_world.exports import Tool as ToolExport
from wit_world.imports import log, state
from wit_world.imports.types import Content_Text, Error, ErrorKind


def tried(attempt):
    """What an attempt came to, in one word."""
    try:
        attempt()
    except Exception as problem:  # every kind of failure is what is looked for
        return f"failed: {type(problem).__name__}"
    return "worked"


def ambient():
    """What of the machine can be reached."""
    return {
        "arguments": sys.argv,
        "environment": dict(os.environ),
        "read": tried(lambda: open("/etc/passwd").read()),
        "list": tried(lambda: os.listdir("/")),
        "write": tried(lambda: open("/tmp/canary", "w").write("x")),
        "connect": tried(lambda: socket.create_connection(("127.0.0.1", 9), timeout=1)),
        "resolve": tried(lambda: socket.getaddrinfo("localhost", 80)),
        "time": time.time() > 1_700_000_000,
        "random": os.urandom(8) != os.urandom(8),
    }


class Tool(ToolExport):
    def call(self, name, arguments, context):
        if name == "answer":
            return [Content_Text("alive")]
        if name == "count":
            entry = state.get("count")
            count = int(entry.value) + 1 if entry else 1
            state.put("count", str(count).encode(), entry.revision if entry else 0)
            log.write(log.Level.INFO, "counted", [("count", str(count))])
            return [Content_Text(str(count))]
        if name == "ambient":
            print("a line on stdout")
            print("a line on stderr", file=sys.stderr)
            sys.stdout.flush()
            return [Content_Text(json.dumps(ambient(), sort_keys=True))]
        if name == "spin":
            while True:
                pass
        if name == "fail":
            raise RuntimeError("on purpose")
        raise Err(Error(ErrorKind.UNSUPPORTED, f"no tool is called {name}", False, None))
