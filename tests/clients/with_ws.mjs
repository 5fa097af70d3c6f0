// The WebSocket client `ws` against the address that is given.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket from 'ws';

const address = `${process.argv[2].replace('http', 'ws')}/ws`;
const token = { Authorization: `Bearer ${process.env.CARA_TOKEN}` };

// Who shows nothing, or something wrong, is not let in; nor is a page of another site.
for (const [headers, status] of [
  [{}, 401],
  [{ Authorization: 'Bearer cara_wrong' }, 401],
  [{ ...token, Origin: 'https://evil.example' }, 403],
]) {
  const refused = new WebSocket(address, { headers });
  const [, answer] = await once(refused, 'unexpected-response');
  assert.equal(answer.statusCode, status);
  refused.on('error', () => {});
  refused.terminate();
}

/** A connection with its requests, as a page would have it. */
class Peer {
  constructor() {
    this.socket = new WebSocket(address, { headers: token });
    this.opened = once(this.socket, 'open');
    this.next = 1;
    this.waiting = new Map();
    this.socket.on('message', (data, binary) => {
      assert.equal(binary, false);
      const { id, method, params, result, error } = JSON.parse(data);
      const request = this.waiting.get(method === 'event' ? params.id : id);
      if (method === 'event') request.events(params);
      else request.settle({ result, error });
    });
  }

  call(method, params, events = () => {}) {
    const id = this.next++;
    const settled = new Promise((settle) => this.waiting.set(id, { settle, events }));
    this.socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    return settled;
  }
}

// It offers to compress, which is declined.
const peer = new Peer();
await peer.opened;
assert.equal(peer.socket.extensions, '');
const silent = new Peer();
const asked = once(silent.socket, 'ping');

assert.equal((await peer.call('ready')).result.role, 'command');
assert.equal((await peer.call('nothing.at-all', {})).error.code, -32601);
assert.equal((await peer.call('sessions.show', { id: 's-aaaaaaaaaa' })).error.code, 404);
assert.equal((await peer.call('sessions.list', [5])).error.code, -32602);

// Many at once, each answer with its own `id`.
const all = await Promise.all(Array.from({ length: 30 }, () => peer.call('sessions.list', { limit: 5 })));
assert.ok(all.every(({ result }) => Array.isArray(result)));

// A run, and its events in order.
const begin = (run, text) => ({ run, by: { model: 'rehearsal:script' }, message: [{ words: 'typed', text }] });
const heard = [];
const done = await peer.call('runs.begin', begin('r-aaaaaaaaaa', 'say hello'), (event) => heard.push(event));
assert.equal(done.result.type, 'done', JSON.stringify(done));
assert.deepEqual(heard.map(({ seq }) => seq), heard.map((_, index) => index + 1));
const words = heard.map(({ event }) => event.event).filter((event) => event?.type === 'text').map(({ text }) => text);
assert.equal(words.join(''), 'Hello, world');

// A connection that is torn ends no run: whoever comes back hears the rest of it.
const torn = new Peer();
await torn.opened;
const last = await new Promise((heard) => {
  const events = ({ seq, event }) => event.event?.type === 'text' && heard(seq);
  torn.call('runs.begin', begin('r-bbbbbbbbbb', 'go on for ever'), events);
});
torn.socket.terminate();
const first = await new Promise((heard) => {
  const ended = peer.call('runs.follow', { run: 'r-bbbbbbbbbb', after: last }, ({ seq }) => heard({ seq, ended }));
});
assert.equal(first.seq, last + 1);
assert.ok(!(await peer.call('runs.stop', { run: 'r-bbbbbbbbbb' })).error);
assert.ok((await first.ended).result);

// Pings in both directions: who says nothing is asked after 30 seconds.
const pong = once(peer.socket, 'pong');
peer.socket.ping('there?');
assert.equal(String((await pong)[0]), 'there?');
await asked;
assert.equal((await silent.call('ready')).result.role, 'command');

// What is too large closes, and only that connection.
const large = new Peer();
await large.opened;
large.socket.send('x'.repeat(2 ** 20 + 1));
assert.equal((await once(large.socket, 'close'))[0], 1009);
for (const { socket } of [peer, silent]) {
  socket.close(1000);
  assert.equal((await once(socket, 'close'))[0], 1000);
}
console.log('done');
