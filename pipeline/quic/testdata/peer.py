"""A client and a server of aioquic on loopback: peer.py CERT KEY KEYLOG SERVER_PORT CLIENT_PORT.

Its QPACK encoder uses the dynamic table. The client sends to CLIENT_PORT, where a relay to
SERVER_PORT may stand, and prints a line of JSON for each exchange: the fields it sent and got.
"""
import asyncio
import json
import ssl
import sys

from aioquic.asyncio import connect, serve
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration


class Server(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http, self.asked = None, {}

    def quic_event_received(self, event):
        self.http = self.http or H3Connection(self._quic)
        for e in self.http.handle_event(event):
            if isinstance(e, HeadersReceived):
                self.asked[e.stream_id] = dict(e.headers)
            if getattr(e, "stream_ended", False):
                path = self.asked[e.stream_id][b":path"]
                self.http.send_headers(e.stream_id, [(b":status", b"200"), (b"server", b"aioquic"), (b"x-same", b"the same value every time"), (b"x-path", path)])
                self.http.send_data(e.stream_id, b"z" * 100, True)
                self.transmit()


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http, self.got, self.waits = H3Connection(self._quic), {}, {}

    def quic_event_received(self, event):
        for e in self.http.handle_event(event):
            if isinstance(e, HeadersReceived):
                self.got[e.stream_id] = e.headers
            if getattr(e, "stream_ended", False):
                self.waits.pop(e.stream_id).set_result(self.got[e.stream_id])

    async def ask(self, path):
        stream = self._quic.get_next_available_stream_id()
        fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"shop.example"), (b":path", path),
                  (b"user-agent", b"a client of some length"), (b"x-token", b"a value that comes again"), (b"x-n", path)]
        self.http.send_headers(stream, fields, True)
        self.waits[stream] = asyncio.get_event_loop().create_future()
        answer = self.waits[stream]
        self.transmit()
        return fields, await answer


async def main(cert, key, keylog, server_port, client_port):
    own = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    own.load_cert_chain(cert, key)
    server = await serve("127.0.0.1", int(server_port), configuration=own, create_protocol=Server)
    with open(keylog, "w") as secrets:
        theirs = QuicConfiguration(is_client=True, alpn_protocols=["h3"], verify_mode=ssl.CERT_NONE, secrets_log_file=secrets, server_name="shop.example")
        async with connect("127.0.0.1", int(client_port), configuration=theirs, create_protocol=Client) as client:
            await asyncio.sleep(0.1)  # settings, and with them the table
            for round in range(6):
                asked = [client.ask(b"/%d/%d" % (round, i % 3)) for i in range(5)]
                for sent, got in await asyncio.gather(*asked):
                    print(json.dumps([[f"{n.decode()} {v.decode()}" for n, v in fields] for fields in (sent, got)]))
    server.close()


asyncio.run(main(*sys.argv[1:]))
