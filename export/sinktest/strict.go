package sinktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Strict says what is wrong with text as one JSON value, beyond what encoding/json
// minds: bytes that are not UTF-8, and a name that an object has twice.
func Strict(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := strictValue(d, ""); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

func strictValue(d *json.Decoder, at string) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		name := "[]"
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			name = key.(string)
			if seen[name] {
				return fmt.Errorf("%s.%s is there twice", at, name)
			}
			seen[name] = true
		}
		if err := strictValue(d, at+"."+name); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
