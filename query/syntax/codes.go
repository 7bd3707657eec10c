package syntax

// The codes of the parser's diagnostics. A code keeps its meaning for ever; new ones go to the
// end. The planner's begin with P11.
const (
	CodeExpected  = "P1001" // something else was expected here
	CodeOpen      = "P1002" // a quote, name or comment that is not closed
	CodeParen     = "P1003" // parentheses that do not pair
	CodeCharacter = "P1004" // a character or operator that the language has not
	CodeName      = "P1005" // a reserved word or nothing at all where a name belongs
	CodeNumber    = "P1006" // a number that is none, or not of the right kind
	CodeChain     = "P1007" // a < b < c
	CodeClause    = "P1008" // a clause twice, in the wrong place, or with the wrong parts
	CodeUnit      = "P1009" // a length of time without a unit that has a fixed length
	CodeType      = "P1010" // an unknown type, or one with the wrong arguments
	CodeEscape    = "P1011" // a bad escape in E'..'
	CodeLimit     = "P1012" // too deep, too long or too large
	CodeForeign   = "P1013" // SQL that other systems have and this language has not
)
