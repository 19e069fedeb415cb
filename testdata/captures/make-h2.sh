#!/usr/bin/env bash
# make-h2.sh: records h2c.pcap again, from real software: clear-text HTTP/2.
#
# usage: make-h2.sh [FILE]   (default: h2c.pcap beside this script)
#
# Runs in a network namespace of its own, which is gone at the end. Needs Linux, root and
# nghttp2-client nghttp2-server nghttp2-proxy curl tcpdump tshark ethtool iproute2 util-linux.
set -euo pipefail

out=$(realpath -m "${1:-$(dirname "$0")/h2c.pcap}")
if [ "${H2_INSIDE:-}" != 1 ]; then
	H2_INSIDE=1 exec unshare --net --pid --fork --mount-proc "$0" "$out"
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/htdocs"
cd "$dir/htdocs"
printf '<html><head><link rel=stylesheet href=/a.css></head><body>shop.example</body></html>\n' >index.html
printf 'body { color: green }\n' >a.css
printf '{"orders":[{"id":1,"total":12.5},{"id":2,"total":3}]}\n' >orders.json
seq -f 'line %06g' 1 1000 >lines.txt
seq -f 'up %04g' 1 300 >"$dir/upload.txt"

# Loopback, made to look like a wire: segments of ordinary size with their checksums.
ip link set lo up
ip link set lo mtu 1500
ethtool -K lo tx off rx off tso off gso off gro off >/dev/null 2>&1 || true

nghttpd --no-tls -d . -b 5 --push=/index.html=/a.css --trailer 'x-end: yes' --echo-upload 8080 >/dev/null 2>&1 &
# The proxy is there for the upgrade only: it reads files from another nghttpd, uncaptured.
nghttpd --no-tls -d . 8081 >/dev/null 2>&1 &
nghttpx --no-ocsp -f '127.0.0.1,8082;no-tls' -b '127.0.0.1,8081;;proto=h2' --errorlog-file="$dir/log" >/dev/null 2>&1 &
sleep 1
tcpdump -i lo -s 0 -U -w "$dir/raw.pcap" 'tcp port 8080 or tcp port 8082' >/dev/null 2>&1 &
dump=$!
sleep 1

u=http://127.0.0.1:8080
run() { "$@" >/dev/null 2>&1 || echo "make-h2.sh: exit $? of: $*" >&2; }
run nghttp -n -a -b 20 $u/index.html                               # asset, push, padding of both sides, PRIORITY
run nghttp -n -m 3 $u/orders.json $u/lines.txt $u/none.txt          # interleaved, repeated
run nghttp -n --continuation $u/orders.json                         # CONTINUATION
run nghttp -n -d "$dir/upload.txt" --trailer 'x-sum: 42' --expect-continue -H 'content-type: text/plain' $u/echo
run curl -s --http2-prior-knowledge -o /dev/null $u/orders.json --next -s -I $u/lines.txt --next -s -d '{"id":3}' -H 'content-type: application/json' $u/echo
run curl -s --http2-prior-knowledge -m 1 --limit-rate 2k -o /dev/null $u/lines.txt   # gives up: RST_STREAM or FIN
run h2load -n 30 -c 2 -m 10 $u/orders.json
run nghttp -n -u http://127.0.0.1:8082/orders.json                  # Upgrade: h2c
run curl -s --http2 -o /dev/null http://127.0.0.1:8082/orders.json --next -s -o /dev/null http://127.0.0.1:8082/a.css

sleep 1
kill "$dump"
wait "$dump" 2>/dev/null || true
cp "$dir/raw.pcap" "$out"
kill %1 %2 %3 2>/dev/null || true
