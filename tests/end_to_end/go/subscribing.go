package main

import "github.com/centrifugal/centrifuge-go"

// subscribe makes a subscription the first time, with the options of that command, and tells its events.
func subscribe(client *centrifuge.Client, command command) error {
	subscription, found := client.GetSubscription(command.Channel)
	if !found {
		var err error
		subscription, err = client.NewSubscription(command.Channel, configOf(command))
		if err != nil {
			return err
		}
		tellOfSubscription(subscription)
	}
	return subscription.Subscribe()
}

func configOf(command command) centrifuge.SubscriptionConfig {
	config := centrifuge.SubscriptionConfig{
		Data:                command.Data,
		Token:               command.Token,
		Positioned:          command.Positioned,
		Recoverable:         command.Recoverable,
		JoinLeave:           command.JoinLeave,
		Delta:               centrifuge.DeltaType(command.Delta),
		MinResubscribeDelay: minDelay,
		MaxResubscribeDelay: maxDelay,
	}
	if command.Tokens != nil {
		next := handOut(command.Tokens, object{"channel": command.Channel})
		config.GetToken = func(centrifuge.SubscriptionTokenEvent) (string, error) { return next() }
	}
	if command.Since != nil {
		since := centrifuge.StreamPosition(*command.Since)
		config.GetState = func(centrifuge.SubscriptionGetStateEvent) (centrifuge.StreamPosition, error) {
			return since, nil
		}
	}
	return config
}

func tellOfSubscription(subscription *centrifuge.Subscription) {
	channel := subscription.Channel
	subscription.OnSubscribing(func(e centrifuge.SubscribingEvent) {
		tell("subscribing", object{"channel": channel, "code": e.Code, "reason": e.Reason})
	})
	subscription.OnSubscribed(func(e centrifuge.SubscribedEvent) {
		tell("subscribed", object{
			"channel":     channel,
			"data":        payload(e.Data),
			"returned":    e.WasRecovering,
			"recovered":   e.Recovered,
			"recoverable": e.Recoverable,
			"positioned":  e.Positioned,
			"position":    position(e.StreamPosition),
		})
	})
	subscription.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) {
		tell("unsubscribed", object{"channel": channel, "code": e.Code, "reason": e.Reason})
	})
	subscription.OnError(func(e centrifuge.SubscriptionErrorEvent) { tell("error", told(e.Error).in(channel)) })
	subscription.OnPublication(func(e centrifuge.PublicationEvent) {
		tell("publication", publication(e.Publication).in(channel))
	})
	subscription.OnJoin(func(e centrifuge.JoinEvent) {
		tell("join", object{"channel": channel, "info": info(&e.ClientInfo)})
	})
	subscription.OnLeave(func(e centrifuge.LeaveEvent) {
		tell("leave", object{"channel": channel, "info": info(&e.ClientInfo)})
	})
}
