package app

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"recap/pipeline/exchange"
)

const (
	// maxCall bounds what of a body is looked at to tell what was called, bytes.
	maxCall = 1 << 20
	// maxCallName bounds a name that is told, bytes.
	maxCallName = 1 << 10
	// maxBatch bounds the operations of a batch that are named.
	maxBatch = 100
)

// call tells what an exchange of the kind calls; nil where the kind has no calls.
func call(p *exchange.Pair, kind string) *exchange.Call {
	switch kind {
	case "grpc":
		return &exchange.Call{Operation: shown(strings.TrimPrefix(p.Request.Path, "/")), Batch: 1}
	case "soap":
		c := soapCall(&p.Request)
		c.Operation = shown(c.Operation)
		return &c
	case "graphql":
		c := graphqlCall(&p.Request)
		c.Operation = shown(c.Operation)
		return &c
	}
	return nil
}

// shown makes a name fit for a record.
func shown(s string) string {
	if !utf8.ValidString(s) {
		s = Escape([]byte(s))
	}
	if len(s) > maxCallName {
		s = strings.ToValidUTF8(s[:maxCallName], "")
	}
	return s
}

// soapCall reads action and version: of SOAP 1.1 from SOAPAction, of 1.2 from the
// parameter of the media type, and else the name of the first element of the body.
func soapCall(r *exchange.Request) exchange.Call {
	c := exchange.Call{Version: "1.1", Batch: 1}
	if startsFold(r.ContentType, "application/soap+xml") {
		c.Version = "1.2"
		if _, params, err := mime.ParseMediaType(r.ContentType); err == nil {
			c.Operation = params["action"]
		}
	}
	for _, h := range r.Headers {
		if strings.EqualFold(h.Name, "SOAPAction") && c.Operation == "" {
			c.Operation = strings.Trim(h.Value, `" `)
		}
	}
	if c.Operation == "" {
		c.Operation = soapElement(r.Body)
	}
	return c
}

// soapElement returns the name of the first element inside the envelope's Body.
func soapElement(b []byte) string {
	d := xml.NewDecoder(bytes.NewReader(b[:min(len(b), maxCall)]))
	d.Strict = false
	inside := false
	for {
		t, err := d.RawToken()
		if err != nil {
			return ""
		}
		if e, ok := t.(xml.StartElement); ok {
			if inside {
				return e.Name.Local
			}
			inside = e.Name.Local == "Body"
		}
	}
}

// isEnvelope reports whether b, the body of a request of an XML type, is a SOAP envelope.
func isEnvelope(mediaType string, b []byte) bool {
	if !fold(mediaType, "text/xml") && !fold(mediaType, "application/xml") {
		return false
	}
	b = b[:min(len(b), 1<<10)]
	return bytes.Contains(b, []byte("Envelope")) && (bytes.Contains(b, []byte("schemas.xmlsoap.org/soap/envelope")) || bytes.Contains(b, []byte("www.w3.org/2003/05/soap-envelope")))
}

// A graphqlRequest is one operation as it is sent over HTTP.
type graphqlRequest struct {
	Query         string `json:"query"`
	OperationName string `json:"operationName"`
}

