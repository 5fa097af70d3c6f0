"""Responses by OpenAI's SDK for Python against the address that is given."""

import os
import sys

import openai
from pydantic import BaseModel

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=os.environ["CARA_TOKEN"])
MODEL = "rehearsal:script"

# Whole, and as typed events by the SDK's own accumulator.
answer = client.responses.create(model=MODEL, input="say hello", metadata={"a": "b"})
assert answer.output_text == "Hello, world" and answer.usage.total_tokens == 15, answer
with client.responses.stream(model=MODEL, input="say hello") as stream:
    kinds = [event.type for event in stream]
    final = stream.get_final_response()
assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
assert final.output_text == "Hello, world", final

# Tools, and going on from what is kept.
parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
tools = [{"type": "function", "name": "weather", "parameters": parameters, "strict": False}]
called = client.responses.create(model=MODEL, input="call the tool", tools=tools)
call = next(item for item in called.output if item.type == "function_call")
output = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]
after = client.responses.create(model=MODEL, input=output, tools=tools, previous_response_id=called.id)
assert after.output_text == "Take an umbrella.", after
items = client.responses.input_items.list(after.id)
assert [item.type for item in items] == ["function_call_output"], items

# The same without anything kept: the client sends back what it was given.
called = client.responses.create(model=MODEL, input="call the tool", tools=tools, store=False)
output = [{"role": "user", "content": "call the tool"}, *called.output, *output]
output[-1]["call_id"] = next(item for item in called.output if item.type == "function_call").call_id
after = client.responses.create(model=MODEL, input=output, tools=tools, store=False)
assert after.output_text == "Take an umbrella.", after


# Structured output, by a class.
class Trip(BaseModel):
    city: str
    days: int


parsed = client.responses.parse(model="openai:m-1", input="a trip", text_format=Trip)
assert parsed.output_parsed == Trip(city="Oslo", days=2), parsed

# Images.
png = "data:image/png;base64,iVBORw0KGgo="
content = [{"type": "input_text", "text": "what is this?"}, {"type": "input_image", "image_url": png, "detail": "low"}]
client.responses.create(model="openai:m-1", input=[{"role": "user", "content": content}])

# Kept, and removed.
assert client.responses.retrieve(answer.id).output_text == "Hello, world"
client.responses.delete(answer.id)
try:
    client.responses.retrieve(answer.id)
    raise SystemExit("a response that was removed is there")
except openai.NotFoundError:
    pass

# In the background: listened to again from a number on, and stopped.
events = list(client.responses.create(model=MODEL, input="say hello", background=True, stream=True))
again = list(client.responses.retrieve(events[0].response.id, stream=True, starting_after=events[3].sequence_number))
assert [event.sequence_number for event in again] == [event.sequence_number for event in events[4:]], again
endless = client.responses.create(model=MODEL, input="go on for ever", background=True)
assert client.responses.cancel(endless.id).status == "cancelled"

# Errors.
try:
    client.responses.create(model=MODEL, input="x", truncation="auto")
    raise SystemExit("a field that nobody honours was taken")
except openai.BadRequestError as error:
    assert error.param == "truncation", error
print("done")
