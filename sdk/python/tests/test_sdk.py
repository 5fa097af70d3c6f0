"""What of the SDK runs without a host, in the foreign lane of `sdk/new`.

The bindings that a build of a provider writes must be on the path: they stand for the host.
"""

import contextlib
import io
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from cara import http, types
from cara.errors import Failure, excerpt, from_status, outcome
from cara.sse import Events
from cara.types import ErrorKind
from componentize_py_types import Err


class Errors(unittest.TestCase):
    def test_each_status_has_its_kind_and_only_what_may_pass_is_retried(self):
        for status, kind, retry in [
            (400, ErrorKind.BAD_REQUEST, False),
            (401, ErrorKind.AUTH, False),
            (404, ErrorKind.BAD_REQUEST, False),
            (413, ErrorKind.CONTEXT_TOO_LONG, False),
            (429, ErrorKind.RATE_LIMIT, True),
            (500, ErrorKind.OTHER, True),
            (503, ErrorKind.OVERLOADED, True),
            (504, ErrorKind.NETWORK, True),
            (529, ErrorKind.OVERLOADED, True),
            (302, ErrorKind.OTHER, False),
        ]:
            failure = from_status(status, "text")
            self.assertEqual((failure.kind, failure.retry), (kind, retry), status)

    def test_a_failure_is_raised_as_the_record_of_the_contract(self):
        raised = outcome(Failure(ErrorKind.NETWORK, "gone", retry_after_ms=5))
        self.assertEqual(raised.value, types.Error(ErrorKind.NETWORK, "gone", True, 5))

    def test_a_refusal_keeps_the_text_that_names_the_cure(self):
        error = outcome(Err(types.Refusal_Unavailable("no value\nhint: store it"))).value
        self.assertEqual((error.kind, error.message), (ErrorKind.AUTH, "no value\nhint: store it"))
        error = outcome(Err(types.Refusal_Cancelled())).value
        self.assertEqual((error.message, error.retry), ("the answer is no longer wanted", False))

    def test_a_fault_is_told_and_its_trace_is_logged(self):
        log = io.StringIO()
        with contextlib.redirect_stderr(log):
            error = outcome(TypeError("on purpose")).value
        self.assertEqual((error.kind, error.message), (ErrorKind.FAULT, "the component has a fault: TypeError"))
        self.assertIn("on purpose", log.getvalue())

    def test_what_a_server_said_is_one_short_line(self):
        self.assertEqual(excerpt(" <p>\n no\t</p> "), "<p> no </p>")
        self.assertEqual(len(excerpt("ä" * 400)), 301)


class Http(unittest.TestCase):
    def test_a_url_is_divided_into_what_a_request_needs(self):
        for url, authority, path in [
            ("https://h/v1/x?y=1#z", "h", "/v1/x?y=1"),
            ("HTTP://127.0.0.1:11434", "127.0.0.1:11434", "/"),
            ("http://[::1]:8080?q", "[::1]:8080", "/?q"),
        ]:
            self.assertEqual(http._divided(url)[1:], (authority, path))
        for url in ["", "h/x", "ftp://h/", "http:///x", "https://user@h/"]:
            with self.assertRaises(Failure):
                http._divided(url)

    def test_a_path_is_appended_with_one_slash(self):
        self.assertEqual(http.join("http://h/v1/", "/models"), "http://h/v1/models")
        self.assertEqual(http.join("http://h/v1", "models"), "http://h/v1/models")


class Sse(unittest.TestCase):
    def test_events_are_the_same_wherever_they_are_cut_whatever_ends_their_lines(self):
        for end in ["\n", "\r\n", "\r"]:
            lines = [": x", "data: æ", "data:b", "", "event: e", "data: c", "", ""]
            data = end.join(lines).encode()
            for cut in range(len(data) + 1):
                reader = Events()
                found = reader.push(data[:cut]) + reader.push(data[cut:]) + reader.push(b" ")
                self.assertEqual(found, ["æ\nb", "c"], (end, cut))


if __name__ == "__main__":
    unittest.main()