// graphqlCall reads the operations from the query string, or from the body: a document,
// an object with one, or a list of such objects.
func graphqlCall(r *exchange.Request) exchange.Call {
	var list []graphqlRequest
	body := r.Body[:min(len(r.Body), maxCall)]
	if part := operationsPart(r.ContentType, body); part != nil {
		body = part
	}
	switch {
	case len(body) == 0:
		q, _ := url.ParseQuery(r.Query)
		list = append(list, graphqlRequest{q.Get("query"), q.Get("operationName")})
	case TypeIs(r.ContentType, "application/graphql"):
		q, _ := url.ParseQuery(r.Query)
		list = append(list, graphqlRequest{string(body), q.Get("operationName")})
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")):
		if json.Unmarshal(body, &list) != nil {
			list = nil
		}
	default:
		var one graphqlRequest
		if json.Unmarshal(body, &one) == nil {
			list = append(list, one)
		}
	}
	c := exchange.Call{Batch: int32(len(list))}
	var names, types []string
	for _, one := range list[:min(len(list), maxBatch)] {
		typ, name := operation(one.Query, one.OperationName)
		if name != "" {
			names = append(names, name)
		}
		if typ != "" && !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	c.Operation, c.Type = strings.Join(names, ","), strings.Join(types, ",")
	return c
}

// operationsPart returns the part called operations of a form with files, which holds
// what is the body elsewhere (the GraphQL multipart request convention); nil for none.
func operationsPart(contentType string, body []byte) []byte {
	if !startsFold(contentType, "multipart/form-data") {
		return nil
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for range maxBatch {
		p, err := parts.NextRawPart()
		if err != nil {
			break
		}
		if p.FormName() == "operations" {
			b, _ := io.ReadAll(p)
			return b
		}
	}
	return nil
}

// isOperation reports whether b, the body of a request of JSON, calls a GraphQL operation:
// its "query" is a document. Under a path that does not speak of GraphQL the document must
// begin with a keyword, because queries of other languages may begin with a brace.
func isOperation(mediaType, path string, b []byte) bool {
	const key = `"query"`
	if !fold(mediaType, "application/json") || !bytes.Contains(b[:min(len(b), 4<<10)], []byte(key)) || len(b) > maxCall {
		return false
	}
	var list []graphqlRequest
	if first := bytes.TrimLeft(b, " \t\r\n"); first[0] == '[' {
		if json.Unmarshal(b, &list) != nil || len(list) == 0 {
			return false
		}
	} else if list = make([]graphqlRequest, 1); json.Unmarshal(b, &list[0]) != nil {
		return false
	}
	doc := strings.TrimSpace(list[0].Query)
	for strings.HasPrefix(doc, "#") {
		_, doc, _ = strings.Cut(doc, "\n")
		doc = strings.TrimSpace(doc)
	}
	if !strings.HasSuffix(doc, "}") {
		return false
	}
	word, rest := cutName(doc)
	switch word {
	case "query", "mutation", "subscription", "fragment":
		_, rest = cutName(strings.TrimLeft(rest, " \t\r\n"))
		rest = strings.TrimLeft(rest, " \t\r\n")
		return word == "fragment" || rest[0] == '{' || rest[0] == '(' || rest[0] == '@'
	case "":
		return strings.Contains(path, "/graphql") && doc[0] == '{'
	}
	return false
}

// operation returns type and name of the operation of a GraphQL document that is called
// name, or of the first one (GraphQL specification, section 2.3).
func operation(doc, name string) (typ, found string) {
	depth := 0
	for len(doc) > 0 {
		c := doc[0]
		switch {
		case c == '#':
			_, doc, _ = strings.Cut(doc, "\n")
			continue
		case c == '"':
			doc = skipString(doc)
			continue
		case c == '{' || c == '(' || c == '[':
			if depth == 0 && c == '{' && typ == "" && found == "" && name == "" {
				return "query", "" // a query without its word
			}
			depth++
		case c == '}' || c == ')' || c == ']':
			depth = max(0, depth-1)
		case depth == 0 && isNameByte(c):
			var word string
			if word, doc = cutName(doc); word == "query" || word == "mutation" || word == "subscription" {
				var own string
				own, doc = cutName(strings.TrimLeft(doc, " \t\r\n,"))
				if name == "" || own == name {
					return word, own
				}
			} else if word == "fragment" {
				if i := strings.IndexByte(doc, '{'); i >= 0 {
					doc, depth = doc[i+1:], 1
				}
			}
			continue
		}
		doc = doc[1:]
	}
	return "", name
}

func skipString(s string) string {
	if strings.HasPrefix(s, `"""`) {
		if i := strings.Index(s[3:], `"""`); i >= 0 {
			return s[i+6:]
		}
		return ""
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"', '\n':
			return s[i+1:]
		}
	}
	return ""
}

func cutName(s string) (name, rest string) {
	n := 0
	for n < len(s) && isNameByte(s[n]) {
		n++
	}
	return s[:n], s[n:]
}

func isNameByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_'
}
