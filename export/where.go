package export

import (
	"fmt"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"recap/pipeline/exchange"
)

// A Filter chooses pairs by an expression over the record, in the language of
// expr-lang.org with the names of [PairSchema]:
//
//	response.status >= 500 && request.host endsWith ".corp"
//	request.header("content-type") contains "json"
//	any(response.headers, .name == "X-Debug") or "te_and_cl" in anomalies
//
// request.header(name) and response.header(name) give the value of the first
// field of that name, in whatever case. Bodies and heads are strings of their
// bytes, times are times, lists of what is not there are empty.
//
// A comparison in which a field is null is false, whatever the operator, so that
// neither response.status == 200 nor response.status != 200 chooses a pair without
// a response; response == nil does.
//
// A Filter takes from a pair what the expression names and nothing else. It is
// used from one goroutine.
type Filter struct {
	source  string
	program *vm.Program
	vm      vm.VM
	cur     Cursor
	slots   []slot
}

// slot is one field that the expression names: groups to move into, then the field.
type slot struct {
	path  []*Field
	field *Field
}

// Names of the functions that fields are turned into. Two underscores cannot begin
// a field's name.
const (
	fnGet    = "__get" // and the type: __getString
	fnHas    = "__has"
	fnHave   = "__have"
	fnHeader = "__header"
)

// NewFilter compiles source. The error shows where in source it is.
func NewFilter(source string) (*Filter, error) {
	f := &Filter{source: source}
	p := &patcher{filter: f, schema: PairSchema()}
	get := func(params ...any) (any, error) { return f.get(params[0].(int)), nil }
	has := func(params ...any) (any, error) { return f.enter(params[0].(int)), nil }
	program, err := expr.Compile(source,
		expr.AsBool(),
		expr.Function(fnGet+"String", get, new(func(int) string)),
		expr.Function(fnGet+"Int", get, new(func(int) int)),
		expr.Function(fnGet+"Bool", get, new(func(int) bool)),
		expr.Function(fnGet+"Time", get, new(func(int) time.Time)),
		expr.Function(fnGet+"List", get, new(func(int) []any)),
		expr.Function(fnHas, has, new(func(int) bool)),
		expr.Function(fnHave, have, new(func(...any) bool)),
		expr.Function(fnHeader+"_request", f.header(func(p *exchange.Pair) *exchange.Message { return &p.Request.Message }), new(func(string) string)),
		expr.Function(fnHeader+"_response", f.header(func(p *exchange.Pair) *exchange.Message { return &p.Response.Message }), new(func(string) string)),
		expr.Patch(p),
		expr.Patch((*leftovers)(p)),
	)
	if bad := p.fault(); bad != nil {
		err = bad.Bind(file.NewSource(source))
	}
	if err != nil {
		return nil, fmt.Errorf("where: %w", err)
	}
	f.program = program
	return f, nil
}

// String returns the source.
func (f *Filter) String() string { return f.source }

// Match reports whether p is chosen.
func (f *Filter) Match(p *exchange.Pair) (bool, error) {
	f.cur.Pair(p)
	out, err := f.vm.Run(f.program, nil)
	f.cur.Release()
	if err != nil {
		return false, fmt.Errorf("where: pair %v: %w", p.ID, err)
	}
	b, _ := out.(bool)
	return b, nil
}

func (f *Filter) enter(i int) bool {
	for _, g := range f.slots[i].path {
		if g.Enter != nil && !g.Enter(&f.cur) {
			return false
		}
	}
	return true
}

func (f *Filter) get(i int) any {
	s := &f.slots[i]
	if f.enter(i) {
		if v := value(s.field, &f.cur); v != nil {
			return v
		}
	}
	switch s.field.Type {
	case List:
		return []any{}
	case Bool:
		return false
	}
	return nil
}

