package core

import (
	"slices"

	"penstock/query/plan"
)

// Memory is what a fold partition holds in memory, in bytes, about, and what bounds it.
type Memory struct {
	Rows, RowsLimit int // rows of tables and windows
	Open, OpenLimit int // open panes, and what the next flush holds of them
	Tops            int // the best rows of metrics with LIMIT
}

// Dirty is how many rows the flush being gathered changes.
func (f *Fold) Dirty() int { return f.dirty() }

// Memory counts what the partition holds. It walks over its panes and windows, not over rows.
func (f *Fold) Memory() Memory {
	m := Memory{RowsLimit: f.cacheBytes, OpenLimit: f.openBytes}
	for _, t := range f.tables {
		for _, g := range t.spare {
			m.Open += g.memory()
		}
		for _, o := range t.open {
			m.Open += cap(o.fresh)
			if !o.spilled {
				m.Open += o.g.memory()
			}
		}
		for _, v := range t.views {
			m.Rows += v.rows.g.memory()
			for _, tp := range v.tops {
				if tp != nil {
					m.Tops += tp.memory()
				}
			}
		}
	}
	return m
}

// memory is about what the kept rows take: twice their order and their key, as strings.
func (tp *top) memory() int {
	n := 0
	for k, s := range tp.keys {
		n += 2*(len(k)+len(s)) + 96
	}
	return n
}

// shrinkRows lets go of rows until what is left fits: those of the largest tables first, since every
// row of theirs is the least likely to be needed next. Rows that are not written yet stay.
func (f *Fold) shrinkRows(limit int) error {
	var list []*rowCache
	total := 0
	for _, t := range f.tables {
		for _, v := range t.views {
			list, total = append(list, v.rows), total+v.rows.g.used()
		}
	}
	if total <= limit {
		return nil
	}
	slices.SortFunc(list, func(a, b *rowCache) int { return b.g.used() - a.g.used() })
	for _, c := range list {
		if total <= limit {
			return nil
		}
		total -= c.g.used()
		if err := c.shrink(); err != nil {
			return err
		}
		total += c.g.used()
	}
	return nil
}

// Rest gives back what is only kept to be quick: rows that the store has too, and memory for groups to
// come. It is for a partition that has had nothing to do for a while, and changes no result.
func (f *Fold) Rest() error {
	for _, t := range f.tables {
		t.spare = nil
		for _, v := range t.views {
			if len(v.rows.dirty) > 0 || v.rows.writes {
				continue
			}
			if err := v.rows.shrink(); err != nil {
				return err
			}
			v.rows.g, v.rows.wanted = t.newRows(), wanted{}
		}
	}
	f.scratches = map[*foldTable]*groups{}
	return nil
}

// Rest gives back the memory for groups to come. It is for a stream that has been silent for a while.
func (r *Router) Rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.parts {
		p.rest()
	}
}

func (p *RoutePartition) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tables {
		if t.g.len() == 0 {
			t.g, t.home = newGroups(partialAccs(t.plan, t.shape.kind != plan.NoWindow), true), -1
		}
	}
}
