#!/usr/bin/env bash
# Times recap beside tshark on HTTP/2 and on TLS, CPU time of one core: records traffic of
# nginx and h2load on loopback, in a network namespace, and reads it with both.
#
#   sudo cmd/bench/tshark-h2.sh [MIB]
#
# Two captures of about MIB mebibytes (60) each: HTTP/2 in clear text, and HTTP/2 inside TLS 1.3
# with its key log. On one processor recap extracts, with bodies in the Parquet and without (they are
# decoded and hashed all the same); tshark prints stream, method, path and status, and no bodies.
# Prints seconds of CPU (for recap the median of three runs) and how many times as fast recap is. Needs nginx, h2load, tcpdump, tshark, ip, ethtool,
# openssl and go. RECAP names a binary to use instead of building one.
set -euo pipefail
if (($# > 1)) || [[ ${1-} == -* ]]; then
  sed -n '2,12s/^# \{0,1\}//p' "$0"
  exit 1
fi
PATH=$PATH:/usr/sbin:/sbin
want=$((${1:-60} * 1024 * 1024))
for tool in nginx h2load tcpdump tshark ip ethtool openssl; do
  command -v "$tool" >/dev/null || { echo "tshark-h2.sh: $tool is not installed" >&2; exit 1; }
done
if [ -z "${BENCH_INSIDE-}" ]; then
  [ "$(id -u)" = 0 ] || { echo "tshark-h2.sh: namespaces need root" >&2; exit 1; }
  tmp=$(mktemp -d)
  trap 'rm -rf "$tmp"' EXIT
  if [ -z "${RECAP-}" ]; then
    RECAP=$tmp/recap
    (cd "$(dirname "$0")/../.." && CGO_ENABLED=0 go build -o "$RECAP" ./cmd/recap)
  fi
  export RECAP
  BENCH_INSIDE=$tmp unshare -n "$0" "$@"
  exit
fi
tmp=$BENCH_INSIDE
chmod 755 "$tmp"
ip link set lo mtu 1500 up
ethtool -K lo tx off rx off tso off gso off gro off >/dev/null 2>&1 || :
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" -subj /CN=shop.example -days 30 2>/dev/null

mkdir "$tmp/www"
for n in $(seq 1 30); do
  awk -v rows=$((n * n / 4 + 2)) -v seed="$n" 'BEGIN { srand(seed); printf "["
    for (i = 0; i < rows; i++) printf "%s{\"order\":%d,\"customer\":\"c-%08x\",\"total\":%.2f}", i ? "," : "", i, rand() * 1e9, rand() * 900
    print "]" }' >"$tmp/www/list-$n.json"
  echo "/list-$n.json?page=$n" >>"$tmp/urls"
done
cat >"$tmp/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $tmp/pid; error_log $tmp/error.log; user root;
events { worker_connections 256; }
http {
  access_log off; default_type application/json; root $tmp/www; keepalive_requests 200; http2_max_concurrent_streams 100;
  client_body_temp_path $tmp/t1; proxy_temp_path $tmp/t2; fastcgi_temp_path $tmp/t3; uwsgi_temp_path $tmp/t4; scgi_temp_path $tmp/t5;
  ssl_certificate $tmp/cert.pem; ssl_certificate_key $tmp/key.pem; ssl_protocols TLSv1.3;
  server { listen 127.0.0.1:8080 http2; listen 127.0.0.1:443 ssl http2; }
}
CONF
nginx -c "$tmp/nginx.conf" 2>/dev/null &
nginx=$!
until (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; do sleep 0.1; done

record() { # FILE PORT URL
  rm -f "$tmp/tcpdump.log" # of the recording before
  tcpdump -i lo -s 0 -B 262144 -U -w "$tmp/$1" "tcp port $2" 2>"$tmp/tcpdump.log" &
  local dump=$!
  until grep -qs listening "$tmp/tcpdump.log"; do sleep 0.1; done
  sed "s|^|$3|" "$tmp/urls" >"$tmp/list"
  while (($(stat -c %s "$tmp/$1") < want)); do
    SSLKEYLOGFILE=$tmp/keylog h2load -t 1 -c 8 -m 10 -n 1500 -H 'user-agent: bench/1' -H 'authorization: Bearer 0123456789abcdef' -i "$tmp/list" >/dev/null
  done
  sleep 1
  kill -INT "$dump"
  wait "$dump" || :
}
record h2.pcap 8080 http://127.0.0.1:8080
record tls.pcap 443 https://127.0.0.1:443
kill "$nginx"

cpu() { # COMMAND...: seconds of CPU
  local TIMEFORMAT='%U %S'
  { time "$@" >/dev/null 2>"$tmp/err"; } 2>&1 | awk '{ print $1 + $2 }'
}
ours() { GOMAXPROCS=1 "$RECAP" extract --workers 1 -f parquet -o "$tmp/out" --overwrite --progress never "${keys[@]}" "$@" || [ $? = 3 ]; }
theirs() {
  tshark -n -r "$1" -d tcp.port==8080,http2 -o "tls.keylog_file:$2" -Y http2.header -T fields -E occurrence=a -e frame.number -e tcp.stream \
    -e http2.streamid -e http2.headers.method -e http2.headers.path -e http2.headers.status
}
median() { for _ in 1 2 3; do cpu "$@"; done | sort -n | sed -n 2p; }
printf '| capture | MB | tshark s | extract s | times | without bodies s | times |\n|---|---|---|---|---|---|---|\n'
for name in h2 tls; do
  file=$tmp/$name.pcap keys=()
  [ "$name" = h2 ] || keys=(--keylog "$tmp/keylog")
  chmod 600 "$tmp/keylog" 2>/dev/null || : >"$tmp/keylog"
  cat "$file" >/dev/null # into the page cache
  other=$(cpu theirs "$file" "$tmp/keylog")
  a=$(median ours "$file") b=$(median ours --body-limit 0 "$file")
  awk -v n="$name" -v s="$(stat -c %s "$file")" -v t="$other" -v a="$a" -v b="$b" \
    'BEGIN { printf "| %s | %.1f | %.1f | %.2f | %.0f | %.2f | %.0f |\n", n, s / 1e6, t, a, t / a, b, t / b }'
done