// value is [Field.Value] in the types that expressions like: int for integers,
// strings for bytes.
func value(f *Field, c *Cursor) any {
	switch f.Type {
	case Bytes:
		b, ok := f.Raw(c)
		if !ok {
			return nil
		}
		// Without a copy: the expression is done with it before the pair is.
		return Peek(b)
	case Int32, Int64:
		if v, ok := f.Int(c); ok {
			return int(v)
		}
		return nil
	case Time:
		if v, ok := f.Int(c); ok {
			return time.Unix(0, v).UTC()
		}
		return nil
	case List:
		l := make([]any, f.Len(c))
		for i := range l {
			f.At(c, i)
			l[i] = value(&f.Fields[0], c)
		}
		return l
	case Struct:
		if f.Enter != nil && !f.Enter(c) {
			return nil
		}
		m := make(map[string]any, len(f.Fields))
		for i := range f.Fields {
			m[f.Fields[i].Name] = value(&f.Fields[i], c)
		}
		return m
	}
	return f.Value(c)
}

func (f *Filter) header(of func(*exchange.Pair) *exchange.Message) func(...any) (any, error) {
	return func(params ...any) (any, error) {
		name := params[0].(string)
		for _, h := range of(f.cur.pair).Headers {
			if strings.EqualFold(h.Name, name) {
				return h.Value, nil
			}
		}
		return nil, nil
	}
}

// have reports whether none of the values is null.
func have(params ...any) (any, error) {
	for _, v := range params {
		if v == nil {
			return false, nil
		}
	}
	return true, nil
}

// patcher turns names of the schema into calls, and comparisons into ones that are
// false where a side is null. The tree is walked from the leaves up.
type patcher struct {
	filter *Filter
	schema []Field
	first  *file.Error
	names  []*ast.IdentifierNode // seen when all is patched
	vars   map[string]bool
}

func (p *patcher) fail(n ast.Node, format string, args ...any) {
	if p.first == nil {
		p.first = &file.Error{Location: n.Location(), Message: fmt.Sprintf(format, args...)}
	}
}

// Visit implements [ast.Visitor].
func (p *patcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if path, f := p.lookup(n); f != nil && f.Type != Struct {
			p.get(node, path, f)
		}
	case *ast.MemberNode:
		p.member(node, n)
	case *ast.BinaryNode:
		p.binary(node, n)
	}
}

// lookup finds the field that a chain of names stands for: the groups around it and itself.
func (p *patcher) lookup(n ast.Node) (path []*Field, f *Field) {
	switch n := n.(type) {
	case *ast.ChainNode:
		return p.lookup(n.Node)
	case *ast.IdentifierNode:
		return nil, find(p.schema, n.Value)
	case *ast.MemberNode:
		outer, g := p.lookup(n.Node)
		name, ok := n.Property.(*ast.StringNode)
		if g == nil || g.Type != Struct || !ok {
			return nil, nil
		}
		return append(outer, g), find(g.Fields, name.Value)
	}
	return nil, nil
}

func find(fields []Field, name string) *Field {
	for i := range fields {
		if fields[i].Name == name && fields[i].Use&InJSON == 0 {
			return &fields[i]
		}
	}
	return nil
}

func (p *patcher) member(node *ast.Node, n *ast.MemberNode) {
	path, f := p.lookup(n)
	switch {
	case f != nil && f.Type != Struct:
		p.get(node, path, f)
	case f == nil && path != nil:
		name := n.Property.(*ast.StringNode).Value
		outer := path[len(path)-1].Name
		if name == "header" && len(path) == 1 && (outer == "request" || outer == "response") {
			ast.Patch(node, &ast.IdentifierNode{Value: fnHeader + "_" + outer})
			return
		}
		p.fail(n, "%s has no field %q", outer, name)
	}
}

// get puts a call in the place of a field.
func (p *patcher) get(node *ast.Node, path []*Field, f *Field) {
	kind := map[Type]string{
		String: "String", Bytes: "String", Int32: "Int", Int64: "Int", Bool: "Bool", Time: "Time", List: "List",
	}[f.Type]
	p.call(node, fnGet+kind, path, f)
}

