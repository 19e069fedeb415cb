#!/usr/bin/env python3
"""Writes NAME.want.tsv beside each capture: the HTTP pairs that a reader must find.

  expect.py [DIR]    default: the folder of this script

Needs tshark, mergecap, brotli and zstd.  tshark decodes the packets up to TCP; from there this
script goes its own way: it puts the segments together, reads HTTP/1 and undoes the codings.  Two
witnesses are then asked: tshark's own HTTP reading (requests, status codes, exported objects) and
peer.py, which knows the bytes of every served file.  Where tshark differs the note says so.

The damaged captures (snap128, lossy, cut) are recordings or copies of the conversation in web.pcap.
Their rows are the pairs of web.pcap, and the segments that are left decide what of each was seen.
"""
import glob
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zlib

sys.dont_write_bytecode = True
import peer  # noqa: E402

COLUMNS = ["stream", "ordinal", "tunnel", "client", "server", "method", "target", "status", "request_size", "response_size",
           "request_sha256", "response_sha256", "state", "request_packets", "response_packets", "note"]
METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"CONNECT ")


def tshark(path, *args):
    p = subprocess.run(["tshark", "-n", "-r", path, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.returncode and b"cut short" not in p.stderr:
        sys.exit("expect.py: tshark: " + p.stderr.decode())
    return p.stdout.decode("utf-8", "backslashreplace")


# ---- TCP -------------------------------------------------------------------------

class Side:
    """What one end sent: bytes by stream offset, which of them were seen, and by which packet."""

    def __init__(self, addr):
        self.addr, self.base, self.data, self.by, self.fin = addr, None, bytearray(), [], False

    def add(self, seq, size, payload, number):
        at = (seq - self.base) & 0xffffffff
        if not size or at > 1 << 31:  # a keep-alive probe or a byte before a mid-stream start
            return
        while len(self.data) < at + size:
            n = at + size - len(self.data)
            self.data += bytes(n)
            self.by += [0] * n
        for i, b in enumerate(payload):
            if not self.by[at + i]:
                self.data[at + i], self.by[at + i] = b, number

    def missing(self, a, b):
        """The byte ranges of [a, b) that no packet carried."""
        out, i = [], a
        while i < b:
            if i < len(self.by) and self.by[i]:
                i += 1
                continue
            j = i
            while j < b and not (j < len(self.by) and self.by[j]):
                j += 1
            out.append((i - a, j - a))
            i = j
        return out

    def packets(self, a, b):
        seen = [n for n in self.by[a:b] if n]
        if not seen:
            return ""
        return str(min(seen)) if min(seen) == max(seen) else "%d-%d" % (min(seen), max(seen))


class Stream:
    def __init__(self, number, tunnel, client, server):
        self.number, self.tunnel = number, tunnel
        self.client, self.server = Side(client), Side(server)
        self.reset = False


def streams(path, bases=None):
    """The TCP connections of a capture.  bases gives first sequence numbers by (client, server)."""
    fields = ["frame.number", "vxlan.vni", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport",
              "tcp.stream", "tcp.flags", "tcp.seq_raw", "tcp.len", "tcp.payload"]
    args = ["-Y", "tcp", "-T", "fields", "-E", "occurrence=l"]
    for f in fields:
        args += ["-e", f]
    out = {}
    for line in tshark(path, *args).splitlines():
        number, vni, s4, d4, s6, d6, sp, dp, stream, flags, seq, size, payload = line.split("\t")
        if not stream:
            continue
        src, dst = ((s4, sp), (d4, dp)) if s4 else ((s6, sp), (d6, dp))
        flags, seq, payload = int(flags, 16), int(seq), bytes.fromhex(payload.replace(":", ""))
        key = (vni, int(stream))
        if key not in out:
            client, server = (dst, src) if flags & 0x12 == 0x12 or (payload and not payload.startswith(METHODS) and not flags & 2) else (src, dst)
            if bases and (dst, src) in bases:
                client, server = dst, src
            out[key] = Stream(int(stream), "vxlan:" + vni if vni else "", client, server)
            if bases:
                out[key].client.base, out[key].server.base = bases[client, server]
        st = out[key]
        side = st.client if src == st.client.addr else st.server
        if side.base is None:
            side.base = (seq + 1 if flags & 2 else seq) & 0xffffffff
        side.fin |= bool(flags & 1)
        st.reset |= bool(flags & 4)
        side.add(seq + 1 if flags & 2 else seq, int(size), payload, int(number))
    return list(out.values())


# ---- HTTP/1 ------------------------------------------------------------------------

class Message:
    def __init__(self, start):
        self.start, self.end, self.cut, self.interim, self.facts = start, start, False, [], []
        self.headers, self.body, self.wire = [], b"", b""

    def get(self, name):
        return [v for k, v in self.headers if k == name]


def read_message(data, at, bodyless, until_close):
    """One message from data[at:].  bodyless(first line) says that no body follows whatever the headers say."""
    m = Message(at)
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        m.end, m.cut, m.line = len(data), True, bytes(data[at:]).split(b"\r\n")[0].split(b" ", 2)
        return m
    lines = bytes(data[at:end]).split(b"\r\n")
    m.line = lines[0].split(b" ", 2)
    m.headers = [(l.split(b":", 1)[0].lower().decode(), l.split(b":", 1)[1].strip()) for l in lines[1:]]
    m.head_end = m.end = end + 4
    if bodyless(m):
        return m
    if m.get("transfer-encoding") == [b"chunked"]:
        m.facts.append("chunked")
        at = m.end
        while True:
            eol = data.find(b"\r\n", at)
            if eol < 0:
                m.end, m.cut = len(data), True
                break
            n = int(bytes(data[at:eol]).split(b";")[0], 16)
            if n == 0:
                last = data.find(b"\r\n\r\n", eol)
                trailer = bytes(data[eol + 2:last])
                if trailer:
                    m.facts.append("trailers " + trailer.decode().replace("\r\n", ", "))
                m.end = last + 4
                break
            m.wire += bytes(data[eol + 2:eol + 2 + n])
            at = eol + 2 + n + 2
    elif m.get("content-length"):
        n = int(m.get("content-length")[0])
        m.wire = bytes(data[m.end:m.end + n])
        m.cut = len(m.wire) < n
        if m.cut:
            m.facts.append("cut: %d of %d body bytes sent" % (len(m.wire), n))
        m.end += len(m.wire)
    elif until_close:
        m.facts.append("close-delimited")
        m.wire, m.end = bytes(data[m.end:]), len(data)
    m.body = m.wire
    for coding in m.get("content-encoding"):
        if m.wire and not m.cut:
            m.facts.append(coding.decode())
            m.body = decode(coding, m.wire)
    return m


def decode(coding, b):
    if coding == b"gzip":
        return zlib.decompress(b, 31)
    tool = {b"br": "brotli", b"zstd": "zstd"}[coding]
    return subprocess.run([tool, "-d", "-c", "-q"] if tool == "zstd" else [tool, "-d", "-c", "-"], input=b, stdout=subprocess.PIPE, check=True).stdout


class Pair:
    def __init__(self, stream, ordinal, req, resp):
        self.stream, self.ordinal, self.req, self.resp, self.notes = stream, ordinal, req, resp, []
        self.state = "request_only" if resp is None else "partial" if req.cut or resp.cut else "complete"


def pairs(st):
    """The pairs of one undamaged connection, or nothing when it is not HTTP."""
    c, s = bytes(st.client.data), bytes(st.server.data)
    if not c.startswith(METHODS):
        return []
    reqs, at = [], 0
    while at < len(c):
        m = read_message(c, at, lambda m: m.line[0] == b"CONNECT", False)
        reqs.append(m)
        at = m.end
        if m.line[0] == b"CONNECT" or m.get("upgrade"):
            break
    out, at = [], 0
    for i, req in enumerate(reqs):
        resp, interim = None, []
        while at < len(s):
            def bodyless(m):
                return m.line[1][:1] == b"1" or m.line[1] in (b"204", b"304") or req.line[0] in (b"HEAD", b"CONNECT")
            resp = read_message(s, at, bodyless, True)
            at = resp.end
            if resp.line[1][:1] != b"1" or resp.line[1] == b"101":
                break
            interim.append(resp)
            resp = None
        p = Pair(st, i, req, resp)
        if interim:
            p.notes.append("interim " + ", ".join("%s (packets %s)" % (m.line[1].decode(), st.server.packets(m.start, m.end)) for m in interim))
            if resp:
                resp.interim = interim
        for what, m in (("request", req), ("response", resp)):
            if m and m.facts:
                p.notes.append("%s %s" % (what, ", ".join(m.facts)))
        if resp is None:
            p.notes.append("no response: the client %s" % ("reset the connection" if st.reset else "closed the connection"))
        elif resp.line[1] == b"101":
            p.notes.append("then WebSocket: %d bytes from the client, %d from the server" % (len(c) - req.end, len(s) - resp.end))
        elif req.line[0] == b"CONNECT":
            p.notes.append("then a tunnel: %d bytes from the client, %d from the server" % (len(c) - req.end, len(s) - resp.end))
        out.append(p)
    return out


# ---- the witnesses -------------------------------------------------------------------

KNOWN = {hashlib.sha256(b).hexdigest(): "the short list.json" if "/" in n else n for n, b in peer.site().items() if b}
KNOWN[hashlib.sha256(peer.until_close()).hexdigest()] = "the generated lines"


def sha(b):
    return hashlib.sha256(b).hexdigest() if b else ""


# What a person found by reading the packets, by capture and target.
READ = {
    ("web", "/small"): "curl asked first (Expect: 100-continue), was refused and sent no body (RFC 9110, section 10.1.1); tshark waits for the body",
    ("web", "/half"): "the server closed early; tshark waits for the rest",
    ("web", "/zstd/list.json"): "tshark 4.0 does not undo zstd",
    ("two-tenants", ""): "tshark 4.0 puts both tenants into one stream, because it leaves the VNI out of the key",
}


def listed(text):
    return [x for x in text.split("\x1f") if x]


def ask_tshark(path, all_pairs):
    """Notes where tshark's HTTP reading has no such request, status or body."""
    said = {}
    args = ["-Y", "http", "-T", "fields", "-E", "aggregator=\x1f"]
    for f in ("frame.number", "tcp.stream", "http.request.method", "http.request.uri", "http.response.code"):
        args += ["-e", f]
    for line in tshark(path, *args).splitlines():
        number, stream, methods, uris, codes = (line.split("\t") + [""] * 5)[:5]
        entry = said.setdefault(int(stream), {"req": [], "resp": []})
        entry["req"] += [(int(number), m, u) for m, u in zip(listed(methods), listed(uris))]
        entry["resp"] += [(int(number), c) for c in listed(codes)]
    with tempfile.TemporaryDirectory() as d:
        tshark(path, "-q", "--export-objects", "http," + d)
        objects = {}
        for name in os.listdir(d):
            with open(os.path.join(d, name), "rb") as f:
                key = sha(f.read())
                objects[key] = objects.get(key, 0) + 1
    for p in all_pairs:
        entry = said.get(p.stream.number, {"req": [], "resp": []})
        want = (p.req.line[0].decode(), p.req.line[1].decode())
        hit = next((e for e in entry["req"] if e[1:] == want), None)
        if hit:
            entry["req"].remove(hit)
        else:
            p.notes.append("tshark does not show this request")
        if p.resp:
            for m in p.resp.interim + [p.resp]:
                code = m.line[1].decode()
                by = [n for n in p.stream.server.by[m.start:m.end] if n]
                hit = next((e for e in entry["resp"] if e[1] == code and e[0] >= min(by)), None)
                if hit:
                    entry["resp"].remove(hit)
                    if p.req.line[0] == b"HEAD" and hit[0] > max(by):
                        p.notes.append("tshark takes what follows, up to packet %d, for the body of this response to HEAD" % hit[0])
                else:
                    p.notes.append("tshark does not show this response")
    for p in all_pairs:  # an exported object is a body of a request or of a response
        for m in (p.req, p.resp):
            if m and m.body and not m.cut:
                objects[sha(m.body)] = objects.get(sha(m.body), 0) - 1
    for key, n in objects.items():
        if key and n:
            print("expect.py: %s: body %.12s (%s): tshark exports %+d" % (os.path.basename(path), key, KNOWN.get(key, "?"), n), file=sys.stderr)
    for stream, entry in said.items():
        for e in entry["req"] + entry["resp"]:
            print("expect.py: %s: stream %d: only tshark says: %s" % (os.path.basename(path), stream, e), file=sys.stderr)


# ---- rows ----------------------------------------------------------------------------

def address(a):
    return "[%s]:%s" % a if ":" in a[0] else "%s:%s" % a


def row(p, seen=None):
    """The row of a pair; seen is the stream of a damaged capture, if it is not the pair's own."""
    st, req, resp = p.stream, p.req, p.resp
    c, s = (seen or st).client, (seen or st).server
    notes, state = list(p.notes), p.state
    method, target = req.line[0].decode(), req.line[1].decode() if len(req.line) > 1 else ""
    status = resp.line[1].decode() if resp else ""
    req_whole, resp_whole = not req.cut, bool(resp) and not resp.cut
    if seen:
        notes = [n for n in notes if "tshark" not in n and not n.startswith("interim")]
        lost_req = c.missing(req.start, req.end)
        lost_resp = s.missing(resp.start, resp.end) if resp else []
        for what, m, lost in (("request", req, lost_req), ("response", resp, lost_resp)):
            if not lost:
                continue
            state = "partial"
            if lost == [(0, m.end - m.start)]:
                notes.append("nothing of the %s is in the capture" % what)
                continue
            head = m.head_end - m.start
            show = ", ".join("%d-%d" % (a, b - 1) for a, b in lost[:4]) + (", and %d more" % (len(lost) - 4) if len(lost) > 4 else "")
            where = "head and body" if lost[0][0] < head < lost[-1][1] else "head" if lost[0][0] < head else "body"
            notes.append("%s bytes %s are missing (%s)" % (what, show, where))
        req_whole, resp_whole = req_whole and not lost_req, resp_whole and not lost_resp
        if lost_req == [(0, req.end - req.start)]:
            method, target = "", ""
            if not resp or lost_resp == [(0, resp.end - resp.start)]:
                return None
            if resp_whole:
                state = "response_only"
        elif resp and lost_resp == [(0, resp.end - resp.start)]:
            status = ""
            if req_whole:
                state = "request_only"
        first = len(b" ".join(req.line[:2])) + 1
        if method and lost_req and lost_req[0][0] < first:
            method, target = method[:lost_req[0][0]], target[:max(0, lost_req[0][0] - len(method) - 1)]
            notes.append("the request line is cut")
        for m in resp.interim if resp else []:
            if s.missing(m.start, m.end):
                notes.append("of the interim %s some bytes are missing" % m.line[1].decode())
    if resp and resp_whole and sha(resp.body) in KNOWN:
        notes.insert(0, "body is " + KNOWN[sha(resp.body)])
    return [str((seen or st).number), str(p.ordinal), (seen or st).tunnel, address(st.client.addr), address(st.server.addr), method, target, status,
            str(len(req.body)) if req_whole else "", str(len(resp.body)) if resp_whole else "",
            sha(req.body) if req_whole else "", sha(resp.body) if resp_whole else "", state,
            c.packets(req.start, req.end), s.packets(resp.start, resp.end) if resp else "", "; ".join(notes)]


def write(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        for r in [COLUMNS] + rows:
            f.write("\t".join(r) + "\n")
    states = {}
    for r in rows:
        states[r[12]] = states.get(r[12], 0) + 1
    print("%-22s %4d pairs  %s" % (os.path.basename(path), len(rows), " ".join("%s=%d" % kv for kv in sorted(states.items()))))


def undamaged(path, out):
    sts = streams(path)
    found = [p for st in sts for p in pairs(st)]
    ask_tshark(path, found)
    name = os.path.basename(out).split(".")[0].replace("web-vxlan", "web")
    for p in found:
        p.notes += [t for (n, target), t in READ.items() if n == name and target in (p.req.line[1].decode(), "")]
    write(out, [row(p) for p in found])
    for st in sts:
        if st.client.missing(0, len(st.client.data)) or st.server.missing(0, len(st.server.data)):
            print("expect.py: %s: stream %d has holes" % (os.path.basename(path), st.number), file=sys.stderr)
    return found


def damaged(path, out, truth):
    bases = {(p.stream.client.addr, p.stream.server.addr): (p.stream.client.base, p.stream.server.base) for p in truth}
    left = {(st.client.addr, st.server.addr): st for st in streams(path, Bases(bases))}
    rows = []
    for p in truth:
        st = left.get((p.stream.client.addr, p.stream.server.addr))
        r = row(p, st) if st else None
        if r:
            rows.append(r)
    rows.sort(key=lambda r: (int(r[0]), int(r[1])))
    write(out, rows)


class Bases(dict):
    """Sequence numbers for connections of web.pcap; others start where they are first seen."""

    def __missing__(self, key):
        return None, None


def main(args):
    if args and args[0] in ("-h", "--help"):
        print(__doc__)
        return
    top = args[0] if args else os.path.dirname(os.path.abspath(__file__))
    truth = None
    for path in sorted(glob.glob(os.path.join(top, "*.pcap")) + glob.glob(os.path.join(top, "*.pcapng"))):
        name = re.sub(r"\.pcap(ng)?$", "", os.path.basename(path))
        if name in ("snap128", "lossy", "cut"):
            continue
        found = undamaged(path, os.path.join(top, name + ".want.tsv"))
        if name == "web":
            truth = found
    parts = sorted(glob.glob(os.path.join(top, "rotated", "rot*.pcap")))
    if parts:
        with tempfile.TemporaryDirectory() as d:
            one = os.path.join(d, "rotated.pcap")
            subprocess.run(["mergecap", "-a", "-F", "pcap", "-w", one, *parts], check=True, stderr=subprocess.DEVNULL)
            undamaged(one, os.path.join(top, "rotated.want.tsv"))
    for name in ("snap128", "lossy", "cut"):
        path = os.path.join(top, name + ".pcap")
        if truth and os.path.exists(path):
            damaged(path, os.path.join(top, name + ".want.tsv"), truth)


main(sys.argv[1:])
