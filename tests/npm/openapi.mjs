// SPDX-License-Identifier: Apache-2.0
// openapi.mjs - checks the description of the API: that it is OpenAPI 3.1, by a validator of others, and that what the daemon answers is what it says.
//
// LOCKSTEP_URL, LOCKSTEP_TOKEN: the daemon and an admin's token. `document`: is it valid? `answers`: every GET without parameters in its path, asked for in
// earnest; its status has to be one that is described, its body has to fit. `things`: the same of those with parameters, of things that are made before. `requests`: every member that a described body has is one that the daemon knows.
import assert from 'node:assert/strict';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const base = process.env.LOCKSTEP_URL;
const headers = { Authorization: `Bearer ${process.env.LOCKSTEP_TOKEN}` };
const description = await (await fetch(`${base}/api/v1/openapi.json`)).json();

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);

function operations() {
    return Object.entries(description.paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
}

function validator(schema) {
    return ajv.compile({ ...schema, components: description.components });
}

// Asks for it; whether there was a JSON body, which has to be as described.
async function fits(path, operation, wanted) {
    const answer = await fetch(base + path, { headers });
    const said = operation.responses[answer.status] ?? operation.responses.default;
    assert.ok(said, `${path}: ${answer.status} is not described`);
    assert.ok(!wanted || answer.status === wanted, `${path}: ${answer.status}`);
    const type = answer.headers.get('content-type').split(';')[0];
    const content = said.content?.[type];
    assert.ok(content, `${path}: ${type} is not described`);
    if (!type.endsWith('/json') && !type.endsWith('+json'))
        return 0;
    const body = await answer.json();
    const valid = validator(content.schema);
    assert.ok(valid(body), `${path}: ${JSON.stringify(valid.errors)} ${JSON.stringify(body)}`);
    return 1;
}

// Makes something, by a POST whose answer has to be as described.
async function make(path, body) {
    const known = Object.keys(description.paths).find((p) =>
        new RegExp(`^${p.replace(/\{.*?\}/g, '[^/]+')}$`).test(path) && description.paths[p].post);
    const answer = await fetch(base + path, { method: 'POST', headers: body ? { ...headers, 'Content-Type': 'application/json' } : headers,
        body: body && JSON.stringify(body) });
    const made = await answer.json();
    assert.ok(answer.ok, `${path}: ${answer.status} ${JSON.stringify(made)}`);
    const schema = description.paths[known].post.responses[answer.status]?.content['application/json'].schema;
    if (schema) {
        const valid = validator(schema);
        assert.ok(valid(made), `${path}: ${JSON.stringify(valid.errors)} ${JSON.stringify(made)}`);
    }
    return made;
}

// Calls a route; its answer has to be as described, and of the wanted status where that is not the one that is described. Its body.
async function call(method, path, body, more = {}, wanted = 0) {
    const known = Object.keys(description.paths).filter((p) => description.paths[p][method])
        .sort((a, b) => b.replace(/\{.*?\}/g, '').length - a.replace(/\{.*?\}/g, '').length)
        .find((p) => new RegExp(`^${p.replace(/\{.*?\}/g, '[^?]+')}$`).test(path.split('?')[0]));
    assert.ok(known, `${method} ${path} is not described`);
    const answer = await fetch(base + path, { method: method.toUpperCase(), body: body && JSON.stringify(body),
        headers: { ...headers, ...(body ? { 'Content-Type': 'application/json' } : {}), ...more } });
    const text = await answer.text();
    const operation = description.paths[known][method];
    const usual = Object.keys(operation.responses).find((status) => status < 300);
    assert.equal(answer.status, wanted || +usual, `${method} ${path}: ${text}`);
    const asked = operation.requestBody && Object.values(operation.requestBody.content)[0].schema;
    if (asked && body) {
        const valid = validator(asked);
        assert.ok(valid(body), `${method} ${path}: its request: ${JSON.stringify(valid.errors)}`);
    }
    const schema = operation.responses[usual].content?.['application/json']?.schema;
    if (!schema || !text)
        return null;
    const made = JSON.parse(text), valid = validator(schema);
    assert.ok(valid(made), `${method} ${path}: ${JSON.stringify(valid.errors)} ${text}`);
    called.add(`${method} ${known}`);
    return made;
}
const called = new Set();

const cases = {
    async document() {
        const result = await new Validator().validate(structuredClone(description));
        assert.ok(result.valid, JSON.stringify(result.errors, null, 1));
        assert.ok(operations().length > 60);
    },

    async answers() {
        let checked = 0;
        for (const { path, method, operation } of operations())
            if (method === 'get' && !path.includes('{') && !path.endsWith('/stream'))
                checked += await fits(path, operation);
        assert.ok(checked > 10);
    },

    async things() {
        const event = await make('/api/v1/events', { id: 'e1', type: 'thing.made', resourceId: 'r', resourceType: 'thing',
            data: {} });
        await make('/api/v1/endpoints', { name: 'hook', url: 'http://127.0.0.1:9/hook' });
        await make('/api/v1/schedules', { id: 'hourly', cron: '0 * * * *', sync: 'people' });
        const plan = await make('/api/v1/plans', { sync: 'people' });
        const run = await make('/api/v1/runs', { sync: 'people', wait: true });
        const test = await make('/api/v1/endpoints/hook/test');
        for (const path of ['enrollments', 'profile', 'progress', 'admin/students'])
            await make(`/api/${path}`, { id: '1' });
        const names = { id: '1', event: event.accepted[0].id, endpoint: 'hook', schedule: 'hourly', plan: plan.plan, run: run.run,
            sync: 'people' };
        let checked = 0;
        for (const { path, method, operation } of operations()) {
            const place = path.replace(/\{(.*?)\}/g, (all, name) => names[name] ?? all);
            if (method === 'get' && place !== path && !place.includes('{') && !path.endsWith('/events'))
                checked += await fits(place, operation, 200);
        }
        for (const path of ['/api/v1/events', '/api/v1/runs', '/api/v1/plans', '/api/v1/receipts', '/api/v1/schedules',
            '/api/v1/endpoints', '/api/v1/audit', '/api/v1/syncs', '/api/enrollments', '/api/progress', '/api/admin/students'])
            checked += await fits(path, description.paths[path].get, 200);
        assert.ok(test.event);
        assert.ok(checked > 24, `${checked}`);
    },

    // The routes of QStash's clients and of the surfaces, with something in them.
    async surfaces() {
        const to = 'http://127.0.0.1:9/hook', messages = '/v2/messages', schedules = '/v2/schedules';
        await call('post', '/v2/queues', { queueName: 'q', parallelism: 2, paused: true });
        await call('get', '/v2/queues');
        await call('get', '/v2/queues/q');
        await call('post', '/v2/topics/g/endpoints', { endpoints: [{ name: 'one', url: to }, { url: 'http://127.0.0.1:9/other' }] });
        await call('get', '/v2/topics');
        await call('get', '/v2/topics/g');
        const made = await call('post', `/v2/publish/${to}`, { a: 1 }, { 'Upstash-Delay': '1h', 'Upstash-Forward-X-A': 'b',
            'Upstash-Deduplication-Id': 'd', 'Upstash-Flow-Control-Key': 'f', 'Upstash-Flow-Control-Value': 'parallelism=1' });
        await call('post', `/v2/publish/${to}`, { a: 1 }, { 'Upstash-Deduplication-Id': 'd' }, 202);
        const several = await call('post', '/v2/publish/g', { a: 1 });
        assert.equal(several.length, 2);
        const all = await call('post', '/v2/batch', [{ destination: to, body: '{}', headers: { 'Upstash-Delay': '1h' } }, { destination: 'g' }]);
        assert.ok(all[0].messageId && all[1].length === 2);
        await call('post', `/v2/enqueue/q/${to}`, { a: 1 });
        await call('get', `${messages}/${made.messageId}`);
        await call('get', '/v2/flowControl/f');
        await call('get', '/v2/globalParallelism');
        await call('get', '/v2/events');
        await call('get', '/v2/logs');
        await call('delete', messages, { messageIds: [all[0].messageId] });
        await call('delete', `${messages}/${made.messageId}`);
        await call('get', '/v2/keys');
        await call('post', '/v2/keys/rotate');
        await call('post', `/v2/publish/${to}`, { a: 1 }, { 'Upstash-Retries': '0' });
        let dead = { messages: [] };
        while (!dead.messages.length) {
            dead = await call('get', '/v2/dlq');
            await new Promise((go) => setTimeout(go, 50));
        }
        await call('get', `/v2/dlq/${dead.messages[0].dlqId}`);
        await call('post', '/v2/dlq/retry', { dlqIds: [dead.messages[0].dlqId] });
        await call('delete', '/v2/dlq', { dlqIds: ['nothing'] });
        const schedule = await call('post', `${schedules}/${to}`, { a: 1 }, { 'Upstash-Cron': '0 * * * *' });
        await call('post', `${schedules}/${schedule.scheduleId}/trigger`);
        await call('get', schedules);
        await call('get', `${schedules}/${schedule.scheduleId}`);

        for (const action of ['status', 'validate'])
            await call('get', `/api/admin/sync?action=${action}`);
        await call('get', '/api/admin/scheduled-sync');
        await call('get', '/api/debug/user-exists?email=a@example.com');
        await call('post', '/api/admin/sync', { action: 'sync-all' });
        await call('post', '/api/admin/scheduled-sync', { action: 'run' });
        await call('get', '/api/admin/scheduled-sync');
        await call('post', '/api/background/sync/slave-to-prod', {}, { 'x-manual-trigger': 'true' });
        await call('get', '/api/background/sync/slave-to-prod');
        await call('post', '/api/background/sync/schedule', { action: 'create' });
        await call('get', '/api/background/sync/schedule');
        await call('get', '/api/sync/status');
        await call('post', '/api/sync/process');
        await call('get', '/api/sync/health');
        assert.ok(called.size > 34, `${called.size}`);
    },

    async requests() {
        let checked = 0;
        for (const { path, method, operation } of operations()) {
            const ref = operation.requestBody?.content['application/json']?.schema.$ref;
            const schema = ref && description.components.schemas[ref.split('/').pop()];
            if (!schema?.properties)
                continue;
            // null says nothing about a member, but it has to be known
            const body = Object.fromEntries(Object.keys(schema.properties).map((name) => [name, null]));
            const answer = await fetch(base + path.replace(/\{.*?\}/g, 'absent'), { method: method.toUpperCase(),
                headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
            const text = await answer.text();
            assert.ok(!text.includes('there is no member'), `${method} ${path}: ${text}`);
            assert.ok(answer.status < 500, `${method} ${path}: ${text}`);
            checked++;
        }
        assert.ok(checked > 8);
    },
};

for (const name of process.argv.slice(2))
    await cases[name]();
