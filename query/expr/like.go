package expr

func newLike(op string, l, r Node) (Node, error) { return nil, typeError("", "no %s yet", op) }
func newConcat(l, r Node) (Node, error)          { return nil, typeError("", "no || yet") }
