package report

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"recap/replay"
	"recap/replay/http"
)

// Every name of replay.json stands in docs/replay.md.
func TestTheDocNamesEveryField(t *testing.T) {
	text, err := os.ReadFile("../../docs/replay.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var look func(reflect.Type)
	look = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			look(typ.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		if seen[typ] || !strings.HasPrefix(typ.PkgPath(), "recap/") {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" && !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("docs/replay.md does not name %q of %s", name, typ)
			}
			look(f.Type)
		}
	}
	look(reflect.TypeFor[replay.Result]())
	look(reflect.TypeFor[http.Findings]())
}
