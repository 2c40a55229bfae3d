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
