// Anthropic's SDK for JavaScript against the address that is given.

import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic({ baseURL: process.argv[2], apiKey: process.env.CARA_TOKEN });
const said = (text, more = {}) => ({
  model: 'rehearsal:script',
  max_tokens: 100,
  messages: [{ role: 'user', content: text }],
  ...more,
});

// Messages and stream.
const message = await client.messages.create(said('say hello', { system: 'be brief' }));
assert.equal(message.content[0].text, 'Hello, world');
const final = await client.messages.stream(said('say hello')).finalMessage();
assert.equal(final.content[0].text, 'Hello, world');
assert.equal(final.usage.output_tokens, 4);

// Reasoning.
const thought = await client.messages.stream(said('think first')).finalMessage();
assert.deepEqual([thought.content[0].thinking, thought.content[0].signature], ['hm, ', 'sig']);

// Tools.
const input_schema = { type: 'object', properties: { city: { type: 'string' } } };
const tools = [{ name: 'weather', description: 'the weather', input_schema }];
const called = await client.messages.stream(said('call the tool', { tools })).finalMessage();
assert.equal(called.stop_reason, 'tool_use');
assert.deepEqual(called.content[1].input, { city: 'Oslo' });
const messages = [
  { role: 'user', content: 'call the tool' },
  { role: 'assistant', content: called.content },
  { role: 'user', content: [{ type: 'tool_result', tool_use_id: called.content[1].id, content: 'rain' }] },
];
const after = await client.messages.create({ model: 'rehearsal:script', max_tokens: 100, messages, tools });
assert.equal(after.content[0].text, 'Take an umbrella.');

// Models.
const ids = [];
for await (const model of client.models.list()) ids.push(model.id);
assert.ok(ids.includes('rehearsal:script'));

// Errors.
await assert.rejects(client.messages.create(said('x', { model: 'no-such-model' })), Anthropic.NotFoundError);
await assert.rejects(client.messages.create(said('x', { metadata: { user_id: 'u' } })), /metadata/);
await assert.rejects(client.messages.create(said('too much')), Anthropic.RateLimitError);
await assert.rejects(client.messages.stream(said('break off')).finalMessage(), /the line is dead/);

// Cancel.
const stream = client.messages.stream(said('go on for ever'));
for await (const _ of stream) break;
console.log('done');
