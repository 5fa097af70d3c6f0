"""Run with `python3 -m unittest discover tests`."""

import sys
import unittest
from pathlib import Path

PROJECT = Path(__file__).parent.parent
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT / ".cara/sdk")]

from cara.sse import Events
from wire import Answer, Reported, chat, models

STREAM = "".join(
    f"data: {data}\n\n"
    for data in [
        '{"model":"small-2","choices":[{"delta":{"content":"Hi"}}]}',
        '{"choices":[{"delta":{"content":" there"},"finish_reason":"stop"}]}',
        '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
        "[DONE]",
    ]
).encode()


def answered(pieces):
    events = []
    answer = Answer("small", events.append, lambda input, output: events.append((input, output)))
    reader = Events()
    for piece in pieces:
        for data in reader.push(piece):
            answer.read(data)
    return events, answer


class Wire(unittest.TestCase):
    def test_a_request_is_written_as_the_server_takes_it(self):
        body = chat("small", [("system", "Be brief."), ("user", "Hello")], 10, None, [])
        expected = {
            "model": "small",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 10,
        }
        self.assertEqual(body, expected)

    def test_an_answer_is_the_same_wherever_its_stream_is_cut(self):
        for cut in range(len(STREAM) + 1):
            events, answer = answered([STREAM[:cut], STREAM[cut:]])
            self.assertEqual(events, ["Hi", " there", (3, 2)], cut)
            self.assertEqual((answer.model, answer.reason, answer.complete), ("small-2", "stop", True))

    def test_a_stream_that_breaks_off_is_not_complete(self):
        self.assertFalse(answered([STREAM[:80]])[1].complete)

    def test_what_the_server_reports_keeps_its_words(self):
        with self.assertRaisesRegex(Reported, "out of memory"):
            answered([b'data: {"error":{"message":"out of memory"}}\n\n'])

    def test_the_models_are_those_of_the_list(self):
        self.assertEqual(models({"data": [{"id": "small", "owned_by": "us"}]}), ["small"])


if __name__ == "__main__":
    unittest.main()
