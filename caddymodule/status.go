package caddymodule

import (
	"io"
	"os"
	"runtime/debug"

	"github.com/caddy-kline/caddy-kline/pipeline"
)

// modulePath is where our version stands in the build information.
const modulePath = "github.com/caddy-kline/caddy-kline"

// statusBody is the answer of /v1/status and of the admin endpoint.
type statusBody struct {
	// Version is that of the module, "(devel)" in a build from a checkout.
	Version string `json:"version"`
	pipeline.Status
	// Streams is the number of open event streams of this process.
	Streams int `json:"streams"`
	// Heartbeat is the longest silence on a stream, ms: whoever reads one need not take less for a loss. It is 0 without a
	// kline_stream.
	Heartbeat int64 `json:"heartbeat_ms"`
	// Draining tells that streams are being ended.
	Draining bool `json:"draining"`
	// Uploads tells that a site takes modules, so that a page need not ask a route that may not be there.
	Uploads bool `json:"uploads"`
}

func (e *engine) statusBody() statusBody {
	return statusBody{
		Version: version(), Status: e.status(), Streams: engines.openStreams(), Heartbeat: e.streams.silence().Milliseconds(),
		Draining: e.streams.draining(), Uploads: e.uploads.Load() > 0,
	}
}

// version reads the version of our module from the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	if info.Main.Path == modulePath && info.Main.Version != "" {
		return info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path == modulePath {
			return dep.Version
		}
	}
	return "(devel)"
}

// commandOutput is where commands write what they were asked for.
func commandOutput() io.Writer { return os.Stdout }
