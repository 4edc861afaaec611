// The peer of our measurements: what Grafana Live is made of, as a server that does nothing else. The centrifuge library
// serves subscribers, line protocol becomes data frames as Grafana makes them, and streams hand the last frame to whoever
// subscribes.
//
// It prints its address and serves until it is terminated:
//
//	/connection/websocket, /api/live/ws   subscribers; channels that are no streams keep a past, and everybody may publish
//	POST /api/live/push/{stream}          line protocol; also as a WebSocket, a message each
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"
)

// Options are the limits that a measurement sets, so that both servers have the same.
type Options struct {
	listen       string
	prefix       string
	historySize  int
	queueBytes   int
	writeTimeout time.Duration
}

func parseOptions() Options {
	var options Options
	flag.StringVar(&options.listen, "listen", "127.0.0.1:0", "address")
	flag.StringVar(&options.prefix, "prefix", "", "before the channels of streams: 1/ as in Grafana")
	flag.IntVar(&options.historySize, "history", 0, "publications kept of each channel that is no stream")
	flag.IntVar(&options.queueBytes, "queue-bytes", 4<<20, "that may wait for a subscriber; Grafana's 4 MiB")
	flag.DurationVar(&options.writeTimeout, "write-timeout", 10*time.Second,
		"for a subscriber's socket; the library's second would cut clients that wait for their turn")
	flag.Parse()
	return options
}

func main() {
	options := parseOptions()
	streams := newStreams(options.prefix)
	node, err := newNode(options, streams)
	if err != nil {
		log.Fatal(err)
	}
	subscribers := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		ReadBufferSize:  1024,
		WriteBufferSize: 1024,
		WriteTimeout:    options.writeTimeout,
	})
	push := &pusher{node: node, streams: streams}
	http.Handle("/connection/websocket", subscribers)
	http.Handle("/api/live/ws", subscribers)
	http.HandleFunc("POST /api/live/push/{stream}", push.serveBody)
	http.HandleFunc("GET /api/live/push/{stream}", push.serveSocket)
	listener, err := net.Listen("tcp", options.listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
