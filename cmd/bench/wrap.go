package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"os"
)

const (
	outerLen = 14 + 20 + 8 + 8 // Ethernet, IPv4, UDP, VXLAN
	vni      = 4242
	maxFrame = 1 << 18
)

// wrap writes the classic Ethernet pcap in with every frame in VXLAN (RFC 7348),
// as a cloud's traffic mirroring sends it: one direction, UDP checksum zero, source
// port by inner addresses.
func wrap(in, out string) (err error) {
	src, err := os.Open(in)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	r, w := bufio.NewReaderSize(src, 1<<20), bufio.NewWriterSize(dst, 1<<20)

	var file [24]byte
	if _, err := io.ReadFull(r, file[:]); err != nil {
		return err
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch binary.BigEndian.Uint32(file[:]) {
	case 0xa1b2c3d4, 0xa1b23c4d:
		order = binary.BigEndian
	case 0xd4c3b2a1, 0x4d3cb2a1:
	default:
		return errors.New("not a classic pcap file")
	}
	if order.Uint32(file[20:]) != 1 {
		return errors.New("not a capture of Ethernet")
	}
	order.PutUint32(file[16:], maxFrame)
	w.Write(file[:])
	var rec [16]byte
	frame := make([]byte, maxFrame)
	for n := uint16(0); ; n++ {
		if _, err := io.ReadFull(r, rec[:]); err == io.EOF {
			return w.Flush()
		} else if err != nil {
			return err
		}
		size := order.Uint32(rec[8:])
		if size > maxFrame-outerLen {
			return errors.New("a packet is too long")
		}
		if _, err := io.ReadFull(r, frame[:size]); err != nil {
			return err
		}
		order.PutUint32(rec[8:], size+outerLen)
		order.PutUint32(rec[12:], order.Uint32(rec[12:])+outerLen)
		w.Write(rec[:])
		w.Write(outer(frame[:size], order.Uint32(rec[12:]), n))
		w.Write(frame[:size])
	}
}

// outer returns the headers in front of a frame; length is that of the whole.
func outer(frame []byte, length uint32, id uint16) []byte {
	be := binary.BigEndian
	b := make([]byte, 0, outerLen)
	b = append(b, 2, 0, 0, 0, 16, 200, 2, 0, 0, 0, 16, 10, 8, 0)
	ip := len(b)
	b = append(b, 0x45, 0)
	b = be.AppendUint16(b, uint16(length-14))
	b = be.AppendUint16(b, id)
	b = append(b, 0x40, 0, 64, 17, 0, 0, 172, 31, 16, 10, 172, 31, 16, 200)
	sum := uint32(0)
	for i := ip; i < len(b); i += 2 {
		sum += uint32(be.Uint16(b[i:]))
	}
	sum = sum&0xffff + sum>>16
	be.PutUint16(b[ip+10:], ^uint16(sum&0xffff+sum>>16))
	flow := fnv.New32a()
	if len(frame) >= 34 {
		flow.Write(frame[26:34]) // inner IPv4 addresses
	}
	b = be.AppendUint16(b, 0xc000|uint16(flow.Sum32()&0x3fff))
	b = be.AppendUint16(b, 4789)
	b = be.AppendUint16(b, uint16(length-34))
	b = append(b, 0, 0, 8, 0, 0, 0)
	return be.AppendUint32(b, vni<<8)
}
