"""OpenAI's SDK for Python against the address that is given."""

import os
import sys

import openai
from pydantic import BaseModel

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=os.environ["CARA_TOKEN"])


def said(text, model="rehearsal:script", **more):
    return dict(model=model, messages=[{"role": "user", "content": text}], **more)


# Chat and stream.
answer = client.chat.completions.create(**said("say hello"))
assert answer.choices[0].message.content == "Hello, world", answer
assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens == 15, answer
text, usage = "", None
for chunk in client.chat.completions.create(**said("say hello"), stream=True, stream_options={"include_usage": True}):
    if chunk.choices:
        text += chunk.choices[0].delta.content or ""
    usage = chunk.usage or usage
assert text == "Hello, world" and usage.completion_tokens == 4, (text, usage)

# Tools, whole and streamed by the SDK's own accumulator.
parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
called = client.chat.completions.create(**said("call the tool"), tools=tools)
call = called.choices[0].message.tool_calls[0]
assert (call.function.name, called.choices[0].finish_reason) == ("weather", "tool_calls"), called
with client.chat.completions.stream(**said("call the tool"), tools=tools) as stream:
    final = stream.get_final_completion()
assert final.choices[0].message.tool_calls[0].function.arguments == call.function.arguments, final
messages = [
    {"role": "user", "content": "call the tool"},
    called.choices[0].message,
    {"role": "tool", "tool_call_id": call.id, "content": "rain"},
]
after = client.chat.completions.create(model="rehearsal:script", messages=messages, tools=tools)
assert after.choices[0].message.content == "Take an umbrella.", after


# Structured output, by a class.
class Trip(BaseModel):
    city: str
    days: int


parsed = client.chat.completions.parse(**said("a trip", model="openai:m-1"), response_format=Trip)
assert parsed.choices[0].message.parsed == Trip(city="Oslo", days=2), parsed

# Images.
png = "data:image/png;base64,iVBORw0KGgo="
content = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": png}}]
client.chat.completions.create(model="openai:m-1", messages=[{"role": "user", "content": content}])

# Embeddings: the SDK asks for base64 by itself.
vectors = client.embeddings.create(model="openai:embedder", input=["a", "b"])
assert vectors.data[1].embedding == [1.0, 0.5, -2.0], vectors
plain = client.embeddings.create(model="openai:embedder", input="a", encoding_format="float")
assert plain.data[0].embedding == [0.0, 0.5, -2.0], plain

# Models.
assert "rehearsal:script" in [model.id for model in client.models.list()]
assert client.models.retrieve("openai:m-1").owned_by == "openai"

# Errors, and what is tried again.
try:
    client.chat.completions.create(**said("x", model="no-such-model"))
    raise SystemExit("a model that is not there answered")
except openai.NotFoundError as error:
    assert error.code == "model_not_found" and error.param == "model", error
try:
    client.chat.completions.create(**said("x"), logprobs=True)
    raise SystemExit("a field that nobody honours was taken")
except openai.BadRequestError as error:
    assert error.param == "logprobs", error
try:
    client.chat.completions.create(**said("be busy", model="openai:m-1"))
    raise SystemExit("a busy vendor answered")
except openai.RateLimitError as error:
    assert error.status_code == 429, error
try:
    for _ in client.chat.completions.create(**said("break off"), stream=True):
        pass
    raise SystemExit("a stream that broke off ended")
except openai.APIError as error:
    assert "the line is dead" in str(error), error

# Cancel.
stream = client.chat.completions.create(**said("go on for ever"), stream=True)
next(iter(stream))
stream.close()
print("done")
