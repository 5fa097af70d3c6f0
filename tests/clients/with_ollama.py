"""Ollama's client for Python against the address that is given."""

import os
import sys

import ollama

client = ollama.Client(host=sys.argv[1], headers={"Authorization": "Bearer " + os.environ["CARA_TOKEN"]})
MODEL = "rehearsal:script"


def said(text):
    return [{"role": "user", "content": text}]


# Chat, stream and generate.
answer = client.chat(model=MODEL, messages=said("say hello"))
assert answer.message.content == "Hello, world" and answer.done and answer.eval_count == 4, answer
text = "".join(part.message.content for part in client.chat(model=MODEL, messages=said("say hello"), stream=True))
assert text == "Hello, world", text
assert client.generate(model=MODEL, prompt="say hello").response == "Hello, world"
assert client.chat(model=MODEL, messages=said("think first")).message.thinking == "hm, "


# Tools, by a function of the program.
def weather(city: str) -> str:
    """The weather.

    Args:
      city: where
    """
    return "rain"


called = client.chat(model=MODEL, messages=said("call the tool"), tools=[weather])
call = called.message.tool_calls[0]
assert (call.function.name, call.function.arguments) == ("weather", {"city": "Oslo"}), called
messages = [*said("call the tool"), called.message, {"role": "tool", "content": "rain", "tool_name": "weather"}]
after = client.chat(model=MODEL, messages=messages, tools=[weather])
assert after.message.content == "Take an umbrella.", after

# Structured output.
schema = {"type": "object", "properties": {"city": {"type": "string"}}}
trip = client.chat(model="openai:m-1", messages=said("a trip"), format=schema)
assert trip.message.content == '{"city":"Oslo","days":2}', trip

# What there is, and vectors.
assert MODEL in [model.model for model in client.list().models]
assert client.show(MODEL).details.family == "rehearsal"
assert client.embed(model="openai:embedder", input="a").embeddings == [[0.0, 0.5, -2.0]]

# Errors.
try:
    client.chat(model="no-such-model", messages=said("x"))
    raise SystemExit("a model that is not there answered")
except ollama.ResponseError as error:
    assert error.status_code == 404, error
try:
    client.chat(model=MODEL, messages=said("x"), keep_alive="5m")
    raise SystemExit("a field that nobody honours was taken")
except ollama.ResponseError as error:
    assert "keep_alive" in str(error), error

# Cancel.
stream = client.chat(model=MODEL, messages=said("go on for ever"), stream=True)
next(iter(stream))
stream.close()
print("done")
