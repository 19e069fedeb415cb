package views

import (
	"encoding/binary"
	"io"

	"recap/export"
	"recap/pipeline/exchange"
)

// NewEVE returns a sink of lines like Suricata's EVE records of the type http, with
// extended logging and all headers.
//
// Other than Suricata's, the timestamp is that of the request, not of the packet at
// which the record was made; flow_id is made of recap's own, by its first 51 bits; and
// HTTP/2 and HTTP/3 have the same fields as HTTP/1.
func NewEVE(w io.Writer, o export.Options) export.Sink {
	return newSink(w, o, eve, "community_id", "request.target", "client.mac", "server.mac", "vlans", "capture.last_packet")
}

func eve(v *view, p *exchange.Pair) {
	v.Stamp("timestamp", began(p), 6, "+0000")
	v.Int("flow_id", int64(binary.BigEndian.Uint64(v.conn.ID[:])>>13))
	v.Int("pcap_cnt", p.LastPacket)
	v.Raw("event_type", `"http"`)
	v.OpenList("vlan")
	for _, id := range v.conn.VLANs {
		v.Int("", int64(id))
	}
	v.CloseAny()
	v.Addr("src_ip", v.conn.Client.IP)
	v.Int("src_port", int64(v.conn.Client.Port))
	v.Addr("dest_ip", v.conn.Server.IP)
	v.Int("dest_port", int64(v.conn.Server.Port))
	if transport(p) == "udp" {
		v.Raw("proto", `"UDP"`)
	} else {
		v.Raw("proto", `"TCP"`)
	}
	v.eveEther()
	v.Str("community_id", v.conn.CommunityID)
	if len(p.Files) == 1 {
		v.Str("pcap_filename", p.Files[0])
	}
	v.Int("tx_id", int64(p.Ordinal))
	v.eveTunnel()
	v.eveHTTP(p)
	v.recap(p)
}

func (v *view) eveEther() {
	v.Open("ether")
	v.MAC("src_mac", &v.conn.Client, "0123456789abcdef", ':')
	v.MAC("dest_mac", &v.conn.Server, "0123456789abcdef", ':')
	v.CloseAny()
}

// eveTunnel writes the outermost tunnel that has addresses. The list of all is in recap.
func (v *view) eveTunnel() {
	for i := range v.conn.Tunnels {
		t := &v.conn.Tunnels[i]
		if !t.Src.IsValid() && !t.Dst.IsValid() {
			continue
		}
		v.Open("tunnel")
		v.Addr("src_ip", t.Src)
		v.Addr("dest_ip", t.Dst)
		v.Str("proto", outerProtocol(t.Type))
		v.Int("depth", int64(len(v.conn.Tunnels)))
		v.Close()
		return
	}
}

// outerProtocol names what carries a tunnel, where its type tells.
func outerProtocol(tunnel string) string {
	switch tunnel {
	case "vxlan", "geneve", "gtpu":
		return "UDP"
	case "gre", "erspan":
		return "GRE"
	}
	return ""
}

func (v *view) eveHTTP(p *exchange.Pair) {
	q, s := &p.Request, &p.Response
	v.Open("http")
	if q.Present {
		name, port := splitHost(q.Host)
		v.Str("hostname", name)
		if port != 0 {
			v.Int("http_port", port)
		}
		v.Str("url", q.Target)
	}
	v.Str("http_user_agent", v.heads.agent)
	v.Str("xff", v.heads.forwarded)
	if s.Present {
		v.Str("http_content_type", mediaType(s.ContentType))
	}
	v.Str("http_refer", v.heads.referer)
	if q.Present {
		v.Str("http_method", q.Method)
		v.Str("protocol", q.Version)
	}
	if s.Present {
		if s.Status != 0 {
			v.Int("status", int64(s.Status))
		}
		v.Str("redirect", v.heads.location)
		v.Int("length", s.BodyWireSize)
	}
	v.headers("request_headers", &q.Message)
	v.headers("response_headers", &s.Message)
	v.CloseAny()
}
