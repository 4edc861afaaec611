// A backend plugin on Grafana's own SDK, to test the host of plugins with. Beside its executable lies switches.json,
// which says what it does wrong before it begins; what it does wrong later is asked for by the path of a stream.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
)

// switches are the faults of a start.
type switches struct {
	Start string `json:"start"`
}

// instance is the plugin for one data source, made anew when its settings change.
type instance struct {
	settings backend.DataSourceInstanceSettings
	made     int64
}

var made int64

func newInstance(_ context.Context, settings backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	made++
	return &instance{settings: settings, made: made}, nil
}

func main() {
	misbehave(readSwitches().Start)
	if err := datasource.Manage("framecast-test-datasource", newInstance, datasource.ManageOpts{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func readSwitches() switches {
	var found switches
	executable, err := os.Executable()
	if err != nil {
		panic(err)
	}
	content, err := os.ReadFile(filepath.Join(filepath.Dir(executable), "switches.json"))
	if err == nil {
		err = json.Unmarshal(content, &found)
	}
	if err != nil && !os.IsNotExist(err) {
		panic(err)
	}
	return found
}

// misbehave does what a switch says, before the handshake or instead of it.
func misbehave(how string) {
	switch how {
	case "":
	case "garbage":
		fmt.Println("Hello, I am a plugin!")
		time.Sleep(time.Hour)
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot find my licence")
		os.Exit(7)
	case "hang":
		time.Sleep(time.Hour)
	case "flood":
		line := strings.Repeat("all work and no play ", 40) + "\n"
		for {
			fmt.Fprint(os.Stderr, line)
		}
	case "flood and serve":
		go func() {
			line := strings.Repeat("all work and no play ", 40) + "\n"
			stderr := os.Stderr // go-plugin replaces the variable once it serves
			for {
				fmt.Fprint(stderr, line)
			}
		}()
	default:
		panic("unknown switch " + how)
	}
}

// CheckHealth tells what it knows of its data source.
func (i *instance) CheckHealth(_ context.Context, req *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	if i.settings.URL == "" {
		return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: "no URL"}, nil
	}
	details, err := json.Marshal(map[string]string{"uid": req.PluginContext.DataSourceInstanceSettings.UID})
	return &backend.CheckHealthResult{
		Status:      backend.HealthStatusOk,
		Message:     "reaches " + i.settings.URL,
		JSONDetails: details,
	}, err
}
