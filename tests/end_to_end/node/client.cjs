// A client around centrifuge-js: commands on stdin, events on stdout, as JSON lines; ends when stdin does.
// Run as `subscriber.cjs URL [OPTIONS]`; sdk_programs.py says what options, commands and events there are.
'use strict';

const readline = require('node:readline');
const { EventSource } = require('eventsource');
const WebSocket = require('ws');
const { makeSubscribing } = require('./subscription.cjs');
const { makeCalls } = require('./calls.cjs');
const { payloadsOf } = require('./payloads.cjs');

const DELAYS = { min: 50, max: 300 };
// For answers and pings: a server that is slow because the machine is busy is not lost.
const PATIENCE_MS = 60_000;

function tell(event, details) {
  process.stdout.write(JSON.stringify({ event, ...details }) + '\n');
}

function countPings(message, isBinary) {
  if (isBinary) {
    const bytes = new Uint8Array(message);
    return bytes.length === 1 && bytes[0] === 0 ? 1 : 0;
  }
  return message.toString().split('\n').filter((line) => line === '{}').length;
}

// What the next upgrade brings along, as a browser brings its cookies.
let headers = {};

// Tells what centrifuge-js keeps to itself: the frames it sends, the pings it gets, the code of the close frame.
class ToldWebSocket extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { headers });
    this.on('message', (message, isBinary) => {
      for (let pings = countPings(message, isBinary); pings > 0; pings--) {
        tell('ping', {});
      }
    });
    this.on('close', (code, reason) => tell('closed', { code, reason: reason.toString() }));
  }

  send(data, ...rest) {
    tell('sent', typeof data === 'string' ? { text: data } : { bytes: data.length });
    super.send(data, ...rest);
  }
}

// A function that hands out a list of tokens one after another; then the user is no longer authorized.
function tokensFrom(list, UnauthorizedError, details) {
  if (!list) {
    return undefined;
  }
  const left = [...list];
  return async () => {
    tell('token_wanted', details);
    if (!left.length) {
      throw new UnauthorizedError('no token left');
    }
    return left.shift();
  };
}

function makeClient(url, options, payloads) {
  const { Centrifuge, UnauthorizedError } = require(
    options.protocol === 'protobuf' ? 'centrifuge/build/protobuf' : 'centrifuge',
  );
  const transport = options.transport ?? 'websocket';
  const client = new Centrifuge([{ transport, endpoint: url }], {
    websocket: ToldWebSocket,
    eventsource: EventSource,
    emulationEndpoint: options.emulation,
    minReconnectDelay: DELAYS.min,
    maxReconnectDelay: DELAYS.max,
    timeout: PATIENCE_MS,
    maxServerPingDelay: PATIENCE_MS,
    token: options.token ?? '',
    getToken: tokensFrom(options.tokens, UnauthorizedError, {}) ?? null,
    data: payloads.encode(options.data) ?? null,
  });
  return { client, tokens: (list, details) => tokensFrom(list, UnauthorizedError, details) };
}

function tellOfClient(client, payloads) {
  const { decode, publication, info, position } = payloads;
  client.on('connecting', (ctx) => tell('connecting', { code: ctx.code, reason: ctx.reason }));
  client.on('connected', (ctx) =>
    tell('connected', { client: ctx.client, transport: ctx.transport, data: decode(ctx.data) }),
  );
  client.on('disconnected', (ctx) => tell('disconnected', { code: ctx.code, reason: ctx.reason }));
  client.on('error', (ctx) => tell('error', { code: ctx.error.code, message: ctx.error.message }));
  client.on('message', (ctx) => tell('message', { data: decode(ctx.data) }));
  client.on('subscribing', ({ channel }) => tell('server_subscribing', { channel }));
  client.on('subscribed', (ctx) =>
    tell('server_subscribed', {
      channel: ctx.channel,
      data: decode(ctx.data),
      returned: ctx.wasRecovering,
      recovered: ctx.recovered,
      position: position(ctx.streamPosition),
    }),
  );
  client.on('unsubscribed', ({ channel }) => tell('server_unsubscribed', { channel }));
  client.on('publication', (ctx) => tell('server_publication', { channel: ctx.channel, ...publication(ctx) }));
  client.on('join', (ctx) => tell('server_join', { channel: ctx.channel, info: info(ctx.info) }));
  client.on('leave', (ctx) => tell('server_leave', { channel: ctx.channel, info: info(ctx.info) }));
}

// `commands` are a program's own, `onMessage(channel, data)` gets the data of subscribe replies and publications.
function start(commands, onMessage) {
  const options = JSON.parse(process.argv[3] ?? '{}');
  headers = options.headers ?? {};
  const payloads = payloadsOf(options.protocol ?? 'json');
  const { client, tokens } = makeClient(process.argv[2], options, payloads);
  tellOfClient(client, payloads);
  const known = {
    connect: ({ token }) => {
      if (token !== undefined) {
        client.setToken(token);
      }
      client.connect();
    },
    headers: (command) => {
      headers = command.headers;
    },
    disconnect: () => client.disconnect(),
    subscribe: makeSubscribing({ client, payloads, tokens, delays: DELAYS, tell, onMessage }),
    unsubscribe: ({ channel }) => client.getSubscription(channel).unsubscribe(),
    ...makeCalls({ client, payloads, tell }),
    ...commands,
  };
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const command = JSON.parse(line);
    known[command.do](command, client);
  });
  lines.on('close', () => client.disconnect());
  tell('ready', {});
}

module.exports = { start, tell };
