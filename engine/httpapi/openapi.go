package httpapi

import (
	_ "embed" // the description is a file
	"net/http"
)

//go:embed openapi.json
var openapiJSON []byte

// openapi describes the routes; a test holds it against them.
func (s *Server) openapi(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", asJSON)
	_, _ = w.Write(openapiJSON) // the client may be gone
}
