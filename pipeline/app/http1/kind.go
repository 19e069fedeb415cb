package http1

import (
	"recap/pipeline/app"
	"recap/pipeline/exchange"
)

func kind(m *meta, p *exchange.Pair) string {
	return app.Kind(p, m.websocket && p.Response.Status == 101)
}
