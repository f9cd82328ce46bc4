// SPDX-License-Identifier: MIT
'use strict';

// execute.js CUID COMMAND: run a command in a container's shell, then leave it (ws).
const WebSocket = require('ws');
const { baseUrl, headers, saw, failed } = require('./account');

function textOf({ data, encoding }) {
    return encoding === 'base64' ? Buffer.from(data, 'base64').toString() : data;
}

function execute(cuid, command) {
    return new Promise((resolve, reject) => {
        const url = `ws://${baseUrl.replace('http://', '')}/ws/${cuid}`;
        const socket = new WebSocket(url, { headers });
        const type = (line) => socket.send(
            JSON.stringify({ type: 'stdin', data: `${line}\n`, encoding: 'utf8' }));
        const result = { stdout: '', stderr: '' };

        socket.on('open', () => {
            type(command);
            setTimeout(() => type('exit'), 100);
        });
        socket.on('message', (data) => {
            const message = JSON.parse(data.toString());
            if (message.type === 'exit') {
                socket.close();
                resolve({ ...result, exitCode: message.code });
            } else if (message.type === 'error') {
                socket.close();
                reject(new Error(message.error.message));
            } else {
                result[message.type] += textOf(message);
            }
        });
        socket.on('error', reject);
    });
}

execute(...process.argv.slice(2)).then((result) => saw('execute', result)).catch(failed);
