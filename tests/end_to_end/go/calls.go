package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/centrifugal/centrifuge-go"
)

// A caller makes calls about a channel: a client, or one of its subscriptions.
type caller interface {
	Publish(ctx context.Context, channel string, data []byte) (centrifuge.PublishResult, error)
	History(ctx context.Context, channel string, options ...centrifuge.HistoryOption) (centrifuge.HistoryResult, error)
	Presence(ctx context.Context, channel string) (centrifuge.PresenceResult, error)
	PresenceStats(ctx context.Context, channel string) (centrifuge.PresenceStatsResult, error)
}

type subscriptionCaller struct{ subscription *centrifuge.Subscription }

func (by subscriptionCaller) Publish(ctx context.Context, _ string, data []byte) (centrifuge.PublishResult, error) {
	return by.subscription.Publish(ctx, data)
}

func (by subscriptionCaller) History(
	ctx context.Context, _ string, options ...centrifuge.HistoryOption,
) (centrifuge.HistoryResult, error) {
	return by.subscription.History(ctx, options...)
}

func (by subscriptionCaller) Presence(ctx context.Context, _ string) (centrifuge.PresenceResult, error) {
	return by.subscription.Presence(ctx)
}

func (by subscriptionCaller) PresenceStats(ctx context.Context, _ string) (centrifuge.PresenceStatsResult, error) {
	return by.subscription.PresenceStats(ctx)
}

func call(ctx context.Context, client *centrifuge.Client, by caller, command command) (object, error) {
	switch command.Do {
	case "publish":
		_, err := by.Publish(ctx, command.Channel, command.Data)
		return nil, err
	case "publish_all":
		return nil, publishAll(ctx, client, command)
	case "history":
		return history(ctx, by, command)
	case "presence":
		return presence(ctx, by, command)
	case "presence_stats":
		found, err := by.PresenceStats(ctx, command.Channel)
		return object{"clients": found.NumClients, "users": found.NumUsers}, err
	case "rpc":
		result, err := client.RPC(ctx, command.Method, command.Data)
		return object{"data": payload(result.Data)}, err
	case "send":
		return nil, client.Send(ctx, command.Data)
	default:
		return nil, fmt.Errorf("no command is called %s", command.Do)
	}
}

func publishAll(ctx context.Context, client *centrifuge.Client, command command) error {
	var all []json.RawMessage
	if err := json.Unmarshal(command.Data, &all); err != nil {
		return err
	}
	for _, data := range all {
		if _, err := client.Publish(ctx, command.Channel, data); err != nil {
			return err
		}
	}
	return nil
}

func history(ctx context.Context, by caller, command command) (object, error) {
	options := []centrifuge.HistoryOption{
		centrifuge.WithHistoryLimit(command.Limit),
		centrifuge.WithHistoryReverse(command.Reverse),
	}
	if command.Since != nil {
		since := centrifuge.StreamPosition(*command.Since)
		options = append(options, centrifuge.WithHistorySince(&since))
	}
	page, err := by.History(ctx, command.Channel, options...)
	publications := make([]object, len(page.Publications))
	for at, one := range page.Publications {
		publications[at] = publication(one)
	}
	return object{"publications": publications, "offset": page.Offset, "epoch": page.Epoch}, err
}

func presence(ctx context.Context, by caller, command command) (object, error) {
	found, err := by.Presence(ctx, command.Channel)
	clients := object{}
	for id, one := range found.Clients {
		clients[id] = info(&one)
	}
	return object{"clients": clients}, err
}
