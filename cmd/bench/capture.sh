#!/usr/bin/env bash
# Records a capture for the benchmark: nginx and wrk in two network namespaces,
# tcpdump on the client's end of the cable between them. Nothing leaves the machine.
#
#   sudo cmd/bench/capture.sh OUT.pcap [MIB]
#
# It stops once OUT.pcap has about MIB mebibytes (300). Needs nginx, wrk, tcpdump,
# ip and ethtool.
set -euo pipefail

if (($# < 1 || $# > 2)) || [[ $1 == -* ]]; then
  sed -n '2,8s/^# \{0,1\}//p' "$0"
  exit 1
fi
out=$(realpath "$1")
want=$((${2:-300} * 1024 * 1024))
for tool in nginx wrk tcpdump ip ethtool; do
  command -v "$tool" >/dev/null || { echo "capture.sh: $tool is not installed" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "capture.sh: namespaces need root" >&2; exit 1; }

client=recap-client-$$ server=recap-server-$$
dir=$(mktemp -d)
pids=()
cleanup() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  ip netns del "$client" 2>/dev/null || true
  ip netns del "$server" 2>/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT
chmod 755 "$dir"

# The cable: no offloads, so that frames are what a wire would carry.
ip netns add "$client"
ip netns add "$server"
ip -n "$client" link add eth0 type veth peer name eth0 netns "$server"
ip -n "$client" addr add 10.8.0.1/24 dev eth0
ip -n "$server" addr add 10.8.0.80/24 dev eth0
for ns in "$client" "$server"; do
  ip -n "$ns" link set lo up
  ip -n "$ns" link set eth0 up
  ip netns exec "$ns" ethtool -K eth0 tx off rx off tso off gso off gro off >/dev/null
done

# What is served: JSON lists from a few hundred bytes to 64 KiB.
mkdir "$dir/www"
for n in $(seq 1 40); do
  rows=$((n * n / 3 + 2))
  awk -v rows="$rows" -v seed="$n" 'BEGIN {
    srand(seed); printf "["
    for (i = 0; i < rows; i++)
      printf "%s{\"order\":%d,\"customer\":\"c-%08x\",\"total\":%.2f,\"note\":\"%x%x%x\"}", i ? "," : "",
        i, rand() * 1e9, rand() * 900, rand() * 1e9, rand() * 1e9, rand() * 1e9
    print "]" }' >"$dir/www/list-$n.json"
done
cat >"$dir/nginx.conf" <<CONF
worker_processes 1; daemon off; pid $dir/pid; error_log $dir/error.log; user root;
events { worker_connections 1024; }
http {
  access_log off; default_type application/json; keepalive_requests 100;
  client_body_temp_path $dir/t1; proxy_temp_path $dir/t2; fastcgi_temp_path $dir/t3; uwsgi_temp_path $dir/t4; scgi_temp_path $dir/t5;
  server {
    listen 10.8.0.80:80; root $dir/www;
    location /gz/ { alias $dir/www/; gzip on; gzip_types *; gzip_min_length 1; }
    location /orders { return 201 '{"created":true}'; }
    location /gone { return 404 '{"error":"gone"}'; }
  }
}
CONF
cat >"$dir/mix.lua" <<'LUA'
math.randomseed(1)
local body = '{"order":7,"lines":[' .. string.rep('{"sku":"A-100","count":2},', 20) .. '{}]}'
function request()
  local n, kind = math.random(1, 40), math.random(1, 20)
  local h = { ["Host"] = "shop.example", ["User-Agent"] = "bench/1", ["Accept"] = "application/json",
              ["Authorization"] = "Bearer " .. string.format("%032x", n * 7919), ["X-Request-Id"] = string.format("%08x", math.random(0, 2^31 - 1)) }
  if kind == 1 then return wrk.format("GET", "/gone?n=" .. n, h) end
  if kind <= 5 then
    h["Content-Type"] = "application/json"
    return wrk.format("POST", "/orders", h, body)
  end
  if kind <= 10 then
    h["Accept-Encoding"] = "gzip"
    return wrk.format("GET", "/gz/list-" .. n .. ".json?page=" .. kind, h)
  end
  return wrk.format("GET", "/list-" .. n .. ".json?page=" .. kind, h)
end
LUA

ip netns exec "$server" nginx -c "$dir/nginx.conf" -p "$dir" &
pids+=($!)
ip netns exec "$client" tcpdump -i eth0 -s 0 -B 262144 -U -w "$out" -Z root tcp 2>"$dir/tcpdump.log" &
dump=$!
pids+=("$dump")
sleep 1
ip netns exec "$client" wrk -t 1 -c 64 -d 300 -s "$dir/mix.lua" http://10.8.0.80/ >/dev/null &
load=$!
pids+=("$load")
while kill -0 "$load" 2>/dev/null && (($(stat -c %s "$out") < want)); do sleep 0.05; done
kill -INT "$load" 2>/dev/null || true
wait "$load" || true
sleep 1
kill -INT "$dump"
wait "$dump" || true
grep -E 'captured|dropped' "$dir/tcpdump.log"
ls -l "$out"
