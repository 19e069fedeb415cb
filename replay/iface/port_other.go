//go:build !linux

package iface

import (
	"errors"
	"net"

	"recap/replay"
	"recap/replay/wire"
)

func newPort(*net.Interface, Options, replay.Env) (wire.Port, error) {
	return nil, errors.New("raw frames need Linux; write them with file:out.pcap")
}
