#!/usr/bin/env bash
# make.sh: records the captures of this folder again, from real software.  See --help.
set -euo pipefail

usage() {
	cat <<'USAGE'
make.sh - record the test captures of this folder again

usage: make.sh [-o DIR] [--no-expect] [NAME...]

NAME is a group; without one, all are made, in this order:
  web        web.pcap, snap128.pcap (recorded at the same time), and what is made of
             web.pcap: web-vxlan.pcap, lossy.pcap with lossy.log, cut.pcap
  wrk        wrk.pcap
  download   download.pcap
  two-links  two-links.pcapng
  rotated    rotated/rot0.pcap and on
  any        any-sll2.pcap
  tenants    two-tenants.pcap
  ipv6       ipv6.pcap

  -o DIR       write there; default: the folder of this script
  --no-expect  do not write the *.want.tsv files (expect.py does that)
  -h, --help   this text

Everything runs in temporary network namespaces, which are removed at the end, also after
an error or an interrupt.  No packet leaves them.

Needs Linux, root, and: nginx with its echo module, curl (with brotli and zstd), wrk, tcpdump,
dumpcap, tshark, editcap, tcpreplay, ip, ethtool, openssl, brotli, zstd, python3, go.  On Debian:
  apt-get install nginx-light libnginx-mod-http-echo curl wrk tcpdump tshark tcpreplay \
    iproute2 ethtool openssl brotli zstd python3

Exit status: 0 done, 1 failed, 2 wrong usage.
USAGE
}
die() { echo "make.sh: $*" >&2; exit 1; }
say() { echo "make.sh: $*" >&2; }

here=$(cd "$(dirname "$0")" && pwd)
out=$here expect=1 groups=()
while [ $# -gt 0 ]; do
	case $1 in
	-o) [ $# -ge 2 ] || { usage >&2; exit 2; }; out=$2; shift ;;
	--no-expect) expect=0 ;;
	-h | --help) usage; exit 0 ;;
	web | wrk | download | two-links | rotated | any | tenants | ipv6) groups+=("$1") ;;
	*) echo "make.sh: unknown argument $1 (try --help)" >&2; exit 2 ;;
	esac
	shift
