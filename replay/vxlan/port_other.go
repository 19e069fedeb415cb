//go:build !linux

package vxlan

import (
	"errors"
	"net/netip"

	"recap/replay"
	"recap/replay/wire"
)

func newPort(netip.AddrPort, Options, replay.Env) (wire.Port, error) {
	return nil, errors.New("sending mirrored packets needs Linux; write them with file:out.pcap")
}
