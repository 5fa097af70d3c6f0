"""Anthropic's SDK for Python against the address that is given."""

import os
import sys

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key=os.environ["CARA_TOKEN"])


def said(text, model="rehearsal:script", **more):
    return dict(model=model, max_tokens=100, messages=[{"role": "user", "content": text}], **more)


# Messages and stream.
message = client.messages.create(**said("say hello", system="be brief"))
assert message.content[0].text == "Hello, world" and message.stop_reason == "end_turn", message
assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (8, 3), message.usage
with client.messages.stream(**said("say hello")) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
assert text == "Hello, world" and final.usage.output_tokens == 4, final

# Reasoning.
message = client.messages.create(**said("think first"))
assert (message.content[0].thinking, message.content[0].signature) == ("hm, ", "sig"), message
with client.messages.stream(**said("think first")) as stream:
    final = stream.get_final_message()
assert (final.content[0].signature, final.content[1].text) == ("sig", message.content[1].text), final

# Tools.
schema = {"type": "object", "properties": {"city": {"type": "string"}}}
tools = [{"name": "weather", "description": "the weather", "input_schema": schema}]
called = client.messages.create(**said("call the tool"), tools=tools)
call = called.content[1]
assert (called.stop_reason, call.name, call.input) == ("tool_use", "weather", {"city": "Oslo"}), called
with client.messages.stream(**said("call the tool"), tools=tools) as stream:
    final = stream.get_final_message()
assert final.content[1].input == {"city": "Oslo"}, final
messages = [
    {"role": "user", "content": "call the tool"},
    {"role": "assistant", "content": called.content},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]},
]
after = client.messages.create(model="rehearsal:script", max_tokens=100, messages=messages, tools=tools)
assert after.content[0].text == "Take an umbrella.", after

# Images and documents, with marks of the cache.
png = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
content = [
    {"type": "image", "source": png},
    {"type": "text", "text": "what is this?", "cache_control": {"type": "ephemeral"}},
]
message = client.messages.create(**dict(said("", model="openai:m-1"), messages=[{"role": "user", "content": content}]))
assert "what is this?" in message.content[0].text, message

# Models.
assert "rehearsal:script" in [model.id for model in client.models.list()]

# Errors.
try:
    client.messages.create(**said("x", model="no-such-model"))
    raise SystemExit("a model that is not there answered")
except anthropic.NotFoundError as error:
    assert error.body["error"]["type"] == "not_found_error", error
try:
    client.messages.create(**said("x", metadata={"user_id": "u"}))
    raise SystemExit("a field that nobody honours was taken")
except anthropic.BadRequestError as error:
    assert "metadata" in str(error), error
try:
    client.with_options(max_retries=1).messages.create(**said("too much"))
    raise SystemExit("a busy vendor answered")
except anthropic.RateLimitError:
    pass
try:
    with client.messages.stream(**said("break off")) as stream:
        stream.get_final_message()
    raise SystemExit("a stream that broke off ended")
except anthropic.APIStatusError as error:
    assert "the line is dead" in str(error), error

# Cancel.
with client.messages.stream(**said("go on for ever")) as stream:
    next(iter(stream.text_stream))
print("done")
