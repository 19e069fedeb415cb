#!/usr/bin/env python3
"""The two ends of streams.pcap and grpc.pcap: a WebSocket server and its clients, a server of
events, a gRPC server and its client. Each end writes what it received, or for events what was
sent, as rows of NAME.messages.tsv: so the rows come from the libraries, and not from recap.

usage: streams.py websocket|events|grpc LOG
"""
import asyncio
import gzip
import hashlib
import http.server
import io
import subprocess
import sys
import threading
import time

log = open(sys.argv[2], "a")


def row(port, kind, direction, typ, payload, event_id="", retry="", code=""):
    if isinstance(payload, str):
        payload = payload.encode()
    log.write("\t".join(map(str, (port, kind, direction, typ, len(payload), hashlib.sha256(payload).hexdigest(), event_id, retry, code))) + "\n")
    log.flush()


def websocket():
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import serve
    from websockets.exceptions import ConnectionClosedError
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

    def closed(port, direction, ws):
        row(port, "websocket", direction, "close", ws.close_reason or "", code=ws.close_code)

    async def handler(ws):
        port = ws.remote_address[1]
        try:
            async for message in ws:
                row(port, "websocket", "to_server", "text" if isinstance(message, str) else "binary", message)
                await ws.send(message if isinstance(message, bytes) else message.upper())
        except ConnectionClosedError:  # any status but 1000 and 1001
            pass
        closed(port, "to_server", ws)

    async def talk(extensions, compression, bye):
        async with connect("ws://127.0.0.1:8081/chat", compression=compression, extensions=extensions, max_size=None, ping_interval=None) as ws:
            port = ws.local_address[1]

            async def ask(message):
                await ws.send(message)
                answer = await ws.recv()
                row(port, "websocket", "to_client", "text" if isinstance(answer, str) else "binary", answer)

            for i in range(6):
                await ask('{"order": %d, "item": "lamp", "note": "the same words again and again"}' % i)
            await ask(bytes(range(256)) * 3)
            await ask(["in ", "three ", "fragments, \u00e9t\u00e9"])
            await (await ws.ping(b"are you there?"))
            await ask("")
            await ask("x" * 130000 if compression else "y" * 200)
            await ws.close(*bye)
            closed(port, "to_client", ws)

    async def main():
        async with serve(handler, "127.0.0.1", 8081, max_size=None, ping_interval=None, server_header=None,
                         extensions=[ServerPerMessageDeflateFactory(server_max_window_bits=11)], compression=None):
            await talk(None, "deflate", (1000, "done"))
            await talk([ClientPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)], "deflate", (3001, "\u00e9nough"))
            await talk([ClientPerMessageDeflateFactory(client_max_window_bits=9)], "deflate", (1001, ""))
            await talk(None, None, (1000, ""))
            await asyncio.sleep(0.3)

    asyncio.run(main())


def events():
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            packed = self.path == "/gzip"
            if packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            buf = io.BytesIO()
            pack = gzip.GzipFile(fileobj=buf, mode="wb", mtime=0) if packed else buf
            end = {"/cr": "\r", "/crlf": "\r\n"}.get(self.path, "\n")

            def send(text):
                pack.write(text.replace("\n", end).encode())
                pack.flush()
                b = buf.getvalue()
                buf.seek(0)
                buf.truncate()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(b), b))
                time.sleep(0.03)

            port = self.client_address[1]

            def event(lines, typ="message", event_id="", retry=""):
                head = "".join(f"{k}: {v}\n" for k, v in (("event", typ if typ != "message" else ""), ("retry", retry)) if v != "")
                row(port, "sse", "to_client", typ, "\n".join(lines), event_id, retry)
                return head + "".join(f"data: {x}\n" for x in lines) + "\n"

            try:
                send("\ufeff: hello\n\n" if self.path == "/crlf" else ": hello\n\n")
                send("id: 1\n" + event(["first"], event_id="1", retry="2500"))
                whole = event(["a", "b", "\u00e9t\u00e9"], "tick", "1")
                send(whole[:11])
                send(whole[11:] + event(["two at once"], event_id="1"))
                if self.path == "/endless":
                    time.sleep(5)
                if packed:
                    pack.close()
                    b = buf.getvalue()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(b), b))
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8082), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for path in "/lf", "/cr", "/crlf", "/gzip":
        subprocess.run(["curl", "-sN", "--compressed", "-o", "/dev/null", "http://127.0.0.1:8082" + path], check=True)
    subprocess.run(["curl", "-sN", "-m", "0.6", "-o", "/dev/null", "http://127.0.0.1:8082/endless"], check=False)


def grpc():
    from concurrent import futures

    import grpc as g

    def port(context):
        return context.peer().rsplit(":", 1)[1]

    ports = []

    def unary(request, context):
        ports.append(port(context))
        row(ports[-1], "grpc", "to_server", "message", request)
        if request == b"fail":
            context.abort(g.StatusCode.NOT_FOUND, "no such thing")
        return request * 2

    def chat(requests, context):
        for request in requests:
            row(port(context), "grpc", "to_server", "message", request)
            yield b"echo " + request

    server = g.server(futures.ThreadPoolExecutor(4), compression=g.Compression.Gzip)
    server.add_generic_rpc_handlers([g.method_handlers_generic_handler("shop.Cart", {
        "Add": g.unary_unary_rpc_method_handler(unary), "Chat": g.stream_stream_rpc_method_handler(chat)})])
    server.add_insecure_port("127.0.0.1:8083")
    server.start()
    with g.insecure_channel("127.0.0.1:8083", options=[("grpc.enable_http_proxy", 0)]) as channel:
        add, talk = channel.unary_unary("/shop.Cart/Add"), channel.stream_stream("/shop.Cart/Chat")
        for request in b"lamp", b"", b"chair " * 500:
            answer = add(request, metadata=[("x-trace", "a b")])
            row(ports[-1], "grpc", "to_client", "message", answer)
        answer = add(b"table " * 50, compression=g.Compression.Gzip)
        row(ports[-1], "grpc", "to_client", "message", answer)
        try:
            add(b"fail")
        except g.RpcError as e:
            assert e.code() == g.StatusCode.NOT_FOUND, e
        for answer in talk(iter([b"one", b"two", b"three"])):
            row(ports[-1], "grpc", "to_client", "message", answer)
    server.stop(None).wait()


{"websocket": websocket, "events": events, "grpc": grpc}[sys.argv[1]]()
