// A plain subscriber; see client.cjs.
'use strict';

const { start } = require('./client.cjs');

start({}, () => {});
