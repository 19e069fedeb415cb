package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"math"
	"os"
	"slices"
)

const (
	outerLen = 14 + 20 + 8 + 8 // Ethernet, IPv4, UDP, VXLAN
	maxFrame = 1 << 18
)

// A tap is one place where a mirror copies traffic.
type tap struct {
	vni   uint32
	outer byte   // last byte of the mirror's own address
	delay uint64 // after the first tap, in units of the capture's time stamps
	hops  byte   // routers between the first tap and this one
}

// taps are those of a conversation that is mirrored at both ends.
var taps = [...]tap{{vni: 4242, outer: 10}, {vni: 4243, outer: 11, delay: 150, hops: 1}}

// wrap writes the classic Ethernet pcap in with every frame in VXLAN (RFC 7348),
// as a cloud's traffic mirroring sends it: one direction, UDP checksum zero, source
// port by inner addresses. With two taps each frame stands there twice, in the order of time.
func wrap(in, out string, taps []tap) (err error) {
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
	order, second, err := formatOf(file[:])
	if err != nil {
		return err
	}
	order.PutUint32(file[16:], maxFrame)
	w.Write(file[:])
	m := &mirror{w: w, order: order, second: second}
	var rec [16]byte
	frame := make([]byte, maxFrame)
	for {
		if _, err := io.ReadFull(r, rec[:]); err == io.EOF {
			m.flush(math.MaxUint64)
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
		at := uint64(order.Uint32(rec[:]))*second + uint64(order.Uint32(rec[4:]))
		for i := range taps {
			m.add(&taps[i], at, frame[:size], order.Uint32(rec[12:]))
		}
		m.flush(at)
	}
}

// formatOf returns a capture's byte order and the units of time in a second.
func formatOf(file []byte) (binary.ByteOrder, uint64, error) {
	var order binary.ByteOrder = binary.LittleEndian
	second := uint64(1e6)
	switch binary.BigEndian.Uint32(file) {
	case 0xa1b2c3d4:
		order = binary.BigEndian
	case 0xa1b23c4d:
		order, second = binary.BigEndian, 1e9
	case 0xd4c3b2a1:
	case 0x4d3cb2a1:
		second = 1e9
	default:
		return nil, 0, errors.New("not a classic pcap file")
	}
	if order.Uint32(file[20:]) != 1 {
		return nil, 0, errors.New("not a capture of Ethernet")
	}
	return order, second, nil
}

// A mirror writes copies in the order of time.
type mirror struct {
	w      *bufio.Writer
	order  binary.ByteOrder
	second uint64
	copies []copied // waiting, by time
	n      uint16
}

type copied struct {
	at     uint64
	record []byte
}

// add takes a frame as a tap copies it.
func (m *mirror) add(t *tap, at uint64, frame []byte, length uint32) {
	at += t.delay * (m.second / 1e6)
	length += outerLen
	b := make([]byte, 16, 16+outerLen+len(frame))
	m.order.PutUint32(b, uint32(at/m.second))
	m.order.PutUint32(b[4:], uint32(at%m.second))
	m.order.PutUint32(b[8:], uint32(outerLen+len(frame)))
	m.order.PutUint32(b[12:], length)
	b = append(b, outer(t, frame, length, m.n)...)
	b = append(b, frame...)
	hop(b[16+outerLen:], t.hops)
	m.n++
	c := copied{at, b}
	i := len(m.copies)
	for i > 0 && m.copies[i-1].at > at {
		i--
	}
	m.copies = slices.Insert(m.copies, i, c)
}

// flush writes the copies that no later one can come before.
func (m *mirror) flush(until uint64) {
	n := 0
	for n < len(m.copies) && m.copies[n].at <= until {
		m.w.Write(m.copies[n].record)
		n++
	}
	m.copies = slices.Delete(m.copies, 0, n)
}

// hop lets an Ethernet frame of IPv4 pass routers (RFC 1624 keeps its checksum right).
func hop(frame []byte, hops byte) {
	if hops == 0 || len(frame) < 34 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 {
		return
	}
	ip := frame[14:]
	ip[8] -= hops
	sum := uint32(binary.BigEndian.Uint16(ip[10:])) + uint32(hops)<<8
	binary.BigEndian.PutUint16(ip[10:], uint16(sum+sum>>16))
}

// outer returns the headers in front of a frame; length is that of the whole.
func outer(t *tap, frame []byte, length uint32, id uint16) []byte {
	be := binary.BigEndian
	b := make([]byte, 0, outerLen)
	b = append(b, 2, 0, 0, 0, 16, 200, 2, 0, 0, 0, 16, 10, 8, 0)
	ip := len(b)
	b = append(b, 0x45, 0)
	b = be.AppendUint16(b, uint16(length-14))
	b = be.AppendUint16(b, id)
	b = append(b, 0x40, 0, 64, 17, 0, 0, 172, 31, 16, t.outer, 172, 31, 16, 200)
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
	return be.AppendUint32(b, t.vni<<8)
}
