// SPDX-License-Identifier: MIT
'use strict';

// Where the programs here find the API and as whom they call it, and how they say what they saw.
const { BERTH_URL, BERTH_USER, BERTH_PASSWORD } = process.env;
const pair = Buffer.from(`${BERTH_USER}:${BERTH_PASSWORD}`).toString('base64');

function saw(step, facts) {
    console.log(JSON.stringify({ step, ...facts }));
}

function failed(error) {
    console.error(error.response ? error.response.data : error);
    process.exitCode = 1;
}

module.exports = { baseUrl: BERTH_URL, headers: { Authorization: `Basic ${pair}` }, saw, failed };
