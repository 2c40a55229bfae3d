// SPDX-License-Identifier: Apache-2.0
// receivers.mjs - the official libraries sign what lockstep receives, and verify what it delivers.
//
//   node receivers.mjs send URL      standardwebhooks and @octokit/webhooks-methods sign messages to two receivers
//   node receivers.mjs take          listens, prints its port, and prints for each delivery whether both libraries accept it
import assert from 'node:assert/strict';
import http from 'node:http';
import { sign, verify } from '@octokit/webhooks-methods';
import { Webhook } from 'standardwebhooks';

const standard = new Webhook(process.env.STANDARD);
const secret = process.env.WEBHOOK_SECRET;

async function post(url, body, headers) {
    const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
    return { status: answer.status, body: await answer.json() };
}

async function send(base) {
    const body = JSON.stringify({ type: 'contact.created', data: { id: 'npm', name: 'Zoë “quoted”' } });
    const at = new Date();
    const headers = (id, when, payload = body) => ({
        'webhook-id': id,
        'webhook-timestamp': Math.floor(when / 1000).toString(),
        'webhook-signature': standard.sign(id, when, payload),
    });
    let answer = await post(`${base}/api/webhooks/std`, body, headers('msg_1', at));
    assert.equal(answer.status, 200);
    assert.equal(answer.body.outcome, 'applied');
    answer = await post(`${base}/api/webhooks/std`, body, headers('msg_1', at));
    assert.equal(answer.body.known, true);
    answer = await post(`${base}/api/webhooks/std`, body + ' ', headers('msg_2', at));
    assert.equal(answer.status, 401);
    answer = await post(`${base}/api/webhooks/std`, body, headers('msg_3', new Date(at - 310_000)));
    assert.equal(answer.status, 401);

    const issue = JSON.stringify({ action: 'opened', issue: { id: 18 } });
    const signed = await sign(secret, issue);
    const github = { 'x-github-event': 'issues', 'x-github-delivery': 'd-1', 'x-hub-signature-256': signed };
    answer = await post(`${base}/api/webhooks/gh`, issue, github);
    assert.equal(answer.status, 200);
    assert.equal(answer.body.outcome, 'applied');
    answer = await post(`${base}/api/webhooks/gh`, issue.replace('opened', 'closed'), github);
    assert.equal(answer.status, 401);
}

function take() {
    http.createServer((request, response) => {
        const parts = [];
        request.on('data', (part) => parts.push(part));
        request.on('end', async () => {
            const body = Buffer.concat(parts).toString();
            let accepted = false;
            try {
                accepted = standard.verify(body, request.headers).id === request.headers['webhook-id'];
            } catch {}
            // documented: the same digits as GitHub's, without its prefix
            const digits = await verify(process.env.STANDARD, body, `sha256=${request.headers['x-webhook-signature']}`);
            console.log(`standard=${accepted} documented=${digits}`);
            response.writeHead(accepted && digits ? 200 : 401).end();
        });
    }).listen(0, '127.0.0.1', function () {
        console.log(this.address().port);
    });
}

const [what, url] = process.argv.slice(2);
if (what === 'send') await send(url);
else take();
