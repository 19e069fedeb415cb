package app

import (
	"bytes"
	"encoding/xml"
	"mime"
	"strings"

	"recap/pipeline/exchange"
)

// soapCall reads action and version: of SOAP 1.1 from SOAPAction, of 1.2 from the
// parameter of the media type, and else the name of the first element of the body.
func soapCall(r *exchange.Request) exchange.Call {
	c := exchange.Call{Version: "1.1", Batch: 1}
	if envelope := envelopeVersion(r.Body); envelope == "1.2" || envelope == "" && startsFold(r.ContentType, "application/soap+xml") {
		c.Version = "1.2"
	}
	if c.Version == "1.2" {
		c.Operation = actionParameter(r.ContentType)
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

// actionParameter returns the parameter of a media type that names the action (RFC 3902).
// Many senders write a URI there without the quotes that it needs.
func actionParameter(contentType string) string {
	if _, params, err := mime.ParseMediaType(contentType); err == nil {
		return params["action"]
	}
	for one := range strings.SplitSeq(contentType, ";") {
		if name, value, ok := strings.Cut(strings.TrimSpace(one), "="); ok && fold(name, "action") {
			return strings.Trim(value, `" `)
		}
	}
	return ""
}

// maxEnvelope is how much of a body is searched for the beginning of an envelope, bytes.
const maxEnvelope = 2 << 10

// envelopeVersion returns the version of the SOAP envelope that b, or its first part,
// begins with; "" for none.
func envelopeVersion(b []byte) string {
	b = b[:min(len(b), maxEnvelope)]
	switch {
	case !bytes.Contains(b, []byte("Envelope")):
	case bytes.Contains(b, []byte("schemas.xmlsoap.org/soap/envelope")):
		return "1.1"
	case bytes.Contains(b, []byte("www.w3.org/2003/05/soap-envelope")):
		return "1.2"
	}
	return ""
}

// isEnvelope reports whether b, the body of a request of an XML type, is a SOAP envelope,
// alone or with attachments behind it (SOAP with Attachments, MTOM).
func isEnvelope(mediaType string, b []byte) bool {
	return (fold(mediaType, "text/xml") || fold(mediaType, "application/xml") || fold(mediaType, "multipart/related")) && envelopeVersion(b) != ""
}
