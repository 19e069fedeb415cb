package export

import "slices"

// Without returns fields without those of the given names. A dot stands between the
// name of a group, or of a list of groups, and that of a field in it. The fields
// themselves are left as they are.
func Without(fields []Field, names ...string) []Field { return without(fields, "", names) }

func without(fields []Field, prefix string, names []string) []Field {
	var out []Field
	for _, f := range fields {
		if slices.Contains(names, prefix+f.Name) {
			continue
		}
		switch {
		case f.Type == Struct:
			f.Fields = without(f.Fields, prefix+f.Name+".", names)
		case f.Type == List && f.Fields[0].Type == Struct:
			element := f.Fields[0]
			element.Fields = without(element.Fields, prefix+f.Name+".", names)
			f.Fields = []Field{element}
		}
		out = append(out, f)
	}
	return out
}

// Only returns the field of that name out of fields, which must hold it.
func Only(fields []Field, name string) Field { return *find(fields, name) }
