"""A server that answers the first connection with a Retry and the second, which wants a
version that it does not speak, with the versions that it does. Usage: anew.py CERT KEY
KEYLOG PORT PORT: the server listens at the first port, the clients call the second."""
import asyncio
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated
from aioquic.quic.packet import QuicProtocolVersion as Version


class Server(QuicConnectionProtocol):
    http = None

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        for e in self.http.handle_event(event) if self.http else []:
            if isinstance(e, HeadersReceived):
                self.http.send_headers(e.stream_id, [(b":status", b"200")])
                self.http.send_data(e.stream_id, b"answer", True)
                self.transmit()


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.done = asyncio.get_event_loop().create_future()

    def quic_event_received(self, event):
        for e in self.http.handle_event(event):
            if e.stream_ended and not self.done.done():
                self.done.set_result(None)

    async def get(self, path):
        stream = self._quic.get_next_available_stream_id()
        fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"shop.example"), (b":path", path)]
        self.http.send_headers(stream, fields, True)
        self.transmit()
        await asyncio.wait_for(self.done, 10)


async def main(cert, key, keylog, own, port):
    with open(keylog, "w") as log:
        for path, retry, versions in [
            (b"/retry", True, [Version.VERSION_1]),
            (b"/versions", False, [Version.VERSION_2, Version.VERSION_1]),
        ]:
            config = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=False, supported_versions=[Version.VERSION_1])
            config.load_cert_chain(cert, key)
            server = await serve("127.0.0.1", int(own), configuration=config, create_protocol=Server, retry=retry)
            config = QuicConfiguration(alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE, server_name="shop.example",
                                       secrets_log_file=log, supported_versions=versions)
            async with connect("127.0.0.1", int(port), configuration=config, create_protocol=Client) as client:
                await client.get(path)
            server.close()
            await asyncio.sleep(0.1)  # it closes its socket a little later


asyncio.run(main(*sys.argv[1:]))
