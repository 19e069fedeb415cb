#!/usr/bin/env bash
# make-tls.sh: records tls13.pcapng, tls12.pcap and tls12.keylog again. See --help.
set -euo pipefail
case ${1-} in
-h | --help)
	cat <<'USAGE'
make-tls.sh - record the TLS captures of this folder again

usage: make-tls.sh [DIR]      write into DIR; default: the folder of this script

nginx and curl in a network namespace of their own; no packet leaves it.
Needs Linux, root, and: nginx, curl with SSLKEYLOGFILE, openssl, tcpdump, editcap, unshare, ip, ethtool.
USAGE
	exit 0
	;;
esac
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
PATH=$PATH:/usr/sbin:/sbin
if [ -z "${MAKE_TLS_INSIDE-}" ]; then
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	MAKE_TLS_INSIDE=$tmp unshare -n "$0" "$out"
	exit
fi
tmp=$MAKE_TLS_INSIDE
chmod 755 "$tmp"
ip link set lo mtu 1500 up
ethtool -K lo tso off gso off gro off >/dev/null 2>&1 || :

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" \
	-subj "/O=Example/CN=shop.example" -addext "subjectAltName=DNS:shop.example" -days 3650 2>/dev/null
mkdir -p "$tmp/www"
seq -f 'line %010.0f' 1 350 >"$tmp/www/lines.txt"
echo '{"id":1,"item":"lamp"}' >"$tmp/www/order.json"
cat >"$tmp/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $tmp/pid; error_log $tmp/error.log;
events { worker_connections 32; }
http {
	access_log off; default_type text/plain; client_body_temp_path $tmp; proxy_temp_path $tmp;
	fastcgi_temp_path $tmp; uwsgi_temp_path $tmp; scgi_temp_path $tmp; root $tmp/www;
	server {
		listen 127.0.0.1:443 ssl http2; server_name shop.example;
		ssl_certificate $tmp/cert.pem; ssl_certificate_key $tmp/key.pem;
		ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ALL; ssl_session_cache shared:s:1m; ssl_buffer_size 4k; ssl_ecdh_curve X25519;
		location = /missing { return 404 "no such thing\n"; }
		location = /echo { return 201 "made\n"; }
		location / { }
	}
}
CONF
nginx -c "$tmp/nginx.conf" 2>/dev/null &
nginx=$!
for _ in $(seq 50); do
	(exec 3<>/dev/tcp/127.0.0.1/443) 2>/dev/null && break
	sleep 0.1
done
record() { # FILE
	tcpdump -i lo -s 0 -U --immediate-mode -w "$tmp/$1.pcap" 'tcp port 443' 2>"$tmp/tcpdump.log" &
	tcpdump=$!
	until grep -q listening "$tmp/tcpdump.log"; do sleep 0.1; done
	sleep 0.5
}
stop() {
	sleep 1.5
	kill -INT "$tcpdump"
	wait "$tcpdump" || :
}
ask() { # curl's arguments
	SSLKEYLOGFILE=$tmp/$keys curl -sS -k --resolve shop.example:443:127.0.0.1 -o /dev/null "$@" -o /dev/null -o /dev/null
}
url=https://shop.example

keys=tls13.keylog
record tls13
ask --http1.1 $url/order.json $url/lines.txt $url/missing
ask --http1.1 --tls13-ciphers TLS_CHACHA20_POLY1305_SHA256 -d '{"id":2}' $url/echo
# the offered key share is of the wrong group: HelloRetryRequest
ask --http1.1 --curves P-384:X25519 --tls13-ciphers TLS_AES_128_GCM_SHA256 "$url/order.json?retry"
ask --http2 $url/order.json "$url/lines.txt?h2" $url/missing
stop
editcap -F pcapng --inject-secrets "tls,$tmp/tls13.keylog" "$tmp/tls13.pcap" "$out/tls13.pcapng"

keys=tls12.keylog
record tls12
ask --http1.1 --tls-max 1.2 --ciphers ECDHE-RSA-AES128-GCM-SHA256 $url/order.json $url/lines.txt $url/missing
ask --http1.1 --tls-max 1.2 --ciphers ECDHE-RSA-AES256-SHA384 -d '{"id":3}' $url/echo
ask --http1.1 --tls-max 1.2 --ciphers AES128-SHA "$url/lines.txt?rsa"
ask --http1.1 --tls-max 1.2 --ciphers ECDHE-RSA-CHACHA20-POLY1305 $url/order.json
for way in -sess_out -sess_in; do # the second time the session is resumed
	printf 'GET /order.json?%s HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n' "$way" |
		openssl s_client -connect 127.0.0.1:443 -servername shop.example -tls1_2 $way "$tmp/session" \
			-keylogfile "$tmp/tls12.keylog" -quiet -ign_eof >/dev/null 2>&1 || :
done
ask --http2 --tls-max 1.2 $url/order.json
stop
cp "$tmp/tls12.pcap" "$out/tls12.pcap"
grep -v '^#' "$tmp/tls12.keylog" >"$out/tls12.keylog"
kill "$nginx"
wait "$nginx" || :
