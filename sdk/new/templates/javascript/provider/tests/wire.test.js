// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Events } from '../.cara/sdk/sse.js';
import { Answer, chat, modelsOf } from '../src/wire.js';

const STREAM = [
  '{"model":"small-2","choices":[{"delta":{"content":"Hi"}}]}',
  '{"choices":[{"delta":{"content":" there"},"finish_reason":"stop"}]}',
  '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
  '[DONE]',
].map((data) => `data: ${data}\n\n`).join('');

/** @param {Uint8Array[]} pieces */
function answered(pieces) {
  /** @type {unknown[]} */
  const events = [];
  const sink = { text: (/** @type {string} */ piece) => events.push(piece), usage: (/** @type {object} */ tokens) => events.push(tokens) };
  const [answer, reader] = [new Answer('small', sink), new Events()];
  for (const piece of pieces) for (const data of reader.push(piece)) answer.read(data);
  return { events, outcome: answer.outcome() };
}

/** @param {string} tag */
const request = (tag) => ({
  model: 'small',
  system: 'Be brief.',
  messages: [{ role: /** @type {const} */ ('user'), parts: [{ tag, val: 'Hello' }] }],
  maxOutputTokens: 10,
  stop: [],
});

test('a request is written as the server takes it', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(chat(request('text')))), {
    model: 'small',
    messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hello' }],
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 10,
  });
});

test('a message of anything but text is not supported', () => {
  assert.throws(() => chat(request('image')), { kind: 'unsupported' });
});

test('an answer is the same wherever its stream is cut', () => {
  const bytes = new TextEncoder().encode(STREAM);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    assert.deepEqual(answered([bytes.slice(0, cut), bytes.slice(cut)]), {
      events: ['Hi', ' there', { input: 3, output: 2 }],
      outcome: { stop: 'complete', model: 'small-2' },
    });
  }
});

test('a stream that breaks off is an error worth another try', () => {
  assert.throws(() => answered([new TextEncoder().encode(STREAM.slice(0, 80))]), { kind: 'network', retry: true });
});

test('the models are those of the list', () => {
  assert.deepEqual(modelsOf({ data: [{ id: 'small', owned_by: 'us' }] }), [
    { id: 'small', name: 'small', abilities: { tools: false } },
  ]);
  assert.throws(() => modelsOf([]), { kind: 'network' });
});
