// Payloads are JSON values on JSON connections and bytes that hold JSON on Protobuf ones; programs tell values of both.
'use strict';

const asTheyAre = { encode: (value) => value, decode: (value) => value };

const inBytes = {
  encode: (value) => (value === undefined ? undefined : new TextEncoder().encode(JSON.stringify(value))),
  decode: (bytes) => (bytes?.length ? JSON.parse(new TextDecoder().decode(bytes)) : undefined),
};

function payloadsOf(protocol) {
  const { encode, decode } = protocol === 'protobuf' ? inBytes : asTheyAre;
  const info = (one) =>
    one && { client: one.client, user: one.user, conn_info: decode(one.connInfo), chan_info: decode(one.chanInfo) };
  const position = (one) => one && { offset: Number(one.offset), epoch: one.epoch };
  const publication = (one) => ({
    data: decode(one.data),
    offset: one.offset && Number(one.offset),
    info: info(one.info),
  });
  return { encode, decode, info, position, publication };
}

module.exports = { payloadsOf };
