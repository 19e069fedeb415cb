package app

import (
	"bytes"
	"strings"

	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
)

// Coding returns the limits of undoing content codings.
func (l *Limits) Coding() coding.Limits {
	return coding.Limits{Out: l.Decode, Layers: l.DecodeLayers, ZstdWindow: l.ZstdWindow}
}

// Stream returns a Stream that undoes the codings that value names.
func (e *Env) Stream(value string) *coding.Stream {
	return coding.NewStream(max(0, e.Limits.Body), e.Limits.Hash, value, e.Limits.Coding())
}

// maxCodings bounds a list of content codings, bytes: a head may repeat the field ten
// thousand times, and what is over the limit of layers is not undone anyway.
const maxCodings = 1 << 10

// AddCoding adds the value of one more Content-Encoding field to a list of codings:
// several fields are one list (RFC 9110, section 5.3).
func AddCoding(list, value string) string {
	switch {
	case value == "", strings.EqualFold(value, "identity"), len(list) > maxCodings:
		return list
	case list == "":
		return value
	}
	return list + ", " + value
}

// NameCodings names what is odd about a list of codings: more than one, and elements that
// are empty, which not all readers pass over.
func NameCodings(a *exchange.Anomalies, list string) {
	if strings.IndexByte(list, ',') < 0 {
		return
	}
	if len(coding.List(list)) > 1 {
		a.Add(exchange.AnomalyStackedCoding)
	}
	for one := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(one) == "" {
			a.Add(exchange.AnomalyCEMismatch)
		}
	}
}

// Coded is a body whose head names content codings, when all that will come has come.
type Coded struct {
	Message   *exchange.Message // names the codings, and gets the size and the hash
	Anomalies *exchange.Anomalies
	Sent      *coding.Store  // the body as it was sent
	Out       *coding.Store  // what was undone as it came; nil: nothing was yet
	How       coding.Outcome // of Out
	Space     *coding.Store  // for what is undone now
	Wire      int64          // length of the body as it was sent, bytes
	Whole     bool           // nothing of it is missing
	Vague     bool           // of the head, fields are not known: there may be codings beside those named
	Key       uint64         // of the body in the memo
}

// Undo undoes the codings of a body, and returns the Store that holds what is to be
// shown: the body, or where nothing sensible came out, the coded original.
func (e *Env) Undo(b *Coded) *coding.Store {
	m, a := b.Message, b.Anomalies
	out, how := b.Out, b.How
	if out == nil {
		out = b.Space
		out.Limit, out.Hash = max(0, e.Limits.Body), e.Limits.Hash
		how = coding.Decoded // of no body, no coding
		if b.Sent.Size > 0 {
			how = e.Decoder.Decode(out, m.ContentEncoding, b.Sent.Data, e.Limits.Coding())
		}
	}
	claimed := how
	if b.Whole && how != coding.Decoded && b.Sent.Whole() {
		out, how = e.correct(b, out, how)
	}
	switch how {
	case coding.Decoded:
	case coding.BadTrailer:
		if b.Whole {
			a.Add(exchange.AnomalyGzipBadTrailer)
		}
	case coding.Broken:
		if b.Whole {
			a.Add(exchange.AnomalyDecodeError)
		}
	case coding.Limit:
		a.Add(exchange.AnomalyDecodeLimit)
		return e.original(b)
	default:
		if b.Whole {
			a.Add(exchange.AnomalyCEMismatch)
		}
		return e.original(b)
	}
	m.BodySize = out.Size
	if b.Whole && !b.Vague {
		m.BodySHA256, m.Hashed = out.Sum()
		if claimed == coding.Decoded && m.Hashed && out.Whole() {
			e.Memo.Put(b.Key, m.ContentEncoding, b.Sent.Data, out.Data, m.BodySHA256)
		}
	}
	return out
}

// original gives the message its body as it was sent.
func (e *Env) original(b *Coded) *coding.Store {
	m, sent := b.Message, b.Sent
	m.BodySize = b.Wire
	if b.Whole && !b.Vague && sent.Whole() && e.Limits.Hash {
		sent.Hash = true
		m.BodySHA256, m.Hashed = sent.Sum()
	}
	if most := max(0, e.Limits.Body); most < int64(len(sent.Data)) {
		sent.Data = sent.Data[:most]
	}
	return sent
}

// correct looks at what came of undoing what the head of a whole body names, and does
// better where the body itself tells how.
func (e *Env) correct(b *Coded, out *coding.Store, how coding.Outcome) (*coding.Store, coding.Outcome) {
	value := b.Message.ContentEncoding
	switch how {
	case coding.BadTrailer: // behind which more members may stand
		if better, g := e.guess(value, b.Sent.Data); len(g.Codings) == 1 && better.Size > out.Size {
			return better, how
		}
	case coding.Broken:
		if e.Decoder.TrailerOnly(value, b.Sent.Data, e.Limits.Coding()) {
			return out, coding.BadTrailer
		}
	case coding.Mismatch, coding.Unknown:
		better, g := e.guess(value, b.Sent.Data)
		if len(g.Codings) == 0 {
			break
		}
		if list := coding.List(value); len(list) == 1 && list[0] == g.Codings[0] {
			b.Anomalies.Add(exchange.AnomalyGzipHeader) // else it would have decoded
		} else {
			b.Anomalies.Add(exchange.AnomalyCEMismatch)
		}
		return better, outcome(g)
	}
	return out, how
}

// guess undoes the codings that a body shows to be in; value is what its head says.
func (e *Env) guess(value string, body []byte) (*coding.Store, coding.Guessed) {
	out := &coding.Store{Limit: max(0, e.Limits.Body), Hash: e.Limits.Hash}
	return out, e.Decoder.Guess(out, value, body, e.Limits.Coding())
}

func outcome(g coding.Guessed) coding.Outcome {
	if g.BadTrailer {
		return coding.BadTrailer
	}
	return coding.Decoded
}

// Undeclared looks at a whole body whose head names no coding. Of one that nothing is said
// of, it names gzip under a type of text; the body stays as any reader gets it. Where the
// head speaks of codings (claims) in a place where careful readers do not look, it undoes
// them, and returns the Store that holds the body.
func (e *Env) Undeclared(m *exchange.Message, a *exchange.Anomalies, sent *coding.Store, claims string) *coding.Store {
	if claims == "" {
		if bytes.HasPrefix(sent.Data, coding.GzipMagic) && textual(m.ContentType) {
			a.Add(exchange.AnomalyCEMismatch)
		}
		return nil
	}
	if !e.Limits.DecodeBodies || !sent.Whole() {
		return nil
	}
	out, g := e.guess(claims, sent.Data)
	if len(g.Codings) == 0 {
		return nil
	}
	a.Add(exchange.AnomalyCEMismatch)
	if g.BadTrailer {
		a.Add(exchange.AnomalyGzipBadTrailer)
	}
	m.BodySize = out.Size
	m.BodySHA256, m.Hashed = out.Sum()
	return out
}

// textual reports whether a media type is one that people read: it is never gzip itself.
func textual(v string) bool {
	v, _, _ = strings.Cut(strings.ToLower(v), ";")
	v = strings.TrimSpace(v)
	return strings.HasPrefix(v, "text/") || strings.HasSuffix(v, "json") || strings.HasSuffix(v, "xml") || strings.HasSuffix(v, "javascript")
}
