#!/usr/bin/env python3
"""The parts of the recorded conversations that nginx, curl and wrk do not play.

  peer.py site DIR            write the files that nginx serves
  peer.py serve PORT          a plain-socket HTTP server for the unusual endings
  peer.py dns                 answer UDP port 53 with one fixed address
  peer.py ask HOST            send one DNS question and wait for the answer
  peer.py pipeline HOST [P]   send several requests before reading any response
  peer.py websocket HOST PORT talk to the WebSocket endpoint
  peer.py abort HOST PORT     send a request and reset the connection
  peer.py tenant HOST PORT    eight requests on one connection from local port PORT
  peer.py steady HOST SECONDS a keep-alive client with a pause between requests
  peer.py pump NS1 NS2        two tun devices, one in each namespace, as one cable

Only the standard library is used.  Nothing here knows of recap.
"""
import base64
import ctypes
import fcntl
import gzip
import hashlib
import http.client
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

MTIME = 1700000000  # of every served file, so that Last-Modified never changes
STAMP = "Tue, 14 Nov 2023 22:13:20 GMT"
WS_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


# ---- what is served ----------------------------------------------------------

def orders(seed, n):
    """A JSON list of n orders, the same one for the same seed."""
    r = random.Random(seed)
    names = ["ada", "grace", "alan", "edsger", "barbara", "donald", "leslie"]
    rows = [{"id": r.getrandbits(31), "ref": "%016x" % r.getrandbits(64), "customer": names[r.getrandbits(8) % 7],
             "total": r.getrandbits(16) / 100, "state": ["open", "paid", "sent"][r.getrandbits(8) % 3]} for _ in range(n)]
    return (json.dumps({"object": "list", "data": rows}, separators=(",", ":")) + "\n").encode()


