package main

import (
	"context"
	"time"

	"github.com/centrifugal/centrifuge"
)

const (
	historyTTL = time.Hour
	// Clients of a storm are connected before it, and send their first command in it.
	firstCommandTimeout = time.Minute
	// As many handlers of one client may run at the same time in Grafana.
	clientConcurrency = 12
)

// newNode is the centrifuge library with its memory broker. Everybody may connect and subscribe.
func newNode(options Options, streams *streams) (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{
		ClientQueueMaxSize:    options.queueBytes,
		ClientStaleCloseDelay: firstCommandTimeout,
	})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		turns := make(chan struct{}, clientConcurrency)
		inTurn := func(work func()) {
			turns <- struct{}{}
			go func() {
				defer func() { <-turns }()
				work()
			}()
		}
		client.OnSubscribe(func(event centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
			inTurn(func() { reply(centrifuge.SubscribeReply{Options: subscribeOptions(event.Channel, streams)}, nil) })
		})
		client.OnPublish(func(event centrifuge.PublishEvent, reply centrifuge.PublishCallback) {
			publish(node, options, streams, event, reply)
		})
	})
	return node, node.Run()
}

// subscribeOptions are Grafana's for a stream: the last frame, and no past. Other channels can be recovered.
func subscribeOptions(channel string, streams *streams) centrifuge.SubscribeOptions {
	if streams.has(channel) {
		return centrifuge.SubscribeOptions{Data: streams.last(channel)}
	}
	return centrifuge.SubscribeOptions{EnableRecovery: true}
}

func publish(
	node *centrifuge.Node,
	options Options,
	streams *streams,
	event centrifuge.PublishEvent,
	reply centrifuge.PublishCallback,
) {
	if streams.has(event.Channel) {
		reply(centrifuge.PublishReply{}, centrifuge.ErrorPermissionDenied)
		return
	}
	publishOptions := []centrifuge.PublishOption{centrifuge.WithClientInfo(event.ClientInfo)}
	if options.historySize > 0 {
		publishOptions = append(publishOptions, centrifuge.WithHistory(options.historySize, historyTTL))
	}
	result, err := node.Publish(event.Channel, event.Data, publishOptions...)
	reply(centrifuge.PublishReply{Result: &result}, err)
}
