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
		initial, err := backend.NewInitialFrame(frame(0), data.IncludeSchemaOnly)
		return &backend.SubscribeStreamResponse{InitialData: initial}, err
	case "context":
		return i.describe(req)
	}
	return &backend.SubscribeStreamResponse{}, nil
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

// PublishStream passes on what it is given.
func (i *instance) PublishStream(
	_ context.Context, req *backend.PublishStreamRequest,
) (*backend.PublishStreamResponse, error) {
	switch req.Path {
	case "missing":
		return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusNotFound}, nil
	case "secret":
		return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
	}
	return &backend.PublishStreamResponse{Data: req.Data}, nil
}

// RunStream does what the first word of the path says, with the number after it.
func (i *instance) RunStream(ctx context.Context, req *backend.RunStreamRequest, sender *backend.StreamSender) error {
	word, rest, _ := strings.Cut(req.Path, "/")
	number, _ := strconv.Atoi(rest)
	switch word {
	case "count":
		return count(ctx, sender, time.Duration(number)*time.Millisecond)
	case "fast":
		return fast(sender, number)
	case "frames":
		return frames(ctx, sender)
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
		<-ctx.Done()
	default:
		return fmt.Errorf("no stream %q", req.Path)
	}
	return ctx.Err()
}

func sendText(sender *backend.StreamSender, text string) error {
	spelled, err := json.Marshal(text)
	if err != nil {
		return err
	}
	return sender.SendJSON(spelled)
}

func count(ctx context.Context, sender *backend.StreamSender, pause time.Duration) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for number := 0; ; number++ {
		if err := sender.SendJSON([]byte(fmt.Sprintf(`{"n":%d}`, number))); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
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
