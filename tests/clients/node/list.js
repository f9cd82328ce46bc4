// SPDX-License-Identifier: MIT
'use strict';

// list.js LIMIT STATUS...: all containers in these states, a page of so many at a time (axios).
const axios = require('axios');
const { baseUrl, headers, saw, failed } = require('./account');

async function list(limit, status, page = 1, cursor = null) {
    const params = { limit };
    if (status.length) params.status = status.join(',');
    if (cursor) params.cursor = cursor;
    const { data } = await axios.get(`${baseUrl}/containers`, { params, headers });
    saw(`page ${page}`, data);
    if (data.next_cursor) await list(limit, status, page + 1, data.next_cursor);
}

const [limit, ...status] = process.argv.slice(2);
list(limit, status).catch(failed);
