package bpf

// A proto is what a word such as tcp names. The zero value is no word.
type proto uint8

const (
	none proto = iota
	link       // ether and its like
	ip
	ip6
	arp
	rarp
	tcp
	udp
	sctp
	icmp
	icmp6
	igmp
	igrp
	pim
	vrrp
	ah
	esp
	atalk
	aarp
	decnet
	lat
	moprc
	mopdl
	ipx
	netbeui
	stp
	iso
)

// A definition tells how packets of a proto are known.
type definition struct {
	name  string
	ether uint32 // EtherType, or LLC SAP up to 0xff; 0 for none
	ip    uint32 // IP protocol, where v4 or v6
	v4    bool
	v6    bool
}

var protos = [...]definition{
	link:    {name: "ether"},
	ip:      {name: "ip", ether: 0x0800},
	ip6:     {name: "ip6", ether: 0x86dd},
	arp:     {name: "arp", ether: 0x0806},
	rarp:    {name: "rarp", ether: 0x8035},
	tcp:     {name: "tcp", ip: 6, v4: true, v6: true},
	udp:     {name: "udp", ip: 17, v4: true, v6: true},
	sctp:    {name: "sctp", ip: 132, v4: true, v6: true},
	icmp:    {name: "icmp", ip: 1, v4: true},
	icmp6:   {name: "icmp6", ip: 58, v6: true},
	igmp:    {name: "igmp", ip: 2, v4: true},
	igrp:    {name: "igrp", ip: 9, v4: true},
	pim:     {name: "pim", ip: 103, v4: true, v6: true},
	vrrp:    {name: "vrrp", ip: 112, v4: true},
	ah:      {name: "ah", ip: 51, v4: true, v6: true},
	esp:     {name: "esp", ip: 50, v4: true, v6: true},
	atalk:   {name: "atalk", ether: 0x809b},
	aarp:    {name: "aarp", ether: 0x80f3},
	decnet:  {name: "decnet", ether: 0x6003},
	lat:     {name: "lat", ether: 0x6004},
	moprc:   {name: "moprc", ether: 0x6002},
	mopdl:   {name: "mopdl", ether: 0x6001},
	ipx:     {name: "ipx", ether: 0xe0},
	netbeui: {name: "netbeui", ether: 0xf0},
	stp:     {name: "stp", ether: 0x42},
	iso:     {name: "iso", ether: 0xfe},
}

// protoWords are the keywords that name a proto.
var protoWords = func() map[string]proto {
	m := map[string]proto{
		"link": link, "ppp": link, "slip": link, "fddi": link, "tr": link, "wlan": link,
		"icmpv6": icmp6, "carp": vrrp,
	}
	for p, d := range protos {
		if d.name != "" {
			m[d.name] = proto(p)
		}
	}
	return m
}()

// isoNames are words for what the first byte behind the access point of ISO's network
// layer says.
var isoNames = map[uint32]string{0x81: "clnp", 0x82: "esis", 0x83: "isis"}

// llcKinds are the words after llc: the mask of the control byte and its value (IEEE
// 802.2, clause 5.4).
var llcKinds = map[string]llcKind{
	"i": {"i", 1, 0}, "s": {"s", 3, 1}, "u": {"u", 3, 3},
	"rr": {"rr", 0x0f, 0x01}, "rnr": {"rnr", 0x0f, 0x05}, "rej": {"rej", 0x0f, 0x09},
	"ui": {"ui", 0xef, 0x03}, "ua": {"ua", 0xef, 0x63}, "disc": {"disc", 0xef, 0x43}, "sabme": {"sabme", 0xef, 0x6f},
	"test": {"test", 0xef, 0xe3}, "xid": {"xid", 0xef, 0xaf}, "frmr": {"frmr", 0xef, 0x87},
}

// Words for what the headers of "any" devices say.
const (
	inbound  = "inbound"
	outbound = "outbound"
	ifindex  = "ifindex"
)

// ipProtos are names for the number after "proto".
var ipProtos = map[string]uint32{
	"icmp": 1, "igmp": 2, "ipencap": 4, "ipip": 4, "tcp": 6, "egp": 8, "igp": 9, "igrp": 9, "udp": 17, "ipv6": 41,
	"ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "ipv6-icmp": 58, "icmpv6": 58,
	"ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88, "ospf": 89, "etherip": 97, "pim": 103, "ipcomp": 108, "vrrp": 112, "carp": 112,
	"l2tp": 115, "sctp": 132, "udplite": 136, "mpls-in-ip": 137,
}

// etherProtos are names for the number after "ether proto".
var etherProtos = map[string]uint32{
	"ip": 0x0800, "ip6": 0x86dd, "arp": 0x0806, "rarp": 0x8035, "atalk": 0x809b, "aarp": 0x80f3, "decnet": 0x6003, "lat": 0x6004,
	"moprc": 0x6002, "mopdl": 0x6001, "sca": 0x6007, "loopback": 0x9000, "iso": 0xfe, "stp": 0x42, "ipx": 0xe0, "netbeui": 0xf0,
}

// ports are names of ports. TCP and UDP share them.
var ports = map[string]uint32{
	"echo": 7, "discard": 9, "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "time": 37, "domain": 53, "bootps": 67,
	"bootpc": 68, "tftp": 69, "gopher": 70, "finger": 79, "http": 80, "www": 80, "kerberos": 88, "pop3": 110, "sunrpc": 111, "auth": 113,
	"nntp": 119, "ntp": 123, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "imap2": 143, "imap": 143, "snmp": 161,
	"snmp-trap": 162, "bgp": 179, "irc": 194, "ldap": 389, "https": 443, "microsoft-ds": 445, "isakmp": 500, "syslog": 514, "shell": 514,
	"submission": 587, "ipp": 631, "ldaps": 636, "rsync": 873, "imaps": 993, "pop3s": 995, "socks": 1080, "openvpn": 1194,
	"ms-sql-s": 1433, "l2f": 1701, "radius": 1812, "nfs": 2049, "mysql": 3306, "rdp": 3389, "sip": 5060, "sip-tls": 5061,
	"amqp": 5672, "postgresql": 5432, "mdns": 5353, "redis": 6379, "x11": 6000, "http-alt": 8080, "webcache": 8080,
}

// constants are words for numbers in arithmetic.
var constants = map[string]uint32{
	"tcpflags": 13, "tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
	"icmptype": 0, "icmpcode": 1, "icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13,
	"icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,
	"icmp6type": 0, "icmp6code": 1, "icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
	"icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130,
	"icmp6-multicastlistenerreportv1": 131, "icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134,
	"icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137, "icmp6-routerrenum": 138,
	"icmp6-nodeinformationquery": 139, "icmp6-nodeinformationresponse": 140, "icmp6-ineighbordiscoverysolicit": 141,
	"icmp6-ineighbordiscoveryadvert": 142, "icmp6-multicastlistenerreportv2": 143, "icmp6-homeagentdiscoveryrequest": 144,
	"icmp6-homeagentdiscoveryreply": 145, "icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147,
	"icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149, "icmp6-multicastrouteradvert": 151,
	"icmp6-multicastroutersolicit": 152, "icmp6-multicastroutertermination": 153,
}
