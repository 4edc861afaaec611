// A subscriber around centrifuge-js: commands on stdin, events on stdout, as JSON lines; ends when stdin does.
// `watch(client, channel)` may return listeners for what a subscription receives.
'use strict';

const readline = require('node:readline');
const { Centrifuge } = require('centrifuge');
const WebSocket = require('ws');

function tell(event, details) {
  process.stdout.write(JSON.stringify({ event, ...details }) + '\n');
}

// Tells what centrifuge-js keeps to itself: the frames it sends, the pings it gets, the code of the close frame.
class ToldWebSocket extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    this.on('message', (data) => {
      for (const line of data.toString().split('\n')) {
        if (line === '{}') {
          tell('ping', {});
        }
      }
    });
    this.on('close', (code, reason) => tell('closed', { code, reason: reason.toString() }));
  }

  send(data, ...rest) {
    tell('sent', { text: data.toString() });
    super.send(data, ...rest);
  }
}

function start(commands, onMessage) {
  const client = new Centrifuge(process.argv[2], {
    websocket: ToldWebSocket,
    minReconnectDelay: 50,
    maxReconnectDelay: 300,
  });
  client.on('connecting', (ctx) => tell('connecting', { code: ctx.code, reason: ctx.reason }));
  client.on('connected', (ctx) => tell('connected', { client: ctx.client, transport: ctx.transport }));
  client.on('disconnected', (ctx) => tell('disconnected', { code: ctx.code, reason: ctx.reason }));
  client.on('error', (ctx) => tell('error', { code: ctx.error.code, message: ctx.error.message }));

  function subscribe(channel, data) {
    let subscription = client.getSubscription(channel);
    if (!subscription) {
      subscription = client.newSubscription(channel, { data });
      subscription.on('subscribed', (ctx) => {
        onMessage(channel, ctx.data);
        tell('subscribed', {
          channel,
          data: ctx.data,
          returned: ctx.wasRecovering,
          recovered: ctx.recovered,
          position: ctx.streamPosition,
        });
      });
      subscription.on('publication', (ctx) => {
        onMessage(channel, ctx.data);
        tell('publication', { channel, data: ctx.data, offset: ctx.offset });
      });
      subscription.on('unsubscribed', (ctx) => tell('unsubscribed', { channel, code: ctx.code, reason: ctx.reason }));
      subscription.on('error', (ctx) => tell('error', { channel, code: ctx.error.code, message: ctx.error.message }));
    }
    subscription.subscribe();
  }

  const known = {
    connect: () => client.connect(),
    disconnect: () => client.disconnect(),
    subscribe: ({ channel, data }) => subscribe(channel, data),
    unsubscribe: ({ channel }) => client.getSubscription(channel).unsubscribe(),
    publish: ({ channel, data }) =>
      client.publish(channel, data).then(
        () => tell('published', { channel }),
        (error) => tell('publish_failed', { channel, code: error.code, message: error.message }),
      ),
    ...commands,
  };
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const command = JSON.parse(line);
    known[command.do](command, client);
  });
  lines.on('close', () => client.disconnect());
}

module.exports = { start, tell };
