// Commands that the server answers: each has a number, and is told of by one `answer` that has the same.
'use strict';

function makeCalls({ client, payloads, tell }) {
  const { encode, decode, publication, info } = payloads;
  const target = ({ channel, by }) => (by === 'subscription' ? client.getSubscription(channel) : null);

  const calls = {
    publish: async (command) => {
      const data = encode(command.data);
      const subscription = target(command);
      await (subscription ? subscription.publish(data) : client.publish(command.channel, data));
    },
    publish_all: async ({ channel, data }) => {
      // One by one: over HTTP each is a request of its own, and nothing keeps many of them in order.
      for (const one of data) {
        await client.publish(channel, encode(one));
      }
    },
    history: async (command) => {
      const { limit, since, reverse } = command;
      const subscription = target(command);
      const options = { limit, since, reverse };
      const page = await (subscription ? subscription.history(options) : client.history(command.channel, options));
      return { publications: page.publications.map(publication), offset: Number(page.offset), epoch: page.epoch };
    },
    presence: async (command) => {
      const { clients } = await (target(command) ?? presenceOf(client, command.channel)).presence();
      return { clients: Object.fromEntries(Object.entries(clients).map(([id, one]) => [id, info(one)])) };
    },
    presence_stats: async (command) => {
      const counts = await (target(command) ?? presenceOf(client, command.channel)).presenceStats();
      return { clients: counts.numClients, users: counts.numUsers };
    },
    rpc: async ({ method, data }) => ({ data: decode((await client.rpc(method, encode(data))).data) }),
    send: async ({ data }) => {
      await client.send(encode(data));
    },
  };

  const answering = (call) => async (command) => {
    const { number } = command;
    try {
      tell('answer', { number, ...(await call(command)) });
    } catch (error) {
      tell('answer', { number, code: error.code ?? null, message: error.message });
    }
  };
  return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, answering(call)]));
}

function presenceOf(client, channel) {
  return { presence: () => client.presence(channel), presenceStats: () => client.presenceStats(channel) };
}

module.exports = { makeCalls };
