// The command `subscribe`: makes a subscription the first time, with the options of that command, and tells its events.
'use strict';

function tellOf(subscription, { payloads, tell, onMessage }) {
  const { channel } = subscription;
  const { decode, publication, info, position } = payloads;
  subscription.on('subscribing', (ctx) => tell('subscribing', { channel, code: ctx.code, reason: ctx.reason }));
  subscription.on('subscribed', (ctx) => {
    const data = decode(ctx.data);
    onMessage(channel, data);
    tell('subscribed', {
      channel,
      data,
      returned: ctx.wasRecovering,
      recovered: ctx.recovered,
      recoverable: ctx.recoverable,
      positioned: ctx.positioned,
      position: position(ctx.streamPosition),
    });
  });
  subscription.on('publication', (ctx) => {
    const told = publication(ctx);
    onMessage(channel, told.data);
    tell('publication', { channel, ...told });
  });
  subscription.on('join', (ctx) => tell('join', { channel, info: info(ctx.info) }));
  subscription.on('leave', (ctx) => tell('leave', { channel, info: info(ctx.info) }));
  subscription.on('unsubscribed', (ctx) => tell('unsubscribed', { channel, code: ctx.code, reason: ctx.reason }));
  subscription.on('error', (ctx) => tell('error', { channel, code: ctx.error.code, message: ctx.error.message }));
}

function makeSubscribing(program) {
  const { client, payloads, tokens, delays } = program;
  return ({ channel, data, token, tokens: list, since, recoverable, positioned, join_leave, delta }) => {
    let subscription = client.getSubscription(channel);
    if (!subscription) {
      subscription = client.newSubscription(channel, {
        data: payloads.encode(data),
        token,
        getToken: tokens(list, { channel }),
        since,
        recoverable,
        positioned,
        joinLeave: join_leave,
        delta,
        minResubscribeDelay: delays.min,
        maxResubscribeDelay: delays.max,
      });
      tellOf(subscription, program);
    }
    subscription.subscribe();
  };
}

module.exports = { makeSubscribing };
