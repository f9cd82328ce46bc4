// SPDX-License-Identifier: MIT
'use strict';

// The life of a MiniRun container (fetch), and a page that shows what there is.
const { baseUrl, saw, failed } = require('./account');

async function show(step, request) {
    const response = await request;
    const answer = await response.json();
    saw(step, { status: response.status, answer, headers: Object.fromEntries(response.headers) });
    return answer;
}

// As a component does when it is mounted.
function mounted(setContainers) {
    return fetch(`${baseUrl}/containers`)
        .then(response => response.json())
        .then(list => setContainers(list.data));
}

async function live() {
    await show('create', fetch(`${baseUrl}/containers`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ name: 'nodeapp', command: '/bin/sh' }),
    }));
    await mounted(containers => saw('page', { containers }));
    await show('preflight', fetch(`${baseUrl}/containers/nodeapp`, { method: 'OPTIONS' }).then(
        response => ({ status: response.status, headers: response.headers, json: async () => null })));
    await show('delete', fetch(`${baseUrl}/containers/nodeapp`, { method: 'DELETE' }));
    await show('gone', fetch(`${baseUrl}/containers/nodeapp`));
}

live().catch(failed);
