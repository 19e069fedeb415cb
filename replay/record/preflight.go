package record

import (
	"fmt"
	"unicode/utf8"

	"recap/pipeline/exchange"
	"recap/replay"
)

// Reasons for which a receiver drops a pair without telling.
const (
	ReasonNoMethod      = "no method"
	ReasonNoResponse    = "no response"
	ReasonRelativePath  = "path does not begin with /"
	ReasonPathCharacter = `path holds one of ? < > & = \`
	ReasonEmptyTokens   = "path holds more than two empty parts"
	ReasonLongString    = "a string is longer than 5242880 bytes"
	ReasonLongRecord    = "the record is larger than a whole request may be"
)

// Notes on what a receiver takes in another shape than it was.
const (
	NoteNotUTF8  = "a body is not UTF-8: its bytes become U+FFFD"
	NoteNotWhole = "a body is not held whole"
)

// Refusal tells why a receiver of this form would drop p silently, "" where it would
// not. It looks at what the receiver looks at; the size of a whole record is for the
// caller to judge.
func Refusal(form string, p *exchange.Pair) string {
	if form == Recap {
		return ""
	}
	if !p.Request.Present || p.Request.Method == "" {
		return ReasonNoMethod
	}
	if form == GoReplay {
		return ""
	}
	if !p.Response.Present || p.Response.Status == 0 {
		return ReasonNoResponse
	}
	if form == Metlo {
		return badMetloPath(p.Request.Path)
	}
	return ""
}

// TooLong reports whether a string of p is longer than Akto's HTTP endpoint reads.
func TooLong(p *exchange.Pair) bool {
	for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
		headers := 0
		for _, h := range m.Headers {
			headers += len(h.Name) + len(h.Value) + len(`"":"",`)
		}
		if textLength(m.Body) > MaxAktoString || headers > MaxAktoString {
			return true
		}
	}
	return len(p.Request.Target) > MaxAktoString
}

// textLength is how long a body is as the text that a receiver reads, bytes.
func textLength(b []byte) int {
	n := len(b)
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			n += len("\uFFFD") - 1
		}
		i += size
	}
	return n
}

// Notes calls note for whatever of p does not arrive as it is in this form.
func Notes(form string, p *exchange.Pair, note func(string)) {
	notUTF8, notWhole := false, false
	for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
		notUTF8 = notUTF8 || !utf8.Valid(m.Body)
		notWhole = notWhole || m.BodySize > int64(len(m.Body))
	}
	if notUTF8 && form != Recap {
		note(NoteNotUTF8)
	}
	if notWhole {
		note(NoteNotWhole)
	}
}

// Counters of a pre-flight.
const (
	CountRefused = "refused: " // + reason: pairs that the receiver would drop without telling
	CountChanged = "changed: " // + note: pairs that do not arrive as they are
)

// A Preflight looks at pairs before they are sent and counts what the receiver would
// drop or change without telling.
type Preflight struct {
	Form string
	// LongStrings says that the receiver refuses what [TooLong] tells of.
	LongStrings bool
	// Send sends pairs that the receiver would drop all the same, to see it do so.
	Send bool
}

// Pass reports whether the pair of e is to be sent. One that is not is noted as left out.
func (f Preflight) Pass(e *replay.Event, env replay.Env) bool {
	why := Refusal(f.Form, e.Pair)
	if why == "" && f.LongStrings && TooLong(e.Pair) {
		why = ReasonLongString
	}
	if why != "" {
		env.Count(CountRefused+why, 1)
		if !f.Send {
			env.LeftOut(e.Seq, why)
			return false
		}
	}
	Notes(f.Form, e.Pair, func(note string) { env.Count(CountChanged+note, 1) })
	return true
}

// ParsePreflight reads the word of the URL's option preflight: hold, the default,
// keeps back what the receiver would drop, send does not.
func ParsePreflight(word string) (send bool, err error) {
	switch word {
	case "", "hold":
		return false, nil
	case "send":
		return true, nil
	}
	return false, fmt.Errorf("%q is not known; there are hold and send", word)
}
