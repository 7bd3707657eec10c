package syntax

// Defined returns the names that the CREATE statements of a text define, also of statements
// that do not parse, so that one fault is not reported again wherever the name is used. The word
// after CREATE may be misspelt.
func Defined(text string) []*Ident {
	var out []*Ident
	tokens := withoutComments(lexFile(text))
	for i, t := range tokens {
		if t.class != classReserved || t.value != "CREATE" {
			continue
		}
		i += 2
		if i < len(tokens) && tokens[i].value == "VIEW" {
			i++
		}
		if i < len(tokens) {
			switch n := tokens[i]; n.class {
			case classIdent, classQuoted, classWord, classLabel:
				out = append(out, n.ident())
			}
		}
	}
	return out
}
