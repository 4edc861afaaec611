package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// told is what a subscriber of the path "context" begins with: all that the host told of who asks, and for what.
type told struct {
	Org     int64             `json:"org"`
	Plugin  string            `json:"plugin"`
	Version string            `json:"version"`
	Login   string            `json:"login"`
	Role    string            `json:"role"`
	UID     string            `json:"uid"`
	URL     string            `json:"url"`
	JSON    json.RawMessage   `json:"json"`
	Secrets map[string]string `json:"secrets"`
	Made    int64             `json:"made"`
	Data    json.RawMessage   `json:"data"`
	Header  string            `json:"header"`
	Config  string            `json:"config"`
	Env     []string          `json:"env"`
}

// SubscribeStream permits all but a few paths.
func (i *instance) SubscribeStream(
	ctx context.Context, req *backend.SubscribeStreamRequest,
) (*backend.SubscribeStreamResponse, error) {
	switch req.Path {
	case "missing":
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusNotFound}, nil
	case "secret":
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusPermissionDenied}, nil
	case "error":
		return nil, errors.New("the database is on fire")
	case "panic":
		panic("no such luck")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "frames":
		return begin(frame(0))
	case "context":
		return i.describe(req)
	}
	if strings.HasPrefix(req.Path, "table/") {
		return begin(i.row(0))
	}
	return &backend.SubscribeStreamResponse{}, nil
}

// begin has a subscriber begin with the schema alone.
func begin(frame *data.Frame) (*backend.SubscribeStreamResponse, error) {
	initial, err := backend.NewInitialFrame(frame, data.IncludeSchemaOnly)
	return &backend.SubscribeStreamResponse{InitialData: initial}, err
}

func (i *instance) describe(req *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	about := req.PluginContext
	answer := told{
		Org: about.OrgID, Plugin: about.PluginID, Version: about.PluginVersion,
		UID: i.settings.UID, URL: i.settings.URL, JSON: i.settings.JSONData,
		Secrets: i.settings.DecryptedSecureJSONData, Made: i.made,
		Data: req.Data, Header: req.Headers["X-Test"], Config: about.GrafanaConfig.Get("GF_APP_URL"),
	}
	if about.User != nil {
		answer.Login, answer.Role = about.User.Login, about.User.Role
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		answer.Env = append(answer.Env, name)
	}
	spelled, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	initial, err := backend.NewInitialData(spelled)
	return &backend.SubscribeStreamResponse{InitialData: initial}, err
}

// gate is what the streams of the path "gated" wait for: there, who reads them says when they are to begin.
var (
	gate     = make(chan struct{})
	openGate = sync.OnceFunc(func() { close(gate) })
)

// PublishStream passes on what it is given; at the path "gate" it opens the gate, and at "crash" ends the process.
func (i *instance) PublishStream(
	_ context.Context, req *backend.PublishStreamRequest,
) (*backend.PublishStreamResponse, error) {
	switch req.Path {
	case "missing":
		return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusNotFound}, nil
	case "secret":
		return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
	case "gate":
		openGate()
	case "crash":
		fmt.Fprintln(os.Stderr, "crashed as told")
		time.Sleep(100 * time.Millisecond) // for the words to leave
		os.Exit(3)
	}
	return &backend.PublishStreamResponse{Data: req.Data}, nil
}

// RunStream does what the first word of the path says, with the number after it.
func (i *instance) RunStream(ctx context.Context, req *backend.RunStreamRequest, sender *backend.StreamSender) error {
	word, rest, _ := strings.Cut(req.Path, "/")
	number, _ := strconv.Atoi(rest)
	switch word {
	case "count":
		return repeat(ctx, number, func(n int) error { return sender.SendJSON([]byte(fmt.Sprintf(`{"n":%d}`, n))) })
	case "fast":
		return fast(sender, number)
	case "gated":
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-gate:
			return fast(sender, number)
		}
	case "stamps":
		return repeat(ctx, number, func(int) error {
			return sender.SendJSON([]byte(fmt.Sprintf(`{"stamp":%d}`, time.Now().UnixNano())))
		})
	case "frames":
		return frames(ctx, sender)
	case "settings":
		return repeat(ctx, number, func(n int) error { return i.sendSettings(sender, req, n) })
	case "table":
		return repeat(ctx, number, func(n int) error { return sender.SendFrame(i.row(n), data.IncludeAll) })
	case "garbage":
		return errors.Join(sender.SendBytes([]byte(`{"data":{"val`)), hang(ctx))
	case "large":
		return sendText(sender, strings.Repeat("x", number))
	case "crash":
		if err := fast(sender, number); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "last words of a crash")
		time.Sleep(100 * time.Millisecond)
		os.Exit(3)
	case "deaf":
		return deaf(ctx, sender)
	case "fork":
		return fork(ctx, sender)
	case "freeze":
		err := sendText(sender, "freezing")
		time.Sleep(200 * time.Millisecond) // for the packet to leave
		if err := errors.Join(err, syscall.Kill(os.Getpid(), syscall.SIGSTOP)); err != nil {
			return err
		}
		<-ctx.Done() // the signal takes its time
	case "goroutine-panic":
		go panic("nobody recovers from this")
		<-ctx.Done()
	case "talk":
		log.DefaultLogger.Warn("a warning", "number", number)
		fmt.Println("a line on stdout")
		<-ctx.Done()
		log.DefaultLogger.Info("the stream was cancelled")
	case "hang":
		return hang(ctx)
	default:
		return fmt.Errorf("no stream %q", req.Path)
	}
	return ctx.Err()
}

