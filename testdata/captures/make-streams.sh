#!/usr/bin/env bash
# make-streams.sh: records streams.pcap, grpc.pcap and h2-tls.pcapng again. See --help.
set -euo pipefail
case ${1-} in
-h | --help)
	cat <<'USAGE'
make-streams.sh - record WebSocket, events, gRPC and HTTP/2 over TLS again

usage: make-streams.sh [DIR]      write into DIR; default: the folder of this script

  streams.pcap, grpc.pcap          with *.messages.tsv: what the ends received (streams.py)
  grpc.pcap, h2-tls.pcapng         with *.exchanges.tsv: tshark's reading (exchanges.py)

Everything runs in a network namespace of its own; no packet leaves it. Needs Linux, root, and:
nginx, curl with SSLKEYLOGFILE, openssl, tcpdump, editcap, tshark, unshare, ip, ethtool, python3
with websockets and grpcio (pip install websockets grpcio).
USAGE
	exit 0
	;;
esac
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
PATH=$PATH:/usr/sbin:/sbin
if [ -z "${MAKE_STREAMS_INSIDE-}" ]; then
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	MAKE_STREAMS_INSIDE=$tmp unshare -n "$0" "$out"
	exit
fi
tmp=$MAKE_STREAMS_INSIDE
chmod 755 "$tmp"
export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

# Loopback, made to look like a wire: segments of ordinary size with their checksums.
ip link set lo mtu 1500 up
ethtool -K lo tx off rx off tso off gso off gro off >/dev/null 2>&1 || :

record() { # FILE FILTER
	rm -f "$tmp/tcpdump.log" # of the recording before
	tcpdump -i lo -s 0 -U --immediate-mode -w "$tmp/$1" "$2" 2>"$tmp/tcpdump.log" &
	tcpdump=$!
	until grep -qs listening "$tmp/tcpdump.log"; do sleep 0.1; done
	sleep 0.5
}
stop() {
	sleep 1
	kill -INT "$tcpdump"
	wait "$tcpdump" || :
	grep -q '^0 packets dropped' "$tmp/tcpdump.log" || { echo "make-streams.sh: packets were dropped: try again" >&2; exit 1; }
}
head=$'port\tkind\tdirection\ttype\tsize\tsha256\tevent_id\tretry_ms\tclose_code'

echo "$head" >"$tmp/streams.tsv"
record streams.pcap 'tcp port 8081 or tcp port 8082'
python3 "$here/streams.py" websocket "$tmp/streams.tsv"
python3 "$here/streams.py" events "$tmp/streams.tsv"
stop

echo "$head" >"$tmp/grpc.tsv"
record grpc.pcap 'tcp port 8083'
python3 "$here/streams.py" grpc "$tmp/grpc.tsv"
stop

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" \
	-subj "/O=Example/CN=shop.example" -addext "subjectAltName=DNS:shop.example" -days 3650 2>/dev/null
mkdir "$tmp/www"
seq -f 'line %010.0f' 1 120 >"$tmp/www/lines.txt"
echo '{"id":1,"item":"lamp"}' >"$tmp/www/order.json"
cat >"$tmp/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $tmp/pid; error_log $tmp/error.log;
events { worker_connections 32; }
http {
	access_log off; default_type text/plain; client_body_temp_path $tmp/body; proxy_temp_path $tmp/proxy;
	fastcgi_temp_path $tmp/fastcgi; uwsgi_temp_path $tmp/uwsgi; scgi_temp_path $tmp/scgi; root $tmp/www; gzip on; gzip_types *; gzip_min_length 1000;
	server {
		listen 127.0.0.1:443 ssl http2; server_name shop.example;
		ssl_certificate $tmp/cert.pem; ssl_certificate_key $tmp/key.pem; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ALL;
		location = /missing { return 404 "no such thing\n"; }
		location = /moved { return 301 /order.json; }
		location = /made { return 201 "made\n"; }
		location / { }
	}
}
CONF
nginx -c "$tmp/nginx.conf" 2>/dev/null &
nginx=$!
until (exec 3<>/dev/tcp/127.0.0.1/443) 2>/dev/null; do sleep 0.1; done
ask() { # curl's arguments; --next keeps one connection
	SSLKEYLOGFILE=$tmp/keylog curl -s -k --http2 --resolve shop.example:443:127.0.0.1 "$@" >/dev/null 2>&1
}
url=https://shop.example
record h2-tls.pcap 'tcp port 443'
for suite in "--tlsv1.3 --tls13-ciphers TLS_AES_128_GCM_SHA256" \
	"--tls-max 1.2 --ciphers ECDHE-ECDSA-AES256-GCM-SHA384" "--tls-max 1.2 --ciphers ECDHE-ECDSA-CHACHA20-POLY1305"; do
	ask $suite -Z $url/order.json "$url/lines.txt?a=1&b=%C3%A9" $url/missing -o /dev/null -o /dev/null -o /dev/null
	ask $suite -I $url/lines.txt --next -s -k -H 'X-Empty;' -H 'X-Two: 1' -H 'X-Two: 2' -d '{"id":2}' $url/made --next -s -k -L $url/moved --next -s -k --compressed $url/lines.txt
done
stop
kill "$nginx"
wait "$nginx" || :
grep -v '^#' "$tmp/keylog" >"$tmp/keys"
editcap -F pcapng --inject-secrets "tls,$tmp/keys" "$tmp/h2-tls.pcap" "$out/h2-tls.pcapng"
cp "$tmp/streams.pcap" "$tmp/grpc.pcap" "$out/"
cp "$tmp/streams.tsv" "$out/streams.messages.tsv"
cp "$tmp/grpc.tsv" "$out/grpc.messages.tsv"
for name in grpc.pcap h2-tls.pcapng; do
	python3 "$here/exchanges.py" "$out/$name" >"$out/${name%.*}.exchanges.tsv"
done
