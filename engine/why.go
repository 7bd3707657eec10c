package engine

import (
	"context"
	"errors"
)

// Why is what holds a metric's results back.
type Why struct {
	Name string
}

func (e *Engine) explainWhy(context.Context, string) (*Answer, error) {
	return nil, errors.New("not here")
}
