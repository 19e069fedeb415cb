package replay

import (
	"context"
	"iter"

	"recap/reader/packet"
)

// A packetCache keeps the packets of the first pass for further ones, where all of them
// fit.
type packetCache struct {
	room    int64 // bytes that are left; 0: nothing is kept
	batches []*packet.Batch
}

// packetRoom is what a packet takes beside its bytes.
const packetRoom = 256

// add keeps a copy of b, or nothing any more where there is no room for it.
func (c *packetCache) add(b *packet.Batch) {
	if c.room <= 0 {
		return
	}
	size := 0
	for i := range b.Packets {
		size += len(b.Packets[i].Data)
	}
	if c.room -= int64(size + packetRoom*len(b.Packets)); c.room <= 0 {
		c.batches = nil
		return
	}
	slab := make([]byte, 0, size)
	own := &packet.Batch{Packets: make([]packet.Packet, len(b.Packets))}
	copy(own.Packets, b.Packets)
	for i := range own.Packets {
		p := &own.Packets[i]
		at := len(slab)
		slab = append(slab, p.Data...)
		p.Data = slab[at:len(slab):len(slab)]
	}
	c.batches = append(c.batches, own)
}

// all returns the packets of the first pass; nil where they were too many.
func (c *packetCache) all() PacketSource {
	if c.room <= 0 || len(c.batches) == 0 {
		return nil
	}
	return func(ctx context.Context) iter.Seq2[*packet.Batch, error] {
		return func(yield func(*packet.Batch, error) bool) {
			for _, b := range c.batches {
				if ctx.Err() != nil || !yield(b, nil) {
					return
				}
			}
		}
	}
}