func (p *patcher) call(node *ast.Node, name string, path []*Field, f *Field) {
	p.filter.slots = append(p.filter.slots, slot{path: path, field: f})
	at := &ast.IntegerNode{Value: len(p.filter.slots) - 1}
	at.SetLocation((*node).Location())
	callee := &ast.IdentifierNode{Value: name}
	callee.SetLocation((*node).Location())
	ast.Patch(node, &ast.CallNode{Callee: callee, Arguments: []ast.Node{at}})
}

var compared = map[string]bool{
	"==": true, "!=": true, "<": true, "<=": true, ">": true, ">=": true,
	"contains": true, "startsWith": true, "endsWith": true, "matches": true, "in": true,
}

func (p *patcher) binary(node *ast.Node, n *ast.BinaryNode) {
	if !compared[n.Operator] {
		return
	}
	if n.Operator == "==" || n.Operator == "!=" {
		if _, ok := n.Right.(*ast.NilNode); ok {
			p.presence(node, n, n.Left)
			return
		}
		if _, ok := n.Left.(*ast.NilNode); ok {
			p.presence(node, n, n.Right)
			return
		}
	}
	refs := nullable(n.Right, nullable(n.Left, nil))
	if len(refs) == 0 {
		return
	}
	guard := &ast.CallNode{Callee: &ast.IdentifierNode{Value: fnHave}, Arguments: refs}
	guard.SetLocation(n.Location())
	not := &ast.BoolNode{Value: false}
	ast.Patch(node, &ast.ConditionalNode{Ternary: true, Cond: guard, Exp1: n, Exp2: not})
}

// presence makes "group == nil" a question; fields compare with nil as they are.
func (p *patcher) presence(node *ast.Node, n *ast.BinaryNode, side ast.Node) {
	path, f := p.lookup(side)
	if f == nil || f.Type != Struct {
		return
	}
	equal := n.Operator == "=="
	p.call(node, fnHas, append(path, f), f)
	if equal {
		ast.Patch(node, &ast.UnaryNode{Operator: "not", Node: *node})
	}
}

// nullable appends the parts of n that may be null and decide what n is.
func nullable(n ast.Node, refs []ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.CallNode:
		if c, ok := n.Callee.(*ast.IdentifierNode); ok && (strings.HasPrefix(c.Value, fnGet) || strings.HasPrefix(c.Value, fnHeader)) {
			return append(refs, n)
		}
		for _, a := range n.Arguments {
			refs = nullable(a, refs)
		}
	case *ast.MemberNode:
		if _, ok := n.Node.(*ast.PointerNode); ok {
			return append(refs, n)
		}
		refs = nullable(n.Node, refs)
	case *ast.ChainNode:
		refs = nullable(n.Node, refs)
	case *ast.UnaryNode:
		refs = nullable(n.Node, refs)
	case *ast.SliceNode:
		refs = nullable(n.Node, refs)
	case *ast.PointerNode:
		return append(refs, n)
	case *ast.BinaryNode:
		if n.Operator != "??" {
			refs = nullable(n.Right, nullable(n.Left, refs))
		}
	case *ast.BuiltinNode:
		for _, a := range n.Arguments {
			refs = nullable(a, refs) // a predicate is none of the above
		}
	}
	return refs
}

// leftovers finds the names that no field explains, once all is patched.
type leftovers patcher

// Visit implements [ast.Visitor].
func (l *leftovers) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if !strings.HasPrefix(n.Value, "__") {
			l.names = append(l.names, n)
		}
	case *ast.VariableDeclaratorNode:
		if l.vars == nil {
			l.vars = make(map[string]bool)
		}
		l.vars[n.Name] = true
	}
}

func (p *patcher) fault() *file.Error {
	for _, n := range p.names {
		switch f := find(p.schema, n.Value); {
		case p.vars[n.Value]:
		case f != nil:
			p.fail(n, "%s is a group: name one of its fields, or compare it with nil", n.Value)
		default:
			p.fail(n, "unknown field %q", n.Value)
		}
	}
	return p.first
}
