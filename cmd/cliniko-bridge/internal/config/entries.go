package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// An entry is one key of a mapping with what stands behind it.
type entry struct {
	name string
	line int
	path string
	node *yaml.Node
}

// entries returns the entries of the mapping n in their order, those that it merges ("<<: *other") behind its own.
// None if n is no mapping, and then hint is part of the fault. Each entry's line is noted under its path.
func (r *reader) entries(n *yaml.Node, path, hint string) []entry {
	line := n.Line
	if n = r.resolve(n); n == nil || n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fault(line, path, "must be a section; "+hint)
		return nil
	}
	list := r.collect(n, path, map[string]int{}, 0)
	for _, e := range list {
		r.lines[e.path] = e.line
	}
	return list
}

// deepestMerge is how many merges may stand in one another: a mapping can merge itself.
const deepestMerge = 4

// collect returns n's entries and those of its merges, without the names in seen, to which it adds. A name twice in
// one mapping is a fault; a merged name that is there already is none, since that is what merging is for.
func (r *reader) collect(n *yaml.Node, path string, seen map[string]int, depth int) []entry {
	var list []entry
	var merges []*yaml.Node
	own := map[string]int{}
	if !r.spend(len(n.Content)/2, n.Line) {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode:
			r.fault(k.Line, path, "a key must be a plain word, such as accounts")
			continue
		case k.Tag == "!!merge":
			merges = append(merges, v)
			continue
		case own[k.Value] > 0:
			r.fault(k.Line, join(path, k.Value), fmt.Sprintf("is given twice, first in line %d; keep one of them", own[k.Value]))
			continue
		}
		own[k.Value] = k.Line
		if seen[k.Value] == 0 {
			seen[k.Value] = k.Line
			list = append(list, entry{name: k.Value, line: k.Line, path: join(path, k.Value), node: v})
		}
	}
	for _, m := range merges {
		list = append(list, r.merged(m, path, seen, depth+1)...)
	}
	return list
}

// merged returns the entries of m, a mapping or a list of mappings behind "<<".
func (r *reader) merged(m *yaml.Node, path string, seen map[string]int, depth int) []entry {
	line := m.Line
	if m = r.resolve(m); m == nil {
		return nil
	}
	switch {
	case depth > deepestMerge:
		r.fault(line, path, "merges too many sections within one another; write them out")
		return nil
	case m.Kind == yaml.MappingNode:
		return r.collect(m, path, seen, depth)
	case m.Kind == yaml.SequenceNode:
		var list []entry
		for _, item := range m.Content {
			list = append(list, r.merged(item, path, seen, depth+1)...)
		}
		return list
	default:
		r.fault(line, path, "<< must name a section: <<: *anchor")
		return nil
	}
}
