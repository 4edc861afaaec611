package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

const (
	minDelay = 50 * time.Millisecond
	maxDelay = 300 * time.Millisecond
	// For answers and pings: a server that is slow because the machine is busy is not lost.
	patience = 60 * time.Second
)

type options struct {
	Protocol string          `json:"protocol"`
	Token    string          `json:"token"`
	Tokens   []string        `json:"tokens"`
	Data     json.RawMessage `json:"data"`
}

func newClient(url string, options options) *centrifuge.Client {
	config := centrifuge.Config{
		Token:              options.Token,
		Data:               options.Data,
		Proxy:              noProxy,
		ReadTimeout:        patience,
		WriteTimeout:       patience,
		HandshakeTimeout:   patience,
		MaxServerPingDelay: patience,
		MinReconnectDelay:  minDelay,
		MaxReconnectDelay:  maxDelay,
	}
	if options.Tokens != nil {
		next := handOut(options.Tokens, object{})
		config.GetToken = func(centrifuge.ConnectionTokenEvent) (string, error) { return next() }
	}
	make := centrifuge.NewJsonClient
	if options.Protocol == "protobuf" {
		make = centrifuge.NewProtobufClient
	}
	client := make(url, config)
	tellOfClient(client)
	tellOfServerSubscriptions(client)
	return client
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// handOut returns a function that hands out the tokens one after another; then the user is no longer authorized.
func handOut(tokens []string, details object) func() (string, error) {
	return func() (string, error) {
		tell("token_wanted", details)
		if len(tokens) == 0 {
			return "", centrifuge.ErrUnauthorized
		}
		token := tokens[0]
		tokens = tokens[1:]
		return token, nil
	}
}

func tellOfClient(client *centrifuge.Client) {
	client.OnConnecting(func(e centrifuge.ConnectingEvent) {
		tell("connecting", object{"code": e.Code, "reason": e.Reason})
	})
	client.OnConnected(func(e centrifuge.ConnectedEvent) {
		tell("connected", object{"client": e.ClientID, "data": payload(e.Data)})
	})
	client.OnDisconnected(func(e centrifuge.DisconnectedEvent) {
		tell("disconnected", object{"code": e.Code, "reason": e.Reason})
	})
	client.OnError(func(e centrifuge.ErrorEvent) { tell("error", told(e.Error)) })
	client.OnMessage(func(e centrifuge.MessageEvent) { tell("message", object{"data": payload(e.Data)}) })
}

func tellOfServerSubscriptions(client *centrifuge.Client) {
	client.OnSubscribing(func(e centrifuge.ServerSubscribingEvent) {
		tell("server_subscribing", object{"channel": e.Channel})
	})
	client.OnSubscribed(func(e centrifuge.ServerSubscribedEvent) {
		tell("server_subscribed", object{
			"channel":   e.Channel,
			"data":      payload(e.Data),
			"returned":  e.WasRecovering,
			"recovered": e.Recovered,
			"position":  position(e.StreamPosition),
		})
	})
	client.OnUnsubscribed(func(e centrifuge.ServerUnsubscribedEvent) {
		tell("server_unsubscribed", object{"channel": e.Channel})
	})
	client.OnPublication(func(e centrifuge.ServerPublicationEvent) {
		tell("server_publication", publication(e.Publication).in(e.Channel))
	})
	client.OnJoin(func(e centrifuge.ServerJoinEvent) {
		tell("server_join", object{"channel": e.Channel, "info": info(&e.ClientInfo)})
	})
	client.OnLeave(func(e centrifuge.ServerLeaveEvent) {
		tell("server_leave", object{"channel": e.Channel, "info": info(&e.ClientInfo)})
	})
}
