// The peer of bench/recovery: a bare server on the centrifuge library, which Centrifugo and Grafana Live are built on.
//
// centrifuge HISTORY_SIZE QUEUE_BYTES prints its address and serves /connection/websocket until it is terminated.
// Everybody may connect, publish and recover; the memory broker keeps HISTORY_SIZE publications of each channel.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/centrifugal/centrifuge"
)

const (
	historyTTL = time.Hour
	// As in Framecast: the library's second would cut clients that wait for their turn.
	writeTimeout = 10 * time.Second
	// Clients are connected before the storm, and send their first command in it.
	firstCommandTimeout = time.Minute
)

func number(position int) int {
	if len(os.Args) <= position {
		log.Fatal("centrifuge HISTORY_SIZE QUEUE_BYTES")
	}
	given, err := strconv.Atoi(os.Args[position])
	if err != nil {
		log.Fatal(err)
	}
	return given
}

func newNode(historySize, queueBytes int) (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{
		ClientQueueMaxSize:    queueBytes,
		ClientStaleCloseDelay: firstCommandTimeout,
	})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
			reply(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{EnableRecovery: true}}, nil)
		})
		client.OnPublish(func(event centrifuge.PublishEvent, reply centrifuge.PublishCallback) {
			past := centrifuge.WithHistory(historySize, historyTTL)
			publisher := centrifuge.WithClientInfo(event.ClientInfo)
			result, err := node.Publish(event.Channel, event.Data, past, publisher)
			reply(centrifuge.PublishReply{Result: &result}, err)
		})
	})
	return node, node.Run()
}

func main() {
	node, err := newNode(number(1), number(2))
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		WriteTimeout: writeTimeout,
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
