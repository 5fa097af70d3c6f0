// What of the SDK runs without a host. `node --test` in this folder, and in the foreign lane of `sdk/new`.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { Failure, excerpt, failureOf, fromStatus } from '../src/error.js';
import { ask, join, json, retryAfterMs, send, text } from '../src/http.js';
import { Events } from '../src/sse.js';
import { tools } from '../src/tool.js';

const { fetch } = globalThis;
afterEach(() => {
  globalThis.fetch = fetch;
});

test('each status has its kind and only what may pass is retried', () => {
  for (const [status, kind, retry] of [
    [400, 'bad-request', false],
    [401, 'auth', false],
    [404, 'bad-request', false],
    [413, 'context-too-long', false],
    [429, 'rate-limit', true],
    [500, 'other', true],
    [503, 'overloaded', true],
    [504, 'network', true],
    [529, 'overloaded', true],
    [302, 'other', false],
  ]) {
    const failure = fromStatus(status, 'text');
    assert.deepEqual([failure.kind, failure.retry], [kind, retry], String(status));
  }
});

test('a failure is handed over as the record of the contract', () => {
  const { payload } = new Failure('network', 'gone', { retryAfterMs: 5 });
  assert.deepEqual(payload, { kind: 'network', message: 'gone', retry: true, retryAfterMs: 5n });
});

test('a refusal keeps the text that names the cure', () => {
  const failure = failureOf({ payload: { tag: 'unavailable', val: 'no value\nhint: store it' } });
  assert.deepEqual([failure.kind, failure.message], ['auth', 'no value\nhint: store it']);
  assert.equal(failureOf({ payload: { tag: 'cancelled' } }).retry, false);
});

test('a tool answers with a text, and what it throws is an error of the contract', async (context) => {
  context.mock.method(console, 'error', () => {});
  const { call } = tools({
    echo: ({ word }) => word,
    broken: () => {
      throw new TypeError('on purpose');
    },
  });
  assert.deepEqual(await call('echo', '{"word":"a"}', {}), [{ tag: 'text', val: 'a' }]);
  await assert.rejects(call('broken', '{}', {}), { kind: 'fault', message: 'the component has a fault: on purpose' });
  await assert.rejects(call('toString', '{}', {}), { kind: 'unsupported' });
  assert.equal(console.error.mock.callCount(), 1);
});

test('an answer without success is thrown with the words of the server', async () => {
  globalThis.fetch = async () => new Response(' slow\n down ', { status: 429, headers: { 'retry-after': '7' } });
  const expected = { kind: 'rate-limit', retryAfterMs: 7000, message: '`h:1` answered 429: slow down' };
  await assert.rejects(ask('https://h:1/x'), expected);
});

test('no answer is an error worth another try', async () => {
  globalThis.fetch = async () => {
    throw new TypeError('NetworkError');
  };
  await assert.rejects(send('https://h/x'), { kind: 'network', retry: true, message: '`h` gave no answer' });
});

test('a body over the limit or of no JSON is an error', async () => {
  assert.equal(await text(new Response('æøå')), 'æøå');
  await assert.rejects(text(new Response('æøå'), 5), { kind: 'network' });
  await assert.rejects(json(new Response('{')), { kind: 'network' });
});

test('retry-after is read as seconds and as a date', () => {
  const after = (value) => retryAfterMs(new Response('', { headers: { 'retry-after': value } }));
  assert.equal(after('120'), 120_000);
  assert.equal(after('Sun, 06 Nov 1994 08:49:37 GMT'), 0);
  assert.equal(after('soon'), undefined);
});

test('a path is appended with one slash', () => {
  assert.equal(join('http://h/v1/', '/models'), 'http://h/v1/models');
  assert.equal(join('http://h/v1', 'models'), 'http://h/v1/models');
});

test('what a server said is one short line', () => {
  assert.equal(excerpt(' <p>\n no\t</p> '), '<p> no </p>');
  assert.equal([...excerpt('ä'.repeat(400))].length, 301);
});

test('events are the same wherever they are cut, whatever ends their lines', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const bytes = new TextEncoder().encode([': x', 'data: æ', 'data:b', '', 'event: e', 'data: c', '', ''].join(end));
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const reader = new Events();
      const found = [...reader.push(bytes.slice(0, cut)), ...reader.push(bytes.slice(cut)), ...reader.push(new Uint8Array([32]))];
      assert.deepEqual(found, ['æ\nb', 'c'], `${JSON.stringify(end)} at ${cut}`);
    }
  }
});
