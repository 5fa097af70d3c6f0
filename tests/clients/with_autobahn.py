"""Autobahn's WebSocket client against the address that is given."""

import asyncio
import json
import os
import sys

from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol

ADDRESS = sys.argv[1].replace("http", "ws") + "/ws"
TOKEN = {"Authorization": "Bearer " + os.environ["CARA_TOKEN"]}


class Peer(WebSocketClientProtocol):
    """A connection with its requests."""

    def __init__(self):
        super().__init__()
        loop = asyncio.get_running_loop()
        self.opened, self.closed, self.pong, self.asked = (loop.create_future() for _ in range(4))
        self.number, self.waiting, self.events = 0, {}, {}

    def onOpen(self):
        self.opened.set_result(None)

    def onMessage(self, payload, isBinary):
        assert not isBinary
        message = json.loads(payload)
        if message.get("method") == "event":
            self.events[message["params"]["id"]].put_nowait(message["params"])
        else:
            self.waiting[message["id"]].set_result(message)

    def onPing(self, payload):
        self.sendPong(payload)
        self.asked.done() or self.asked.set_result(payload)

    def onPong(self, payload):
        self.pong.set_result(payload)

    def onClose(self, wasClean, code, reason):
        self.closed.set_result((wasClean, code, str(reason)))

    def ask(self, method, params=None):
        self.number += 1
        self.waiting[self.number] = asyncio.get_running_loop().create_future()
        self.events[self.number] = asyncio.Queue()
        request = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params or {}}
        self.sendMessage(json.dumps(request).encode())
        return self.number

    async def call(self, method, params=None):
        return await self.waiting[self.ask(method, params)]


async def connected(headers):
    factory = WebSocketClientFactory(ADDRESS, headers=headers)
    factory.protocol = Peer
    _, peer = await asyncio.get_running_loop().create_connection(factory, factory.host, factory.port)
    return peer


def begin(run, text):
    return {"run": run, "by": {"model": "rehearsal:script"}, "message": [{"words": "typed", "text": text}]}


async def main():
    for headers in [{}, {"Authorization": "Bearer cara_wrong"}]:
        refused = await connected(headers)
        clean, _, reason = await refused.closed
        assert not clean and "401" in reason and not refused.opened.done(), reason

    peer, silent = await connected(TOKEN), await connected(TOKEN)
    await asyncio.gather(peer.opened, silent.opened)
    assert (await peer.call("ready"))["result"]["role"] == "command"
    assert (await peer.call("nothing.at-all"))["error"]["code"] == -32601
    lists = await asyncio.gather(*(peer.call("sessions.list", {"limit": 5}) for _ in range(30)))
    assert all(isinstance(answer["result"], list) for answer in lists)

    # A run, and its events in order.
    run = peer.ask("runs.begin", begin("r-cccccccccc", "say hello"))
    done = await peer.waiting[run]
    assert done["result"]["type"] == "done", done
    heard = [peer.events[run].get_nowait() for _ in range(peer.events[run].qsize())]
    assert [event["seq"] for event in heard] == list(range(1, len(heard) + 1)), heard
    said = [event["event"]["event"] for event in heard if event["event"]["type"] == "run"]
    assert "".join(event["text"] for event in said if event["type"] == "text") == "Hello, world", heard

    # A connection that is torn ends no run.
    torn = await connected(TOKEN)
    await torn.opened
    run = torn.ask("runs.begin", begin("r-dddddddddd", "go on for ever"))
    for _ in range(4):
        last = (await torn.events[run].get())["seq"]
    torn.transport.abort()
    follow = peer.ask("runs.follow", {"run": "r-dddddddddd", "after": last})
    assert (await peer.events[follow].get())["seq"] == last + 1
    assert "error" not in await peer.call("runs.stop", {"run": "r-dddddddddd"})
    assert "result" in await peer.waiting[follow]

    # Pings in both directions: who says nothing is asked after 30 seconds.
    peer.sendPing(b"there?")
    assert await peer.pong == b"there?"
    await silent.asked
    assert "result" in await silent.call("ready")

    peer.sendMessage(b"bytes", isBinary=True)
    assert (await peer.closed)[1] == 1003
    silent.sendClose(1000)
    assert (await silent.closed)[:2] == (True, 1000)
    print("done")


asyncio.run(main())