// repeat sends again and again, so many milliseconds apart.
func repeat(ctx context.Context, pause int, send func(n int) error) error {
	ticker := time.NewTicker(time.Duration(pause) * time.Millisecond)
	defer ticker.Stop()
	for n := 0; ; n++ {
		if err := send(n); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// sendSettings tells what the stream knows of its data source, and which life of the plugin it is of.
func (i *instance) sendSettings(sender *backend.StreamSender, req *backend.RunStreamRequest, n int) error {
	spelled, err := json.Marshal(map[string]any{
		"n": n, "pid": os.Getpid(), "made": i.made,
		"org": req.PluginContext.OrgID, "user": req.PluginContext.User,
		"uid": i.settings.UID, "name": i.settings.Name, "id": i.settings.ID, "url": i.settings.URL,
		"database": i.settings.Database, "basicAuth": i.settings.BasicAuthEnabled,
		"basicAuthUser": i.settings.BasicAuthUser, "updated": i.settings.Updated.UnixMilli(),
		"json": json.RawMessage(i.settings.JSONData), "secrets": i.settings.DecryptedSecureJSONData,
	})
	if err != nil {
		return err
	}
	return sender.SendJSON(spelled)
}

// row is one of a stream for panels: a number that counts, the life of the plugin, and the address of the data source.
func (i *instance) row(n int) *data.Frame {
	return data.NewFrame("table",
		data.NewField("time", nil, []time.Time{time.Now()}),
		data.NewField("n", nil, []float64{float64(n)}),
		data.NewField("pid", nil, []float64{float64(os.Getpid())}),
		data.NewField("url", nil, []string{i.settings.URL}),
	)
}

func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func sendText(sender *backend.StreamSender, text string) error {
	spelled, err := json.Marshal(text)
	if err != nil {
		return err
	}
	return sender.SendJSON(spelled)
}

func fast(sender *backend.StreamSender, number int) error {
	for n := range number {
		if err := sender.SendJSON([]byte(fmt.Sprintf(`{"data":{"values":[[1700000000000],[1%08d]]},"padding":"xxxxxxxxxxxx"}`, n))); err != nil {
			return err
		}
	}
	return nil
}

func frame(n int) *data.Frame {
	return data.NewFrame("walk",
		data.NewField("time", nil, []time.Time{time.UnixMilli(1_700_000_000_000 + int64(n))}),
		data.NewField("value", data.Labels{"host": "a"}, []float64{float64(n)}),
	)
}

func frames(ctx context.Context, sender *backend.StreamSender) error {
	for n := 0; ctx.Err() == nil; n++ {
		if err := sender.SendFrame(frame(n), data.IncludeAll); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return ctx.Err()
}

// deaf goes on for a minute after it was cancelled, and sends what nobody wants.
func deaf(ctx context.Context, sender *backend.StreamSender) error {
	for n := range 60_000 {
		if err := sender.SendJSON([]byte("1")); err != nil && n%1000 == 0 {
			log.DefaultLogger.Debug("still sending", "error", err, "cancelled", ctx.Err())
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// fork starts a child in the plugin's process group and another one in a session of its own, and tells their ids.
func fork(ctx context.Context, sender *backend.StreamSender) error {
	inside := exec.Command("sleep", "600")
	outside := exec.Command("sleep", "600")
	outside.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := errors.Join(inside.Start(), outside.Start()); err != nil {
		return err
	}
	err := sender.SendJSON([]byte(fmt.Sprintf("[%d,%d]", inside.Process.Pid, outside.Process.Pid)))
	<-ctx.Done()
	return err
}
