package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/centrifugal/centrifuge-go"
)

type streamPosition struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

type command struct {
	Do      string          `json:"do"`
	Number  int             `json:"number"`
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
	By      string          `json:"by"`
	Method  string          `json:"method"`
	Since   *streamPosition `json:"since"`

	Limit   int32 `json:"limit"`
	Reverse bool  `json:"reverse"`

	Token       string   `json:"token"`
	Tokens      []string `json:"tokens"`
	Recoverable bool     `json:"recoverable"`
	Positioned  bool     `json:"positioned"`
	JoinLeave   bool     `json:"join_leave"`
	Delta       string   `json:"delta"`
}

func run(client *centrifuge.Client, command command) error {
	switch command.Do {
	case "connect":
		if command.Token != "" {
			client.SetToken(command.Token)
		}
		return client.Connect()
	case "disconnect":
		return client.Disconnect()
	case "subscribe":
		return subscribe(client, command)
	case "unsubscribe":
		subscription, err := subscriptionOf(client, command)
		if err != nil {
			return err
		}
		return subscription.Unsubscribe()
	default:
		return answer(client, command)
	}
}

func subscriptionOf(client *centrifuge.Client, command command) (*centrifuge.Subscription, error) {
	subscription, found := client.GetSubscription(command.Channel)
	if !found {
		return nil, fmt.Errorf("no subscription to %s", command.Channel)
	}
	return subscription, nil
}

// Calls are made one after another: the order of a test's publications is that of its commands.
func answer(client *centrifuge.Client, command command) error {
	by := caller(client)
	if command.By == "subscription" {
		subscription, err := subscriptionOf(client, command)
		if err != nil {
			return err
		}
		by = subscriptionCaller{subscription}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := call(ctx, client, by, command)
	if err != nil {
		result = told(err)
	}
	if result == nil {
		result = object{}
	}
	result["number"] = command.Number
	tell("answer", result)
	return nil
}