def numbered(size):
    """Numbered 16-byte lines: a hole or a swap shows at once."""
    return b"".join(b"line %010d\n" % i for i in range(size // 16 + 1))[:size]


def site():
    """Every served document by its path, as it is before any content coding."""
    page = "<!doctype html>\n<title>Caf\u00e9</title>\n" + "".join("<p>Paragraph %d of the page.</p>\n" % i for i in range(120))
    docs = {
        "hello.json": b'{"hello":"world"}\n',
        "list.json": orders(1, 180),
        "page.html": page.encode(),
        "empty.txt": b"",
        "pixel.gif": base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"),
        "download.bin": numbered(3_000_000),
        "slow.txt": numbered(60_000),
        "caf\u00e9 menu.txt": "cr\u00eape 4.50\n".encode(),
        "upload-small.json": b'{"sku":"lamp-7","qty":2}',
        "upload.json": orders(2, 140),
        "upload.txt": numbered(5_000),
    }
    for name in ("gz", "gzip", "br", "zstd", "chunked", "trailer"):
        docs[name + "/list.json"] = orders(3, 100)
    return docs


def write_site(root):
    for name, body in site().items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if name.startswith("br/"):
            body = subprocess.run(["brotli", "-c", "-q", "5", "-"], input=body, stdout=subprocess.PIPE, check=True).stdout
        elif name.startswith("zstd/"):
            body = subprocess.run(["zstd", "-c", "-q", "-"], input=body, stdout=subprocess.PIPE, check=True).stdout
        elif name.startswith("gz/"):
            put(path + ".gz", gzip.compress(body, 9, mtime=0))
        put(path, body)
    put(os.path.join(root, "upload.json.gz"), gzip.compress(site()["upload.json"], 9, mtime=0))


def put(path, body):
    with open(path, "wb") as f:
        f.write(body)
    os.utime(path, (MTIME, MTIME))


# ---- the plain-socket server ---------------------------------------------------

def until_close():
    return numbered(4000)


def read_head(conn, got=b""):
    """The bytes up to and with the empty line, and what came after them."""
    while b"\r\n\r\n" not in got:
        more = conn.recv(65536)
        if not more:
            return None, got
        got += more
    head, _, rest = got.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def header(head, name):
    for line in head.split(b"\r\n")[1:]:
        k, _, v = line.partition(b":")
        if k.strip().lower() == name.lower():
            return v.strip()
    return b""


def frame(opcode, payload, mask=None, fin=True):
    """One WebSocket frame (RFC 6455, section 5.2); payloads here are below 64 KiB."""
    out = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if mask else 0
    out += bytes([bit | len(payload)]) if len(payload) < 126 else bytes([bit | 126]) + struct.pack(">H", len(payload))
    if mask:
        out += mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    return out + (payload if not mask else b"")


class Frames:
    """Reads WebSocket frames from a socket, after bytes that were read too far."""

    def __init__(self, conn, rest):
        self.conn, self.buf = conn, rest

    def take(self, n):
        while len(self.buf) < n:
            more = self.conn.recv(65536)
            if not more:
                raise EOFError
            self.buf += more
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def next(self):
        a, b = self.take(2)
        n = b & 0x7f
        if n == 126:
            n, = struct.unpack(">H", self.take(2))
        mask = self.take(4) if b & 0x80 else None
        data = self.take(n)
        if mask:
            data = bytes(c ^ mask[i % 4] for i, c in enumerate(data))
        return a & 0x0f, data


def websocket_server(conn, head, rest):
    accept = base64.b64encode(hashlib.sha1(header(head, b"Sec-WebSocket-Key") + WS_GUID).digest())
    # the first frame shares its segment with the end of the 101 response
    conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + frame(1, b"welcome"))
    frames = Frames(conn, rest)
    while True:
        opcode, data = frames.next()
        if opcode == 8:
            conn.sendall(frame(8, data))
            return
        if opcode == 9:
            conn.sendall(frame(10, data))
        elif opcode in (1, 2):
            conn.sendall(frame(opcode, data[::-1]))


def tunnel(conn, target, rest):
    host, _, port = target.rpartition(b":")
    far = socket.create_connection((host.decode(), int(port)))
    conn.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 peer\r\n\r\n")
    if rest:
        far.sendall(rest)
    open_ends = {conn: far, far: conn}
    while open_ends:
        for s in select.select(list(open_ends), [], [])[0]:
            data = s.recv(65536)
            if data:
                open_ends.get(s, far if s is conn else conn).sendall(data)
                continue
            other = far if s is conn else conn
            del open_ends[s]
            try:
                other.shutdown(socket.SHUT_WR)
            except OSError:
                pass
    far.close()


def answer(conn):
    rest = b""
    while True:
        head, rest = read_head(conn, rest)
        if head is None:
            return
        method, target, _ = head.split(b"\r\n")[0].split(b" ")
        if method == b"CONNECT":
            return tunnel(conn, target, rest)
        if target == b"/until-close":
            conn.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nServer: peer\r\n\r\n")
            body = until_close()
            for i in range(0, len(body), 1000):
                conn.sendall(body[i:i + 1000])
                time.sleep(0.01)
            return
        if target == b"/half":  # promises 1000 bytes, sends 400, closes
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n" + numbered(400))
            return
        if target == b"/early":
            conn.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n")
            time.sleep(0.02)
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nlater\n")
            continue
        if target == b"/events":
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for i in range(1, 4):
                event = b"id: %d\nevent: tick\ndata: {\"n\":%d}\n\n" % (i, i)
                conn.sendall(b"%x\r\n%s\r\n" % (len(event), event))
                time.sleep(0.03)
            conn.sendall(b"0\r\n\r\n")
            continue
        if target == b"/ws":
            return websocket_server(conn, head, rest)
        if target.startswith(b"/silent"):  # never answers; ends when the client gives up
            try:
                while conn.recv(65536):
                    pass
            except ConnectionError:
                pass
            return
        body = b"peer says %s %s\n" % (method, target)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def serve(port):
    s = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)

    def one(conn):
        with conn:
            try:
                answer(conn)
            except (EOFError, ConnectionError):
                pass

    while True:
        conn, _ = s.accept()
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=one, args=(conn,), daemon=True).start()


# ---- DNS -----------------------------------------------------------------------

def dns():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", 53))
    while True:
        q, who = s.recvfrom(512)
        end = q.index(0, 12) + 5  # the name's end, then type and class
        s.sendto(q[:2] + b"\x84\x00\0\1\0\1\0\0\0\0" + q[12:end] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" +
                 socket.inet_aton("10.9.0.80"), who)


def ask(host):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.sendto(b"\x09\x09\1\0\0\1\0\0\0\0\0\0\4shop\7example\0\0\1\0\1", (host, 53))
    s.recv(512)


# ---- clients -------------------------------------------------------------------

def connect(host, port, local=0):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.bind(("", local))
    s.connect((host, port))
    return s


