package expr

// functionTable names every function. To add one: a line here, its code in text.go, number.go or
// time.go, and a line in testdata/functions.
var functionTable = []entry{
	{name: "COALESCE", sig: "COALESCE(x, ...)", help: "the first argument that is not NULL", make: newCoalesce},
	{name: "NULLIF", sig: "NULLIF(x, y)", help: "NULL where x = y, otherwise x", make: newNullif},
}

// functionAliases are other names, each for the one beside it.
var functionAliases = [][2]string{}
