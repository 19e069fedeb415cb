package har

import (
	"strings"
	"time"

	"recap/pipeline/exchange"
)

// query writes the parameters of a query string, as sent: nothing is unescaped.
func (a *archive) query(q string) {
	a.OpenList("queryString")
	for q != "" {
		var part string
		if part, q, _ = strings.Cut(q, "&"); part != "" {
			name, value, _ := strings.Cut(part, "=")
			a.parameter(name, value)
			a.Close()
		}
	}
	a.Close()
}

// parameter opens an object that has a name and a value.
func (a *archive) parameter(name, value string) {
	a.Open("")
	a.Text("name", name)
	a.Text("value", value)
}

// cookies writes what a client sends back (RFC 6265, section 4.2.1).
func (a *archive) cookies(list []exchange.Header) {
	a.OpenList("cookies")
	for _, h := range list {
		if len(h.Name) != len("cookie") || !strings.EqualFold(h.Name, "cookie") {
			continue
		}
		for rest := h.Value; rest != ""; {
			var part string
			if part, rest, _ = strings.Cut(rest, ";"); strings.TrimSpace(part) != "" {
				a.cookie(part)
				a.Close()
			}
		}
	}
	a.Close()
}

// cookie opens the object of one cookie. One without a name has a value only.
func (a *archive) cookie(pair string) {
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		name, value = "", name
	}
	a.parameter(strings.TrimSpace(name), strings.TrimSpace(value))
}

// setCookies writes what a server sets (RFC 6265, section 4.1.1).
func (a *archive) setCookies(list []exchange.Header) {
	a.OpenList("cookies")
	for _, h := range list {
		if len(h.Name) != len("set-cookie") || !strings.EqualFold(h.Name, "set-cookie") {
			continue
		}
		pair, attributes, _ := strings.Cut(h.Value, ";")
		a.cookie(pair)
		a.attributes(attributes)
		a.Close()
	}
	a.Close()
}

// maxAttributes bounds how many attributes of a cookie are looked at.
const maxAttributes = 32

// attributes writes the first of each of the attributes that the format knows.
func (a *archive) attributes(list string) {
	var path, domain, expires, sameSite, maxAge string
	var httpOnly, secure bool
	keep := func(to *string, v string) {
		if *to == "" {
			*to = v
		}
	}
	for n := 0; list != "" && n < maxAttributes; n++ {
		var part string
		part, list, _ = strings.Cut(list, ";")
		name, value, _ := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "path"):
			keep(&path, value)
		case strings.EqualFold(name, "domain"):
			keep(&domain, value)
		case strings.EqualFold(name, "expires"):
			keep(&expires, value)
		case strings.EqualFold(name, "samesite"):
			keep(&sameSite, value)
		case strings.EqualFold(name, "max-age"):
			keep(&maxAge, value)
		case strings.EqualFold(name, "httponly"):
			httpOnly = true
		case strings.EqualFold(name, "secure"):
			secure = true
		}
	}
	a.Str("path", path)
	a.Str("domain", domain)
	a.expires(expires)
	a.True("httpOnly", httpOnly)
	a.True("secure", secure)
	a.Str("sameSite", sameSite)
	a.Str("_maxAge", maxAge)
}

// dates are the forms in which servers write when a cookie ends.
var dates = [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", "Mon, 02-Jan-2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT"}

// expires writes a date in the form that the format wants, or one that cannot be read
// as it was sent, under a name of its own.
func (a *archive) expires(text string) {
	if text == "" {
		return
	}
	for _, form := range dates {
		if t, err := time.Parse(form, text); err == nil && t.Year() >= 1 && t.Year() <= 9999 {
			a.Text("expires", t.Format(time.RFC3339))
			return
		}
	}
	a.Str("_expires", text)
}

// location returns where a response sends the client, "" for nowhere.
func location(list []exchange.Header) string {
	for _, h := range list {
		if strings.EqualFold(h.Name, "location") {
			return h.Value
		}
	}
	return ""
}