done
[ ${#groups[@]} -gt 0 ] || groups=(web wrk download two-links rotated any tenants ipv6)

PATH=$PATH:/usr/sbin:/sbin
[ "$(uname -s)" = Linux ] || die "needs Linux network namespaces"
[ "$(id -u)" = 0 ] || die "needs root, for namespaces and packet capture"
missing=()
for t in nginx curl wrk tcpdump dumpcap tshark editcap tcpreplay ip ethtool openssl brotli zstd python3 go; do
	command -v "$t" >/dev/null || missing+=("$t")
done
echo_module=$(nginx -V 2>&1 | tr ' ' '\n' | sed -n 's/^--modules-path=//p')/ngx_http_echo_module.so
[ -f "$echo_module" ] || missing+=("nginx's echo module")
[ ${#missing[@]} = 0 ] || die "missing: $(printf '%s, ' "${missing[@]}" | sed 's/, $//'); --help names the packages"
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
mkdir -p "$out"
out=$(cd "$out" && pwd)

# ---- the temporary world ------------------------------------------------------
tag=rcap$$
tmp=$(mktemp -d)
chmod 755 "$tmp"
jobs_started=() spaces=()
tear_down() {
	local rc=$? p n
	trap - EXIT INT TERM HUP
	for p in "${jobs_started[@]}"; do kill "$p" 2>/dev/null || :; done
	sleep 0.2
	for p in "${jobs_started[@]}"; do kill -9 "$p" 2>/dev/null || :; done
	for n in "${spaces[@]}"; do ip netns del "$n" 2>/dev/null || :; done
	rm -rf "$tmp"
	exit "$rc"
}
trap tear_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

space() { # name: a new namespace with loopback up
	ip netns add "$tag-$1"
	spaces+=("$tag-$1")
	ip -n "$tag-$1" link set lo up
}
in_ns() { # name command...
	local n=$1
	shift
	ip netns exec "$tag-$n" "$@"
}
background() { # name command...: runs until the end; the process id is in $!
	local n=$1
	shift
	ip netns exec "$tag-$n" "$@" >>"$tmp/background.log" 2>&1 &
	jobs_started+=($!)
}
cable() { # ns1 dev1 mac1 ns2 dev2 mac2 mtu: a veth pair that carries plain frames
	ip -n "$tag-$1" link add "$2" address "$3" type veth peer name "$5" address "$6" netns "$tag-$4"
	plain "$1" "$2" "$7"
	plain "$4" "$5" "$7"
}
plain() { # ns dev mtu: no offload, no IPv6 chatter; packets are as on a wire
	in_ns "$1" sysctl -q -w "net.ipv6.conf.$2.disable_ipv6=1"
	in_ns "$1" ethtool -K "$2" tso off gso off gro off tx off rx off sg off >/dev/null 2>&1 ||
		in_ns "$1" ethtool -K "$2" tso off gso off gro off tx off >/dev/null
	ip -n "$tag-$1" link set "$2" mtu "$3" up
}
wait_port() { # ns host port
	local i
	for i in $(seq 100); do
		in_ns "$1" bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null && return
		sleep 0.05
	done
	cat "$tmp/background.log" >&2
	die "nothing listens on $2 port $3"
}
recorders=()
record() { # ns name tcpdump-arguments...
	local ns=$1 log=$tmp/record-$2.log i
	shift 2
	ip netns exec "$tag-$ns" tcpdump -n --immediate-mode -B 8192 -Z root "$@" 2>"$log" &
	recorders+=($!)
	jobs_started+=($!)
	for i in $(seq 100); do
		grep -q 'listening on' "$log" && return
		sleep 0.05
	done
	cat "$log" >&2
	die "tcpdump did not start"
}
stop_recording() { # all recorders; a packet that the kernel dropped is an error
	local p
	sleep 0.7
	for p in "${recorders[@]}"; do kill -INT "$p"; done
	for p in "${recorders[@]}"; do wait "$p" || :; done
	recorders=()
	if grep -h 'packets dropped by kernel' "$tmp"/record-*.log | grep -qv '^0 '; then
		die "the kernel dropped packets: try again"
	fi
	rm -f "$tmp"/record-*.log
}

# ---- what is served -------------------------------------------------------------
site=$tmp/site
mkdir -p "$site" "$tmp/put" "$tmp/nginx"
python3 "$here/peer.py" site "$site"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=shop.example \
	-keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null
nginx_conf() { # tenant name
	cat <<CONF
load_module $echo_module;
daemon off;
user root;
worker_processes 1;
pid $tmp/nginx/pid-$1;
error_log $tmp/nginx/error-$1.log crit;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path $tmp/nginx/b$1; proxy_temp_path $tmp/nginx/p$1; fastcgi_temp_path $tmp/nginx/f$1;
  uwsgi_temp_path $tmp/nginx/u$1; scgi_temp_path $tmp/nginx/s$1;
  types { application/json json; text/html html; text/plain txt; image/gif gif; application/octet-stream bin; }
  default_type text/plain;
  charset utf-8;
  client_body_buffer_size 256k;
  server {
    listen 80; listen [::]:80;
    listen 443 ssl;
    ssl_certificate $tmp/cert.pem; ssl_certificate_key $tmp/key.pem;
    server_name shop.example;
    root $site;
    location /gz/      { gzip_static on; }
    location /gzip/    { gzip on; gzip_types application/json; gzip_min_length 1; }
    location /br/      { add_header Content-Encoding br; add_header Vary Accept-Encoding; }
    location /zstd/    { add_header Content-Encoding zstd; add_header Vary Accept-Encoding; }
    location /chunked/ { sub_filter not-in-it x; sub_filter_types application/json; }
    location /trailer/ { add_trailer X-Count 100; add_trailer X-Source shop; }
    location /slow.txt { limit_rate 20k; }
    location = /cookies {
      add_header Set-Cookie "sid=31d4d96e407aad42; Path=/; HttpOnly";
      add_header Set-Cookie "theme=dark; Expires=Fri, 01 Jan 2038 00:00:00 GMT";
      add_header Set-Cookie "a=b=c, d";
      return 200 "three cookies\n";
    }
    location = /nothing { return 204; }
    location = /old     { return 301 http://shop.example/hello.json; }
    location = /secret  { add_header WWW-Authenticate 'Basic realm="shop"' always; return 401 "no\n"; }
    location = /broken  { return 500 "broken\n"; }
    location /echo      { echo_read_request_body; echo_request_body; }
    location = /small   { client_max_body_size 1k; echo_read_request_body; echo_request_body; }
    location = /wait    { echo_sleep 0.05; echo "waited for \$args"; }
    location /put/      { root $tmp; dav_methods PUT DELETE; create_full_put_path on; }
    location /account/  { return 200 "tenant $1 answers \$uri\n"; }
    location /peer/     { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://127.0.0.1:8081/; }
  }
}
CONF
}
start_nginx() { # ns tenant-name
	nginx_conf "$2" >"$tmp/nginx-$2.conf"
	background "$1" nginx -p "$tmp/nginx" -c "$tmp/nginx-$2.conf"
}

# client 10.9.0.1 and server 10.9.0.80, one cable, nginx and the plain-socket server
space c
space s
cable c eth0 02:00:00:09:00:01 s eth0 02:00:00:09:00:80 1500
ip -n $tag-c addr add 10.9.0.1/24 dev eth0
ip -n $tag-s addr add 10.9.0.80/24 dev eth0
start_nginx s 0
background s python3 "$here/peer.py" serve 8081
background s python3 "$here/peer.py" dns
wait_port c 10.9.0.80 80
wait_port c 10.9.0.80 8081

get() { # local-port curl-arguments...: curl in the client's namespace, its output thrown away
	local port=$1
	shift
	in_ns c curl -q -sS -g --noproxy '*' --resolve shop.example:80:10.9.0.80 --resolve shop.example:8081:10.9.0.80 \
		--local-port "$port" -o /dev/null "$@"
}
peer() { # local-port peer.py-arguments...
	local port=$1
	shift
	in_ns c env LOCAL_PORT="$port" python3 "$here/peer.py" "$@"
}

# ---- web ----------------------------------------------------------------------------
talk() {
	local w=http://shop.example p=http://shop.example:8081 same
	local stamp='Tue, 14 Nov 2023 22:13:20 GMT'
	peer 0 ask 10.9.0.80
	# one connection, one request after the other
	same=(-q -sS -g --noproxy '*' --resolve shop.example:80:10.9.0.80 --local-port 21001 -o /dev/null)
	get 21001 $w/hello.json \
		--next "${same[@]}" "$w/list.json?page=2&q=a%20b&q=%E2%82%AC&empty=&flag" \
		--next "${same[@]}" -I $w/list.json \
		--next "${same[@]}" $w/nothing \
		--next "${same[@]}" -z "$stamp" $w/page.html \
		--next "${same[@]}" $w/page.html \
		--next "${same[@]}" "$w/caf%C3%A9%20menu.txt" \
		--next "${same[@]}" $w/empty.txt \
		--next "${same[@]}" $w/pixel.gif \
		--next "${same[@]}" -r 100-199 $w/list.json \
		--next "${same[@]}" $w/cookies \
		--next "${same[@]}" $w/no/such/page \
		--next "${same[@]}" $w/broken \
		--next "${same[@]}" -u user:pass $w/secret
	# content codings and chunked
	same=(-q -sS -g --noproxy '*' --resolve shop.example:80:10.9.0.80 --local-port 21002 -o /dev/null)
	get 21002 --compressed $w/gz/list.json \
		--next "${same[@]}" --compressed $w/gzip/list.json \
		--next "${same[@]}" --compressed $w/br/list.json \
		--next "${same[@]}" --compressed $w/zstd/list.json \
		--next "${same[@]}" $w/chunked/list.json \
		--next "${same[@]}" $w/trailer/list.json \
		--next "${same[@]}" -I --compressed $w/gzip/list.json
	# uploads
	get 21003 -H 'Content-Type: application/json' --data-binary "@$site/upload-small.json" $w/echo
	get 21004 -H 'Content-Type: application/json' -H 'Expect: 100-continue' --data-binary "@$site/upload.json" $w/echo?expect
	get 21005 -H 'Transfer-Encoding: chunked' -H 'Content-Type: text/plain' --data-binary "@$site/upload.txt" $w/echo?chunked
	get 21006 -H 'Content-Type: application/json' -H 'Content-Encoding: gzip' --data-binary "@$site/upload.json.gz" $w/echo?gzip
	get 21007 -F 'note=two words' -F "file=@$site/upload-small.json;type=application/json" $w/echo?multipart
	get 21008 -H 'Expect: 100-continue' --data-binary "@$site/upload.json" $w/small
	rm -f "$tmp/put/lamp.json"
	get 21009 -T "$site/upload-small.json" $w/put/lamp.json
	get 21010 -T "$site/upload-small.json" $w/put/lamp.json
	get 21011 -X DELETE $w/put/lamp.json
	# odd requests
	get 21012 -H $'X-Raw: \xff\xfe caf\xe9' -H 'X-Empty;' -A '' $w/hello.json?raw
	get 21013 -X OPTIONS --request-target '*' $w/
	get 21014 -x http://10.9.0.80:80 --noproxy '' $w/hello.json?absolute
	get 21015 -L $w/old
	get 21016 -0 $w/list.json?http10
	get 21017 -H 'Content-Type: application/json' --data-binary '{"query":"query Lamp($id: ID!) { lamp(id: $id) { name } }","variables":{"id":"7"}}' $w/echo/graphql
	get 21018 -H 'Content-Type: text/xml; charset=utf-8' -H 'SOAPAction: "urn:shop#Price"' --data-binary \
		'<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><Price xmlns="urn:shop"><id>7</id></Price></s:Body></s:Envelope>' \
		$w/echo/soap
	# several requests before any response
	peer 21019 pipeline 10.9.0.80
	# the plain-socket server
	get 21021 $p/until-close
	get 21022 $p/early
	get 21023 $p/events
	get 21024 $p/half 2>/dev/null || :
	get 21025 --max-time 0.3 $p/silent 2>/dev/null || :
	peer 21026 abort 10.9.0.80 8081
	peer 21027 websocket 10.9.0.80 8081
	# not HTTP, or not for long
	get 21028 -k https://10.9.0.80/hello.json
	get 21029 -k -p -x http://10.9.0.80:8081 --noproxy '' https://10.9.0.80:443/hello.json
}
make_web() {
	record c web -i eth0 -s 0 -w "$tmp/web.pcap"
	record c snap -i eth0 -s 128 -w "$tmp/snap128.pcap"
	talk
	stop_recording
	# the same frames through a vxlan device, as a cloud's traffic mirror sends them
	space m
	space t
	cable m up0 02:00:00:1f:10:0a t up1 02:00:00:1f:10:c8 9001
	ip -n $tag-m addr add 172.31.16.10/20 dev up0
	ip -n $tag-t addr add 172.31.16.200/20 dev up1
	ip -n $tag-m neigh replace 172.31.16.200 lladdr 02:00:00:1f:10:c8 dev up0 nud permanent
	vxlan_device 4242
	record t vxlan -i up1 -s 0 -w "$tmp/web-vxlan.pcap" udp dst port 4789
	in_ns m tcpreplay -q -i vx4242 "$tmp/web.pcap" >"$tmp/replay.log" 2>&1 || { cat "$tmp/replay.log" >&2; die "tcpreplay failed"; }
	stop_recording
	go run "$here/rewrite/main.go" -drop 0.05 -dup 0.03 -reorder 0.05 -seed 20 "$tmp/web.pcap" "$tmp/lossy.pcap" >"$tmp/lossy.log"
	cut_after "$tmp/web.pcap" "$tmp/cut.pcap"
	mv "$tmp"/{web,snap128,web-vxlan,lossy,cut}.pcap "$tmp/lossy.log" "$out"
}
vxlan_device() { # vni: in namespace m, from up0 to the mirror target; no IPv6 of its own
	ip -n $tag-m link add "vx$1" type vxlan id "$1" local 172.31.16.10 remote 172.31.16.200 dstport 4789 noudpcsum dev up0
	in_ns m sysctl -q -w "net.ipv6.conf.vx$1.disable_ipv6=1"
	ip -n $tag-m link set "vx$1" mtu 8900 up
}
cut_after() { # in out: the packets up to the chunked upload's second data segment, and half of that
	local n size
	n=$(tshark -r "$1" -Y 'tcp.dstport == 80 && tcp.srcport == 21005 && tcp.len > 1000' -T fields -e frame.number 2>/dev/null | sed -n 2p)
	[ -n "$n" ] || die "no packet to cut at"
	editcap -F pcap -r "$1" "$tmp/first.pcap" "1-$n" 2>/dev/null
	size=$(stat -c %s "$tmp/first.pcap")
	head -c $((size - 700)) "$tmp/first.pcap" >"$2"
}

# ---- wrk ----------------------------------------------------------------------------
make_wrk() {
	# /wait answers after 50 ms: a second of wrk stays small
	cat >"$tmp/keepalive.lua" <<'LUA'
local n = 0
function request() n = n + 1; return wrk.format("GET", "/wait?k=" .. n) end
LUA
	cat >"$tmp/pipeline.lua" <<'LUA'
local n = 0
function request()
  local t = {}
  for i = 1, 4 do n = n + 1; t[i] = wrk.format(i == 3 and "POST" or "GET", "/wait?p=" .. n, nil, i == 3 and "n=" .. n or nil) end
  return table.concat(t)
end
LUA
	record c wrk -i eth0 -s 0 -w "$tmp/wrk.pcap" tcp port 80
	in_ns c wrk -t 1 -c 4 -d 1 -s "$tmp/keepalive.lua" http://10.9.0.80/ >"$tmp/wrk.log"
	in_ns c wrk -t 1 -c 4 -d 1 -s "$tmp/pipeline.lua" http://10.9.0.80/ >>"$tmp/wrk.log"
	stop_recording
	mv "$tmp/wrk.pcap" "$out"
}

# ---- download -------------------------------------------------------------------------
make_download() {
	record c download -i eth0 -s 0 -w "$tmp/download.pcap" tcp port 80
	get 22001 http://shop.example/download.bin
	stop_recording
	mv "$tmp/download.pcap" "$out"
}

# ---- two-links ------------------------------------------------------------------------
make_two_links() {
	background c python3 "$here/peer.py" pump $tag-c $tag-s
	local i
	for i in $(seq 100); do
		ip -n $tag-s link show tun0 >/dev/null 2>&1 && break
		sleep 0.05
	done
	for i in c s; do
		in_ns $i sysctl -q -w net.ipv6.conf.tun0.disable_ipv6=1
		ip -n $tag-$i link set tun0 mtu 1400 up
	done
	ip -n $tag-c addr add 10.10.0.1/24 dev tun0
	ip -n $tag-s addr add 10.10.0.80/24 dev tun0
	ip netns exec "$tag-c" dumpcap -q -n -i eth0 -i tun0 -w "$tmp/two.pcapng" 2>"$tmp/dumpcap.log" &
	local dumpcap=$!
	jobs_started+=($dumpcap)
	for i in $(seq 100); do
		grep -q '^File:' "$tmp/dumpcap.log" && break
		sleep 0.05
	done
	sleep 0.5
	local t=http://10.10.0.80
	get 22101 http://shop.example/list.json http://shop.example/gzip/list.json --compressed -o /dev/null
	get 22102 $t/hello.json $t/list.json $t/chunked/list.json -o /dev/null -o /dev/null
	get 22103 -H 'Content-Type: application/json' --data-binary "@$site/upload-small.json" http://shop.example/echo
	get 22104 -H 'Content-Type: text/plain' --data-binary "@$site/upload.txt" $t/echo
	sleep 1.5
	kill -INT $dumpcap
	wait $dumpcap || :
	# the section header names the recording machine's processor and kernel; take them out
	python3 - "$tmp/two.pcapng" "$out/two-links.pcapng" <<'PY'
import struct, sys
drop = {0x0a0d0d0a: (16, {2, 3}), 1: (8, {12})}  # block type: (fixed bytes, option codes)
b, out, at = open(sys.argv[1], "rb").read(), b"", 0
while at < len(b):
    kind, size = struct.unpack_from("<II", b, at)
    block = b[at:at + size]
    if kind in drop:
        fixed, codes = drop[kind]
        body, p = block[8:8 + fixed], 8 + fixed
        while p < size - 4:
            code, n = struct.unpack_from("<HH", block, p)
            end = p + 4 + (n + 3) // 4 * 4
            if code not in codes:
                body += block[p:end]
            p = end
        n = struct.pack("<I", len(body) + 12)
        block = block[:4] + n + body + n
    out += block
    at += size
open(sys.argv[2], "wb").write(out)
PY
}

# ---- rotated --------------------------------------------------------------------------
make_rotated() {
	local slow f n=0
	mkdir -p "$tmp/rot" "$out/rotated"
	record c rotated -i eth0 -s 0 -G 1 -w "$tmp/rot/%s.pcap" tcp port 80
	get 22201 http://shop.example/slow.txt &
	slow=$!
	peer 22202 steady 10.9.0.80 3
	wait $slow
	stop_recording
	rm -f "$out"/rotated/rot*.pcap
	for f in "$tmp"/rot/*.pcap; do
		mv "$f" "$out/rotated/rot$n.pcap"
		n=$((n + 1))
	done
}

# ---- any ------------------------------------------------------------------------------
make_any() { # on the server: nginx passes requests on to its backend over loopback
	record s any -i any -s 0 -w "$tmp/any-sll2.pcap" tcp
	get 22301 http://shop.example/hello.json http://shop.example/list.json -o /dev/null
	get 22302 http://shop.example/peer/one http://shop.example/peer/until-close -o /dev/null
	get 22303 -H 'Content-Type: application/json' --data-binary "@$site/upload.json" http://shop.example/echo
	in_ns s curl -q -sS --noproxy '*' --local-port 22304 -o /dev/null http://127.0.0.1/list.json
	stop_recording
	mv "$tmp/any-sll2.pcap" "$out"
}

# ---- tenants --------------------------------------------------------------------------
make_tenants() {
	local n
	for n in 7 8; do
		space c$n
		space s$n
		cable c$n eth0 02:00:00:07:00:01 s$n eth0 02:00:00:07:00:80 1500
		ip -n $tag-c$n addr add 10.7.0.1/24 dev eth0
		ip -n $tag-s$n addr add 10.7.0.80/24 dev eth0
		start_nginx s$n $n
		wait_port c$n 10.7.0.80 80
	done
	for n in 7 8; do record c$n tenant$n -i eth0 -s 0 -w "$tmp/tenant$n.pcap" tcp port 80; done
	in_ns c7 python3 "$here/peer.py" tenant 10.7.0.80 27000 &
	in_ns c8 python3 "$here/peer.py" tenant 10.7.0.80 27000
	wait $!
	stop_recording
	if ! ip netns list | grep -q "^$tag-m\b"; then
		space m
		space t
		cable m up0 02:00:00:1f:10:0a t up1 02:00:00:1f:10:c8 9001
		ip -n $tag-m addr add 172.31.16.10/20 dev up0
		ip -n $tag-t addr add 172.31.16.200/20 dev up1
		ip -n $tag-m neigh replace 172.31.16.200 lladdr 02:00:00:1f:10:c8 dev up0 nud permanent
	fi
	vxlan_device 7
	vxlan_device 8
	record t tenants -i up1 -s 0 -w "$tmp/two-tenants.pcap" udp dst port 4789
	in_ns m tcpreplay -q -i vx7 "$tmp/tenant7.pcap" >"$tmp/replay7.log" 2>&1 &
	in_ns m tcpreplay -q -i vx8 "$tmp/tenant8.pcap" >"$tmp/replay8.log" 2>&1
	wait $!
	stop_recording
	mv "$tmp/two-tenants.pcap" "$out"
}

# ---- ipv6 -----------------------------------------------------------------------------
make_ipv6() {
	local n
	for n in c s; do
		in_ns $n sysctl -q -w net.ipv6.conf.eth0.addr_gen_mode=1 net.ipv6.conf.eth0.disable_ipv6=0
	done
	ip -n $tag-c addr add fd00:9::1/64 dev eth0 nodad
	ip -n $tag-s addr add fd00:9::80/64 dev eth0 nodad
	record c ipv6 -i eth0 -s 0 -w "$tmp/ipv6.pcap" ip6
	local w='http://[fd00:9::80]'
	get 22401 "$w/hello.json" "$w/list.json" "$w/gzip/list.json" --compressed -o /dev/null -o /dev/null
	get 22402 -H 'Content-Type: application/json' --data-binary "@$site/upload.json" "$w/echo"
	get 22403 -H 'Host: shop.example' "http://[fd00:9::80]:8081/plain"
	stop_recording
	mv "$tmp/ipv6.pcap" "$out"
	for n in c s; do in_ns $n sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=1; done
}

for g in "${groups[@]}"; do
	say "recording $g"
	"make_${g//-/_}"
done
[ "$expect" = 0 ] || python3 "$here/expect.py" "$out"
say "done: $(du -sb "$out" | cut -f1) bytes in $out"
