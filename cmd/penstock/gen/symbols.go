package gen

// maxSymbols is how many names of four letters there are, less those that the list below takes.
const maxSymbols = 400_000

type symbol struct {
	name  string
	cents int64 // the price around which orders trade
}

// known come first, so that a small market reads like one.
var known = []string{
	"AAPL", "NVDA", "MSFT", "EPE", "TSLA", "AMZN", "MCO", "NFLX", "INTC", "IBM",
	"ORCL", "CSCO", "GE", "KO", "PEP", "DIS", "NKE", "MCD", "CAT", "BA",
	"XOM", "CVX", "PFE", "JNJ", "MRK", "T", "VZ", "F", "GM", "UPS",
	"FDX", "DE", "MMM", "HON", "LMT", "SBUX", "COST", "WMT", "TGT", "HD",
}

// symbols returns n different symbols in the order of how often they are traded.
func symbols(n int) []symbol {
	list := make([]symbol, 0, n)
	taken := make(map[string]bool, len(known))
	add := func(name string) {
		// Between 1.00 and 100.00, from the name, so that a symbol costs the same in every run.
		h := uint64(14695981039346656037)
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * 1099511628211
		}
		list = append(list, symbol{name: name, cents: 100 + below(h, 9901)})
	}
	for _, name := range known[:min(n, len(known))] {
		taken[name] = true
		add(name)
	}
	names := newScatter(26 * 26 * 26 * 26)
	for i := uint64(0); len(list) < n; i++ {
		v := uint64(names.of(i))
		name := string([]byte{'A' + byte(v/17576%26), 'A' + byte(v/676%26), 'A' + byte(v/26%26), 'A' + byte(v%26)})
		if !taken[name] {
			add(name)
		}
	}
	return list
}
