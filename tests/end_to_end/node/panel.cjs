// A Grafana panel's data buffer behind a subscriber: what comes goes into the shipped StreamingDataFrame, first the
// data of the subscribe reply, then the publications, as Grafana's Live service does it. `show` tells what a panel
// would draw now; whatever the buffer throws is told as `broken`.
'use strict';

const { StreamingDataFrame, getFieldDisplayName } = require('@grafana/data');
const { start, tell } = require('./client.cjs');

const frames = new Map();

function onMessage(channel, message) {
  if (!message) {
    return;
  }
  if (!frames.has(channel)) {
    frames.set(channel, StreamingDataFrame.empty({ maxLength: 10000, maxDelta: Infinity, action: 'append' }));
  }
  try {
    frames.get(channel).push(message);
  } catch (error) {
    tell('broken', { channel, message: error.message });
  }
}

function show({ channel }) {
  const frame = frames.get(channel);
  const fields = frame.fields.map((field) => ({
    name: field.name,
    display: getFieldDisplayName(field, frame),
    type: field.type,
    labels: field.labels ?? null,
    values: Array.from(field.values, (value) => (value === undefined ? null : value)),
  }));
  tell('panel', { channel, length: frame.length, fields });
}

// Closes a panel for good: the next subscription to its channel fills a new one.
function close({ channel }, client) {
  frames.delete(channel);
  client.removeSubscription(client.getSubscription(channel));
}

start({ show, close }, onMessage);