def drain(s):
    while s.recv(65536):
        pass


def pipeline(host, local):
    def req(line, *more, body=b""):
        return ("\r\n".join([line, "Host: shop.example", *more]) + "\r\n\r\n").encode() + body

    batch = (req("GET /hello.json?n=1 HTTP/1.1") +
             req("HEAD /list.json HTTP/1.1") +
             req("GET /nothing HTTP/1.1") +
             req("GET /page.html HTTP/1.1", "If-Modified-Since: " + STAMP) +
             req("POST /echo?n=5 HTTP/1.1", "Content-Type: text/plain", "Content-Length: 11", body=b"five of six") +
             req("GET /list.json HTTP/1.1", "Connection: close"))
    with connect(host, 80, local) as s:  # all six in one write
        s.sendall(batch)
        drain(s)
    with connect(host, 80, local + 1 if local else 0) as s:  # cuts in a header and in a body
        cuts = [0, 30, batch.index(b"five of six") + 4, len(batch)]
        for a, b in zip(cuts, cuts[1:]):
            s.sendall(batch[a:b])
            time.sleep(0.03)
        drain(s)


def websocket(host, port, local):
    with connect(host, port, local) as s:
        s.sendall(b"GET /ws HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(b"0123456789abcdef") + b"\r\n\r\n")
        _, rest = read_head(s)
        frames, mask = Frames(s, rest), b"\x11\x22\x33\x44"
        frames.next()
        for opcode, data in ((1, b"hello"), (9, b"are you there"), (2, bytes(range(200))), (8, struct.pack(">H", 1000) + b"bye")):
            s.sendall(frame(opcode, data, mask))
            frames.next()
        drain(s)


def abort(host, port, local):
    s = connect(host, port, local)
    s.sendall(b"GET /silent?reset HTTP/1.1\r\nHost: shop.example\r\n\r\n")
    time.sleep(0.1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def tenant(host, local):
    c = http.client.HTTPConnection(host, 80, source_address=("", local))
    for i in range(1, 8):
        c.request("GET", "/account/%d" % i, headers={"Host": "shop.example"})
        c.getresponse().read()
        time.sleep(0.04)
    c.request("POST", "/echo", b'{"pay":%d}' % local, {"Host": "shop.example", "Content-Type": "application/json", "Connection": "close"})
    c.getresponse().read()
    c.close()


def steady(host, seconds, local):
    c = http.client.HTTPConnection(host, 80, source_address=("", local))
    end = time.monotonic() + seconds
    n = 0
    while time.monotonic() < end:
        n += 1
        c.request("GET", "/gzip/list.json?n=%d" % n if n % 3 == 0 else "/hello.json?n=%d" % n,
                  headers={"Host": "shop.example", "Accept-Encoding": "gzip"})
        c.getresponse().read()
        time.sleep(0.18)
    c.close()


# ---- two tun devices as one cable -----------------------------------------------

def pump(*names):
    libc = ctypes.CDLL(None, use_errno=True)
    ends = []
    for ns in names:
        with open("/run/netns/" + ns) as f:
            if libc.setns(f.fileno(), 0):
                raise OSError(ctypes.get_errno(), "setns " + ns)
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"tun0", 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
        ends.append(fd)
    print("ready", flush=True)
    while True:
        for fd in select.select(ends, [], [])[0]:
            packet = os.read(fd, 65536)
            try:
                os.write(ends[1 - ends.index(fd)], packet)
            except OSError:  # the other device is not up yet
                pass


def main(args):
    what, rest = (args[0] if args else "--help"), args[1:]
    local = int(os.environ.get("LOCAL_PORT", "0"))
    if what == "site":
        write_site(rest[0])
    elif what == "serve":
        serve(int(rest[0]))
    elif what == "dns":
        dns()
    elif what == "ask":
        ask(rest[0])
    elif what == "pipeline":
        pipeline(rest[0], local)
    elif what == "websocket":
        websocket(rest[0], int(rest[1]), local)
    elif what == "abort":
        abort(rest[0], int(rest[1]), local)
    elif what == "tenant":
        tenant(rest[0], int(rest[1]))
    elif what == "steady":
        steady(rest[0], float(rest[1]), local)
    elif what == "pump":
        pump(*rest)
    else:
        print(__doc__)
        return 0 if what in ("-h", "--help") else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
