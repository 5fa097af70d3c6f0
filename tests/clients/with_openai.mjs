// OpenAI's SDK for JavaScript against the address that is given.

import assert from 'node:assert/strict';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: process.env.CARA_TOKEN });
const said = (text, more = {}) => ({ model: 'rehearsal:script', messages: [{ role: 'user', content: text }], ...more });
const create = (request) => client.chat.completions.create(request);

// Chat and stream.
const answer = await create(said('say hello'));
assert.equal(answer.choices[0].message.content, 'Hello, world');
assert.equal(answer.usage.total_tokens, 15);
let text = '';
for await (const chunk of await create(said('say hello', { stream: true, stream_options: { include_usage: true } }))) {
  text += chunk.choices[0]?.delta?.content ?? '';
}
assert.equal(text, 'Hello, world');

// Tools, whole and streamed by the SDK's own accumulator.
const parameters = { type: 'object', properties: { city: { type: 'string' } } };
const tools = [{ type: 'function', function: { name: 'weather', parameters } }];
const called = await create(said('call the tool', { tools }));
const call = called.choices[0].message.tool_calls[0];
assert.equal(call.function.name, 'weather');
const final = await client.chat.completions.stream(said('call the tool', { tools })).finalChatCompletion();
assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments), { city: 'Oslo' });
const messages = [
  { role: 'user', content: 'call the tool' },
  called.choices[0].message,
  { role: 'tool', tool_call_id: call.id, content: 'rain' },
];
const after = await create({ model: 'rehearsal:script', messages, tools });
assert.equal(after.choices[0].message.content, 'Take an umbrella.');

// Structured output.
const schema = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city', 'days'],
  additionalProperties: false,
};
const response_format = { type: 'json_schema', json_schema: { name: 'trip', strict: true, schema } };
const parsed = await client.chat.completions.parse(said('a trip', { model: 'openai:m-1', response_format }));
assert.deepEqual(JSON.parse(parsed.choices[0].message.content), { city: 'Oslo', days: 2 });

// Images.
const url = 'data:image/png;base64,iVBORw0KGgo=';
const content = [{ type: 'text', text: 'what is this?' }, { type: 'image_url', image_url: { url } }];
await create({ model: 'openai:m-1', messages: [{ role: 'user', content }] });

// Embeddings: the SDK asks for base64 by itself.
const vectors = await client.embeddings.create({ model: 'openai:embedder', input: ['a', 'b'] });
assert.deepEqual(Array.from(vectors.data[1].embedding), [1, 0.5, -2]);

// Models.
const ids = [];
for await (const model of await client.models.list()) ids.push(model.id);
assert.ok(ids.includes('rehearsal:script'));

// Errors, and what is tried again.
await assert.rejects(create(said('x', { model: 'no-such-model' })), (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
await assert.rejects(create(said('x', { logprobs: true })), (error) => error instanceof OpenAI.BadRequestError && error.param === 'logprobs');
await assert.rejects(create(said('be busy', { model: 'openai:m-1' })), OpenAI.RateLimitError);
const broken = await create(said('break off', { stream: true }));
await assert.rejects(async () => {
  for await (const _ of broken);
}, /the line is dead/);

// Cancel.
const stream = await create(said('go on for ever', { stream: true }));
for await (const _ of stream) break;
stream.controller.abort();
console.log('done');
