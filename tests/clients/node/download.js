// SPDX-License-Identifier: MIT
'use strict';

// download.js CUID FILE TARGET DIRECTORY TARGET.zip: a file as a stream, then a directory as a ZIP
// (axios).
const fs = require('fs');
const { pipeline } = require('stream/promises');
const axios = require('axios');
const { baseUrl, headers, saw, failed } = require('./account');

const [cuid, file, target, directory, archive] = process.argv.slice(2);

async function downloadFile() {
    const response = await axios.get(`${baseUrl}/containers/${cuid}/download`, {
        params: { path: file }, headers, responseType: 'stream',
    });
    await pipeline(response.data, fs.createWriteStream(target));
    saw('file', { status: response.status, headers: response.headers });
}

async function downloadDirectory() {
    const response = await axios.get(`${baseUrl}/containers/${cuid}/download-zip`, {
        params: { path: directory }, headers, responseType: 'arraybuffer',
    });
    fs.writeFileSync(archive, response.data);
    saw('directory', { status: response.status, headers: response.headers });
}

downloadFile().then(downloadDirectory).catch(failed);
