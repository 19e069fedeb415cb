package app

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"

	"recap/pipeline/exchange"
)

// A graphqlRequest is one operation as it is sent over HTTP.
type graphqlRequest struct {
	Query         string `json:"query"`
	OperationName string `json:"operationName"`
	Extensions    struct {
		// Persisted is there where the server knows the document by its hash.
		Persisted json.RawMessage `json:"persistedQuery"`
	} `json:"extensions"`
}

// graphqlCall reads the operations from the query string, or from the body: a document,
// an object with one, a list of such objects, or a form.
func graphqlCall(r *exchange.Request) exchange.Call {
	list := graphqlRequests(r)
	if asked, _ := url.ParseQuery(r.Query); len(list) == 1 { // what the body leaves out is in the URL
		list[0].Query = cmp.Or(list[0].Query, asked.Get("query"))
		list[0].OperationName = cmp.Or(list[0].OperationName, asked.Get("operationName"))
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

// graphqlRequests returns the operations that the body holds; a single empty one where
// there is no body.
func graphqlRequests(r *exchange.Request) []graphqlRequest {
	body := trimBOM(r.Body[:min(len(r.Body), maxCall)])
	if part := operationsPart(r.ContentType, body); part != nil {
		body = part
	}
	var one graphqlRequest
	switch {
	case len(body) == 0:
	case TypeIs(r.ContentType, "application/graphql"):
		one.Query = string(body)
	case TypeIs(r.ContentType, "application/x-www-form-urlencoded"):
		form, _ := url.ParseQuery(string(body))
		one.Query, one.OperationName = form.Get("query"), form.Get("operationName")
	default:
		list, _ := parseOperations(body)
		return list
	}
	return []graphqlRequest{one}
}

// parseOperations reads an object of JSON, or a list of them; ok is false where b is neither.
func parseOperations(b []byte) (list []graphqlRequest, ok bool) {
	if bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("[")) {
		ok = json.Unmarshal(b, &list) == nil
	} else {
		list = make([]graphqlRequest, 1)
		ok = json.Unmarshal(b, &list[0]) == nil
	}
	if !ok {
		return nil, false
	}
	return list, len(list) > 0
}

// trimBOM returns b without the mark that some programs put before UTF-8.
func trimBOM(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) }

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

// isGraphQL reports whether a request that does not say so in its path or type calls a
// GraphQL operation: with a document, or the hash of one that the server knows. Under a
// path that does not speak of GraphQL a document must begin with a keyword, because queries
// of other languages may begin with a brace.
func isGraphQL(mediaType string, r *exchange.Request) bool {
	b := r.Body
	switch {
	case len(b) == 0:
		return asksGraphQL(r.Path, r.Query)
	case len(b) > maxCall:
		return false
	case fold(mediaType, "multipart/form-data"):
		if !bytes.Contains(b[:min(len(b), 4<<10)], []byte(`"operations"`)) {
			return false
		}
		b = operationsPart(r.ContentType, b)
	case !fold(mediaType, "application/json"):
		return false
	}
	if head := b[:min(len(b), 4<<10)]; !bytes.Contains(head, []byte(`"query"`)) && !bytes.Contains(head, []byte(`"persistedQuery"`)) {
		return false
	}
	list, ok := parseOperations(trimBOM(b))
	return ok && (isDocument(r.Path, list[0].Query) || list[0].persisted())
}

// persisted reports whether r names a document by its hash.
func (r *graphqlRequest) persisted() bool {
	return bytes.Contains(r.Extensions.Persisted, []byte(`Hash"`))
}

// asksGraphQL reports whether a query string holds an operation.
func asksGraphQL(path, query string) bool {
	if !strings.Contains(query, "query=") && !strings.Contains(query, "persistedQuery") {
		return false
	}
	asked, err := url.ParseQuery(query)
	if err != nil {
		return false
	}
	var one graphqlRequest
	return isDocument(path, asked.Get("query")) || json.Unmarshal([]byte(asked.Get("extensions")), &one.Extensions) == nil && one.persisted()
}

// isDocument reports whether doc, under a path, is a GraphQL document.
func isDocument(path, doc string) bool {
	doc = strings.TrimSpace(doc)
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
