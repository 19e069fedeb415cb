package main

import (
	"context"
	"errors"
	"io"
)

var errReadStopped = errors.New("reading was interrupted")

// interruptible returns r as a reader whose Read ends when ctx does, also while r
// blocks: whoever watches a pipe in which nothing happens can stop. A goroutine
// reads ahead by one chunk; after ctx ended it stays behind in r, and the process
// is about to end. Nothing is taken from r before the first Read: where "-" is no
// input, standard input belongs to others (a shell loop reads its list there).
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	return &pump{ctx: ctx, r: r, full: make(chan chunk), free: make(chan []byte, 2)}
}

type chunk struct {
	b   []byte // whole buffer
	n   int    // bytes of it that were read
	err error
}

type pump struct {
	ctx     context.Context
	r       io.Reader
	started bool
	full    chan chunk
	free    chan []byte
	cur     chunk
	at      int // in cur.b
}

func (p *pump) run() {
	for b := range p.free {
		n, err := p.r.Read(b)
		select {
		case p.full <- chunk{b, n, err}:
		case <-p.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (p *pump) Read(dst []byte) (int, error) {
	if !p.started {
		p.started = true
		p.free <- make([]byte, 256<<10)
		p.free <- make([]byte, 256<<10)
		go p.run()
	}
	for p.at == p.cur.n {
		if p.cur.err != nil {
			return 0, p.cur.err
		}
		if p.cur.b != nil {
			p.free <- p.cur.b // there is always room
			p.cur.b = nil
		}
		select {
		case p.cur = <-p.full:
			p.at = 0
		case <-p.ctx.Done():
			p.cur, p.at = chunk{err: errReadStopped}, 0
		}
	}
	n := copy(dst, p.cur.b[p.at:p.cur.n])
	p.at += n
	return n, nil
}
