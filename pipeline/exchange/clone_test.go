package exchange

import (
	"reflect"
	"testing"
	"unsafe"
)

// Every string and every slice of a pair must be copied, also those of fields that are
// added later: the test fills them by reflection, over memory that it then overwrites.
func TestCloneSharesNothing(t *testing.T) {
	var buffers [][]byte
	var fill func(v reflect.Value, depth int)
	fill = func(v reflect.Value, depth int) {
		switch v.Kind() {
		case reflect.String:
			b := []byte("text")
			buffers = append(buffers, b)
			v.SetString(unsafe.String(&b[0], len(b)))
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			if v.Type().Elem().Kind() == reflect.Uint8 {
				b := []byte("data")
				buffers = append(buffers, b)
				v.SetBytes(b)
				return
			}
			fill(v.Index(0), depth+1)
		case reflect.Pointer:
			if v.Type() != reflect.TypeFor[*Conn]() && depth > 0 {
				v.Set(reflect.New(v.Type().Elem()))
				fill(v.Elem(), depth+1)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && f.Name != "Scratch" && f.Name != "Vantages" {
					fill(v.Field(i), depth+1)
				}
			}
		}
	}
	p := new(Pair)
	fill(reflect.ValueOf(p).Elem(), 0)
	c := p.Clone()
	if !reflect.DeepEqual(p, c) {
		t.Fatalf("the clone differs: %+v, want %+v", c, p)
	}
	for _, b := range buffers {
		copy(b, "XXXX")
	}
	// What the clone holds must still be what a fresh pair has.
	want := new(Pair)
	fill(reflect.ValueOf(want).Elem(), 0)
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the clone shares memory: %+v", c)
	}
}
