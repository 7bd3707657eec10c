package prompt

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// command completes a backslash or dot command and its argument.
func (c *completer) command(line string) completion {
	head := strings.TrimLeft(line, " ")
	skip := len(line) - len(head)
	name, arg, behindName := strings.Cut(head, " ")
	if !behindName {
		var list []candidate
		if strings.HasPrefix(head, ".") {
			for dot := range dots {
				list = append(list, candidate{dot, "command"})
			}
			sort.Slice(list, func(i, j int) bool { return list[i].text < list[j].text })
		} else {
			for _, cmd := range commands() {
				list = append(list, candidate{cmd.name, "command"})
			}
		}
		return completion{from: skip, list: matching(list, head)}
	}
	if to := dots[name]; to != "" {
		to, more, _ := strings.Cut(to, " ")
		name = to
		if more != "" { // .mode is \pset format
			return c.values(line, settingValues[more])
		}
	}
	word := arg[strings.LastIndexByte(arg, ' ')+1:]
	from := len(line) - len(word)
	switch name {
	case `\d`, `\dt`, `\ds`, `\dm`, `\plan`, `\tail`:
		return completion{from: from, list: matching(c.kinds(name), word)}
	case `\i`, `\o`, `\e`, `\once`:
		return completion{from: from, list: files(word)}
	case `\x`:
		return c.values(line, []string{"on", "off", "auto"})
	case `\timing`, `\headers`:
		return c.values(line, []string{"on", "off"})
	case `\pset`:
		if setting, _, given := strings.Cut(strings.TrimLeft(arg, " "), " "); given {
			return c.values(line, settingValues[setting])
		}
		return c.values(line, c.settings())
	case `\?`:
		var list []candidate
		for _, cmd := range commands() {
			list = append(list, candidate{cmd.name, "command"})
		}
		return completion{from: from, list: matching(list, word)}
	case `\h`:
		var list []candidate
		for _, f := range forms {
			list = append(list, candidate{f.name, "statement"})
		}
		return completion{from: len(line) - len(arg), list: matching(list, arg)}
	case `\live`, `\explain`:
		p := c.complete("", arg, len(arg))
		p.from += len(line) - len(arg)
		return p
	case `\copy`:
		if open := strings.IndexByte(arg, '('); open >= 0 && !strings.Contains(arg, ")") {
			p := c.complete("", arg[open+1:], len(arg)-open-1)
			p.from += len(line) - len(arg) + open + 1
			return p
		}
		return completion{from: from, list: files(word)}
	}
	return completion{}
}

var settingValues = map[string][]string{
	"format": Formats, "border": {"0", "1", "2"}, "wrap": {"on", "off"}, "pager": {"on", "off"},
	"separators": {"on", "off"}, "rows": {"on", "off"}, "expanded": {"on", "off", "auto"}, "timing": {"on", "off"},
}

func (c *completer) values(line string, values []string) completion {
	word := line[strings.LastIndexByte(line, ' ')+1:]
	var list []candidate
	for _, v := range values {
		list = append(list, candidate{v, "value"})
	}
	return completion{from: len(line) - len(word), list: matching(list, word)}
}

// kinds are the names that a command takes.
func (c *completer) kinds(name string) []candidate {
	only := map[string]string{`\dt`: "table", `\ds`: "stream", `\dm`: "metric"}[name]
	var list []candidate
	for _, r := range c.named() {
		if (only == "" || r.kind == only) && !(name == `\tail` && r.kind == "table") {
			list = append(list, r)
		}
	}
	return list
}

// files lists the files whose names begin with a word; folders end with a slash.
func files(word string) []candidate {
	dir, base := filepath.Split(word)
	entries, err := os.ReadDir(orElse(home(dir), "."))
	if err != nil {
		return nil
	}
	var list []candidate
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), base) || strings.HasPrefix(e.Name(), ".") && base == "" || strings.ContainsAny(e.Name(), " \x1b\n") {
			continue
		}
		if e.IsDir() {
			list = append(list, candidate{dir + e.Name() + "/", "folder"})
		} else {
			list = append(list, candidate{dir + e.Name(), "file"})
		}
	}
	return list
}
