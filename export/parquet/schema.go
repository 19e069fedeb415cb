package parquet

import (
	"fmt"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"recap/export"
)

// node is an export.Field with its place in the column tree. Definition and
// repetition levels are those of Dremel as Parquet uses them: def counts the
// optional and repeated ancestors that are there, rep says at which repeated
// ancestor a value begins a new element.
type node struct {
	*export.Field
	children []node
	lo, hi   int   // columns below it
	def      uint8 // level when this node is there
	rep      uint8 // of a List: level of its second and later elements
}

// layout is a schema made ready: the tree to walk, the columns and what the footer says of them.
type layout struct {
	nodes    []node
	columns  []*column
	elements []format.SchemaElement
}

func newLayout(fields []export.Field) *layout {
	l := &layout{}
	l.elements = append(l.elements, format.SchemaElement{
		Name: "schema", NumChildren: thrift.New(int32(count(fields))),
	})
	l.nodes = l.build(fields, nil, 0, 0)
	return l
}

// count returns how many of the fields are written to Parquet.
func count(fields []export.Field) (n int) {
	for i := range fields {
		if fields[i].Use&export.InJSON == 0 {
			n++
		}
	}
	return n
}

func (l *layout) build(fields []export.Field, path []string, def, rep uint8) []node {
	var nodes []node
	for i := range fields {
		if f := &fields[i]; f.Use&export.InJSON == 0 {
			nodes = append(nodes, l.node(f, append(path[:len(path):len(path)], f.Name), def, rep))
		}
	}
	return nodes
}

func (l *layout) node(f *export.Field, path []string, def, rep uint8) node {
	n := node{Field: f, lo: len(l.columns), def: def, rep: rep}
	e := format.SchemaElement{Name: f.Name, RepetitionType: thrift.New(format.Required)}
	if f.Null {
		n.def++
		e.RepetitionType = thrift.New(format.Optional)
	}
	switch f.Type {
	case export.Struct:
		e.NumChildren = thrift.New(int32(count(f.Fields)))
		l.elements = append(l.elements, e)
		n.children = l.build(f.Fields, path, n.def, rep)
	case export.List:
		// The three-level form, LogicalTypes.md "Lists": group (LIST), repeated group
		// list, element. The list itself is always there.
		e.NumChildren = thrift.New(int32(1))
		e.LogicalType.Value = &format.ListType{}
		e.ConvertedType = thrift.New(deprecated.List)
		l.elements = append(l.elements, e, format.SchemaElement{
			Name: "list", RepetitionType: thrift.New(format.Repeated), NumChildren: thrift.New(int32(1)),
		})
		n.def++
		n.rep++
		n.children = []node{l.node(&f.Fields[0], append(path[:len(path):len(path)], "list", f.Fields[0].Name), n.def, n.rep)}
	default:
		c := &column{field: f, path: path, maxDef: n.def, maxRep: rep}
		c.kind, e = leaf(f.Type, e)
		l.elements = append(l.elements, e)
		l.columns = append(l.columns, c)
	}
	n.hi = len(l.columns)
	return n
}

// leaf returns the physical type of t and completes e with the annotations that go with it.
func leaf(t export.Type, e format.SchemaElement) (format.Type, format.SchemaElement) {
	var kind format.Type
	switch t {
	case export.String:
		kind = format.ByteArray
		e.LogicalType.Value = &format.StringType{}
		e.ConvertedType = thrift.New(deprecated.UTF8)
	case export.Bytes:
		kind = format.ByteArray
	case export.Int32:
		kind = format.Int32
	case export.Int64:
		kind = format.Int64
	case export.Bool:
		kind = format.Boolean
	case export.Time:
		kind = format.Int64
		e.LogicalType.Value = &format.TimestampType{
			IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: &format.MicroSeconds{}},
		}
		e.ConvertedType = thrift.New(deprecated.TimestampMicros)
	default:
		panic(fmt.Sprintf("parquet: %v is not a leaf", t))
	}
	e.Type = thrift.New(kind)
	return kind, e
}
