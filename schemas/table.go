package schemas

import (
	_ "embed" // catalogue.txt
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed catalogue.txt
var catalogueText string

// A paragraph is what catalogue.txt says of one resource.
type paragraph struct {
	resource Resource
	editions map[Edition]string // how to poll: "@every 10s; lists archived deleted"
	fields   []typedField
}

type typedField struct {
	Field
	edition Edition // "" for both
}

// A table is one edition of the catalogue.
type table struct {
	specs  []Spec
	index  map[Resource]int // into specs
	fields map[Resource][]Field
}

// The text is part of the program: a fault in it is a fault of the build, and every test of this package meets it.
var (
	paragraphs = sync.OnceValue(func() []paragraph {
		list, err := parseCatalogue(catalogueText)
		if err != nil {
			panic("schemas: catalogue.txt: " + err.Error())
		}
		return list
	})
	tables = sync.OnceValue(func() map[Edition]table {
		all, err := tabulate(paragraphs())
		if err != nil {
			panic("schemas: catalogue.txt: " + err.Error())
		}
		return all
	})
)

func parseCatalogue(text string) ([]paragraph, error) {
	var list []paragraph
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, " \n")
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0][0] == '#':
			continue
		case line[0] != ' ':
			list = append(list, paragraph{resource: Resource(line), editions: map[Edition]string{}})
			continue
		case len(list) == 0:
			return nil, fmt.Errorf("line %d: no resource yet", n)
		}
		p := &list[len(list)-1]
		if err := p.add(words); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", n, p.resource, err)
		}
	}
	return list, nil
}

// add takes in one line of the paragraph: an edition, or a field.
func (p *paragraph) add(words []string) error {
	if edition := Edition(words[0]); isEdition(edition) {
		p.editions[edition] = strings.Join(words[1:], " ")
		return nil
	}
	if len(words) != 2 && len(words) != 3 {
		return fmt.Errorf("a field has a name, a type and perhaps an edition, not %q", words)
	}
	f := typedField{Field: Field{Name: words[0], Type: FieldType(words[1])}}
	if !slices.Contains(FieldTypes(), f.Type) {
		return fmt.Errorf("%s: no type %q", f.Name, f.Type)
	}
	if len(words) == 3 {
		f.edition = Edition(words[2])
		if !isEdition(f.edition) {
			return fmt.Errorf("%s: no edition %q", f.Name, words[2])
		}
	}
	p.fields = append(p.fields, f)
	return nil
}

func isEdition(e Edition) bool { return e == Edition2017 || e == Edition2025 }

func tabulate(list []paragraph) (map[Edition]table, error) {
	all := map[Edition]table{}
	for _, edition := range []Edition{Edition2017, Edition2025} {
		t := table{index: map[Resource]int{}, fields: map[Resource][]Field{}}
		for _, p := range list {
			how, ok := p.editions[edition]
			if !ok {
				continue
			}
			spec := Spec{Resource: p.resource, Edition: edition}
			for _, f := range p.fields {
				if f.edition == "" || f.edition == edition {
					t.fields[p.resource] = append(t.fields[p.resource], f.Field)
					spec.Fields = append(spec.Fields, f.Name)
				}
			}
			slices.Sort(spec.Fields)
			if err := spec.read(how); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", p.resource, edition, err)
			}
			t.index[p.resource] = len(t.specs)
			t.specs = append(t.specs, spec)
		}
		all[edition] = t
	}
	return all, nil
}
