package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// maxFlat bounds what is shown of findings whose meaning is not known here.
const maxFlat = 60

type property struct{ name, value string }

// flatten turns findings of any shape into names and values, as replay.json has
// them: "batches.sent 12". Elements of lists are counted, not shown.
func flatten(v any) []property {
	text, err := json.Marshal(v)
	if err != nil {
		return []property{{"findings", plain(err.Error())}}
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return []property{{"findings", plain(err.Error())}}
	}
	var list []property
	walk("", tree, &list)
	return list
}

func walk(name string, v any, list *[]property) {
	if len(*list) == maxFlat {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for n := range v {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			under := plain(n)
			if name != "" {
				under = name + "." + under
			}
			walk(under, v[n], list)
		}
	case []any:
		if len(v) > 0 {
			*list = append(*list, property{name, fmt.Sprintf("%d entries", len(v))})
		}
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if v == float64(int64(v)) {
			text = number(int64(v))
		}
		*list = append(*list, property{name, text})
	default:
		*list = append(*list, property{name, plain(fmt.Sprint(v))})
	}
}
