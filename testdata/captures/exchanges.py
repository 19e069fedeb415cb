#!/usr/bin/env python3
"""Prints the HTTP/2 exchanges of a capture as tshark reads them, one row a stream.

usage: exchanges.py CAPTURE

Columns: client port, stream, method, path, status, the fields of the request, of the response, and of
the trailers ("name: value", divided by " | ", in the order sent), the bytes of both
bodies as sent, and how many RST_STREAM frames there are.
"""
import json
import subprocess
import sys

port = [a for p in (443, 8083) for a in ("-d", f"tcp.port=={p},{'tls' if p == 443 else 'http2'}")]
out = subprocess.run(["tshark", "-n", "-r", sys.argv[1], *port, "-Y", "http2", "-T", "json", "-J", "frame tcp http2", "--no-duplicate-keys"],
                     check=True, capture_output=True).stdout


def listed(v):
    return v if isinstance(v, list) else [] if v is None else [v]


def frames(v):
    """Every frame in what tshark shows for a packet, in order."""
    if isinstance(v, list):
        for x in v:
            yield from frames(x)
    elif isinstance(v, dict):
        if "http2.type" in v:
            yield v
        else:
            for x in v.values():
                yield from frames(x)


streams = {}
for packet in json.loads(out):
    layers = packet["_source"]["layers"]
    tcp = layers["tcp"]
    src, dst = int(tcp["tcp.srcport"]), int(tcp["tcp.dstport"])
    up = dst in (443, 8083)
    for f in frames(layers["http2"]):
        stream = int(f["http2.streamid"])
        if stream == 0:
            continue
        s = streams.setdefault((src if up else dst, stream), {"blocks": ([], []), "bytes": [0, 0], "resets": 0})
        fields = [(h["http2.header.name"], h["http2.header.value"]) for h in listed(f.get("http2.header"))]
        if fields:
            s["blocks"][0 if up else 1].append(fields)
        if f["http2.type"] == "0":
            s["bytes"][0 if up else 1] += int(f["http2.length"])
        elif f["http2.type"] == "3":
            s["resets"] += 1

print("port\tstream\tmethod\tpath\tstatus\trequest\tresponse\ttrailers\trequest_bytes\tresponse_bytes\tresets")
for (client, stream), s in sorted(streams.items()):
    up, down = s["blocks"]
    if not up:
        continue
    def text(list):
        return " | ".join(f"{n}: {v}" for n, v in list)
    first, last = dict(up[0]), dict(down[0]) if down else {}
    print(client, stream, first.get(":method", ""), first.get(":path", ""), last.get(":status", ""), text(up[0]),
          text(down[0]) if down else "", text(down[1]) if len(down) > 1 else "", *s["bytes"], s["resets"], sep="\t")
