// SPDX-License-Identifier: Apache-2.0
// qstash.mjs - the official client and receiver of QStash, unchanged, against a daemon.
//
// QSTASH_URL and QSTASH_TOKEN say where; each argument names a case of `cases`, which prints nothing and throws when it fails. A receiver on a free port
// of this machine notes what was delivered and answers as the path says: /status/500, /fail-times/2/..., /hold/... when the case lets it, anything else 200.
import assert from 'node:assert/strict';
import http from 'node:http';
import { Client, Receiver } from '@upstash/qstash';

const received = [];
const waiting = [];
const failures = new Map();
const held = []; // answers that a case gives when it likes

function statusOf(url) {
    const status = /^\/status\/(\d+)/.exec(url);
    if (status) return Number(status[1]);
    const times = /^\/fail-times\/(\d+)/.exec(url);
    if (!times) return 200;
    const n = (failures.get(url) ?? 0) + 1;
    failures.set(url, n);
    return n > Number(times[1]) ? 200 : 500;
}
const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
        received.push({ method: request.method, url: request.url, headers: request.headers, raw: request.rawHeaders, body: Buffer.concat(parts).toString() });
        const answer = () => response.writeHead(statusOf(request.url), { 'X-Answer': 'yes' }).end(`answer to ${request.url}`);
        if (request.url.startsWith('/hold/')) held.push(answer);
        else answer();
        for (const wake of waiting.splice(0)) wake();
    });
});
// The n-th request at a path (and query); waits until it has come.
async function arrived(url, n = 1) {
    for (;;) {
        const found = received.filter((r) => r.url === url);
        if (found.length >= n) return found[n - 1];
        await new Promise((resolve) => waiting.push(resolve));
    }
}
// What fn gives once it is there; asks again and again.
async function until(fn) {
    for (;;) {
        const found = await fn();
        if (found) return found;
    }
}
const status = (code) => (error) => error.status === code || assert.fail(`${error.status} ${error.message}`);

const client = new Client({ baseUrl: process.env.QSTASH_URL, token: process.env.QSTASH_TOKEN, retry: false });
async function call(method, path, init = {}) {
    const response = await fetch(process.env.QSTASH_URL + path, { method, ...init, headers: { Authorization: `Bearer ${process.env.QSTASH_TOKEN}`, ...init.headers } });
    const text = await response.text();
    return { status: response.status, json: text ? JSON.parse(text) : undefined };
}
const keys = async () => (await call('GET', '/v2/keys')).json;
const receiverOf = (k) => new Receiver({ currentSigningKey: k.current, nextSigningKey: k.next });
let here;

const cases = {
    async publish() {
        const { messageId } = await client.publish({ url: `${here}/a/b?x=1&y=%2F`, body: 'hello', headers: { 'x-cron-secret': 's', 'Content-Type': 'text/csv' }, method: 'PUT' });
        const r = await arrived('/a/b?x=1&y=%2F');
        assert.match(messageId, /^msg_/);
        assert.equal(r.method, 'PUT');
        assert.equal(r.body, 'hello');
        assert.equal(r.headers['content-type'], 'text/csv');
        assert.equal(r.headers['x-cron-secret'], 's');
        assert.equal(r.headers['user-agent'], 'Upstash-QStash');
        assert.equal(r.headers['upstash-message-id'], messageId);
        assert.equal(r.headers['upstash-retried'], '0');
        assert.equal(r.headers['upstash-caller-ip'], '127.0.0.1');
        assert.equal(r.headers.authorization, undefined);
    },
    async a_destination_arrives_as_it_was_given() {
        for (const path of ['/', '/a//b', '/a%2Fb', '/?q', '/x?a=b?c&&d=%25', '/trailing/', '/@:!$()*;~']) {
            await client.publish({ url: here + path });
            await arrived(path);
        }
    },
    async the_receiver_verifies() {
        const k = await keys();
        assert.notEqual(k.current, k.next);
        for (const body of ['', '{"ä":1}', 'x'.repeat(100000)]) {
            received.length = 0;
            await client.publish({ url: `${here}/signed?b=1`, body });
            const r = await arrived('/signed?b=1');
            const signature = r.headers['upstash-signature'];
            assert.equal(await receiverOf(k).verify({ signature, body: r.body, url: `${here}/signed?b=1` }), true);
            await assert.rejects(receiverOf(k).verify({ signature, body: r.body + ' ' }));
            await assert.rejects(receiverOf(k).verify({ signature, body: r.body, url: `${here}/signed` }));
            await assert.rejects(receiverOf({ current: 'sig_a', next: 'sig_b' }).verify({ signature, body: r.body }));
        }
    },
    async keys_are_rotated() {
        const before = await keys();
        const after = (await call('POST', '/v2/keys/rotate')).json;
        assert.equal(after.current, before.next);
        assert.notEqual(after.next, before.next);
        assert.deepEqual(await keys(), after);
        // The new key signs soon; a receiver that has either pair takes all that comes meanwhile.
        let n = 0;
        await until(async () => {
            const url = `${here}/rotated/${n++}`;
            await client.publish({ url });
            const r = await arrived(new URL(url).pathname);
            const signature = r.headers['upstash-signature'];
            assert.equal(await receiverOf(before).verify({ signature, body: '' }), true);
            return receiverOf({ current: after.current, next: after.current }).verify({ signature, body: '' }).catch(() => false);
        });
    },
    async a_failed_delivery_is_tried_again_and_signed_anew() {
        const k = await keys();
        const { messageId } = await client.publishJSON({ url: `${here}/fail-times/2/x`, body: { a: 1 }, retries: 3, retryDelay: '1' });
        const tries = [await arrived('/fail-times/2/x', 1), await arrived('/fail-times/2/x', 2), await arrived('/fail-times/2/x', 3)];
        assert.deepEqual(tries.map((r) => r.headers['upstash-retried']), ['0', '1', '2']);
        assert.deepEqual(new Set(tries.map((r) => r.headers['upstash-message-id'])), new Set([messageId]));
        assert.equal(new Set(tries.map((r) => r.headers['upstash-signature'])).size, 3);
        for (const r of tries) assert.ok(await receiverOf(k).verify({ signature: r.headers['upstash-signature'], body: '{"a":1}' }));
        assert.equal(tries[0].headers['content-type'], 'application/json');
    },
    async a_message_is_sent_once_for_an_id() {
        const first = await client.publish({ url: `${here}/once`, body: 'a', deduplicationId: 'id-1' });
        const second = await client.publish({ url: `${here}/once`, body: 'b', deduplicationId: 'id-1' });
        assert.equal(first.deduplicated, undefined);
        assert.deepEqual(second, { messageId: first.messageId, deduplicated: true });
        const c = await client.publish({ url: `${here}/content`, body: 'a', contentBasedDeduplication: true });
        assert.deepEqual(await client.publish({ url: `${here}/content`, body: 'a', contentBasedDeduplication: true }), { messageId: c.messageId, deduplicated: true });
        assert.notEqual((await client.publish({ url: `${here}/content`, body: 'b', contentBasedDeduplication: true })).messageId, c.messageId);
        await arrived('/content', 2);
        assert.equal((await arrived('/once')).body, 'a');
        assert.equal(received.filter((r) => r.url === '/once').length, 1);
        const raw = await call('POST', `/v2/publish/${here}/once`, { headers: { 'Upstash-Deduplication-Id': 'id-1' } });
        assert.equal(raw.status, 202);
    },
    async callbacks_are_told_each_attempt() {
        const k = await keys();
        const { messageId } = await client.publish({
            url: `${here}/fail-times/1/cb`, body: 'body', headers: { 'X-Source': '1', Authorization: 'Bearer x' }, retries: 2, retryDelay: '1',
            callback: `${here}/callback`, failureCallback: `${here}/failed`,
        });
        const told = [JSON.parse((await arrived('/callback', 1)).body), JSON.parse((await arrived('/callback', 2)).body)].sort((a, b) => a.retried - b.retried);
        assert.deepEqual(told.map((t) => [t.status, t.retried, t.maxRetries]), [[500, 0, 2], [200, 1, 2]]);
        for (const t of told) {
            assert.equal(t.sourceMessageId, messageId);
            assert.equal(t.url, `${here}/fail-times/1/cb`);
            assert.equal(t.method, 'POST');
            assert.equal(atob(t.body), 'answer to /fail-times/1/cb');
            assert.equal(atob(t.sourceBody), 'body');
            assert.deepEqual(t.header['X-Answer'], ['yes']);
            assert.deepEqual(t.sourceHeader['X-Source'], ['1']);
            assert.deepEqual(t.sourceHeader.Authorization, ['Bearer x']);
            assert.equal(t.callerIP, '127.0.0.1');
            assert.equal(t.dlqId, undefined);
        }
        const r = await arrived('/callback');
        assert.equal(r.headers['content-type'], 'application/json');
        assert.ok(await receiverOf(k).verify({ signature: r.headers['upstash-signature'], body: r.body, url: `${here}/callback` }));
        assert.equal(received.filter((q) => q.url === '/failed').length, 0);
    },
    async a_failure_callback_is_told_the_last_attempt() {
        const raw = await call('POST', `/v2/publish/${here}/status/503`, { body: 'x', headers: {
            'Upstash-Retries': '1', 'Upstash-Retry-Delay': '1', 'Upstash-Failure-Callback': `${here}/failed?a=1`, 'Upstash-Failure-Callback-Method': 'PUT', 'Upstash-Failure-Callback-Forward-X-A': 'b' } });
        const r = await arrived('/failed?a=1');
        const told = JSON.parse(r.body);
        assert.equal(r.method, 'PUT');
        assert.equal(r.headers['x-a'], 'b');
        assert.deepEqual([told.status, told.retried, told.maxRetries, told.sourceMessageId], [503, 1, 1, raw.json.messageId]);
        assert.match(told.dlqId, /^\d+-\d+$/);
        assert.equal(received.filter((q) => q.url === '/status/503').length, 2);
    },
    async a_message_is_shown_and_cancelled() {
        const before = Date.now();
        const { messageId } = await client.publish({
            url: `${here}/later?a=b`, body: 'hello', delay: '1h', label: 'red', headers: { 'X-A': '1', Authorization: 'secret' }, retries: 7, retryDelay: '1000 * (1 + retried)',
            callback: `${here}/cb`, method: 'PUT', flowControl: { key: 'k', rate: 10, parallelism: 2, period: '1m' },
        });
        const m = await client.messages.get(messageId);
        const wanted = { messageId, url: `${here}/later?a=b`, method: 'PUT', body: 'hello', maxRetries: 7, callback: `${here}/cb`, callerIP: '127.0.0.1', callerIp: '127.0.0.1', label: 'red',
            flowControlKey: 'k', rate: 10, ratePerSecond: 10, parallelism: 2, period: 60, retryDelayExpression: '1000 * (1 + retried)' };
        for (const [name, value] of Object.entries(wanted)) assert.equal(m[name], value, name);
        assert.deepEqual(m.header['X-A'], ['1']);
        assert.match(m.header.Authorization[0], /^REDACTED:[0-9a-f]{64}$/);
        assert.ok(m.createdAt >= before - 1000 && m.notBefore === m.createdAt + 3600000, `${m.createdAt} ${m.notBefore}`);
        assert.deepEqual(await client.messages.cancel(messageId), { cancelled: 1 });
        await assert.rejects(client.messages.get(messageId), status(404));
        await assert.rejects(client.messages.cancel(messageId), status(404));
        await assert.rejects(client.messages.get('msg_none'), status(404));
    },
    async a_moment_may_be_said_as_unix_seconds() {
        const at = Math.floor(Date.now() / 1000) + 5000;
        const { messageId } = await client.publish({ url: here, notBefore: at, delay: 10 });
        assert.equal((await client.messages.get(messageId)).notBefore, at * 1000);
        await client.publish({ url: `${here}/past`, notBefore: 1 });
        await arrived('/past');
    },
    async messages_are_redacted_as_asked() {
        const { messageId } = await client.publish({ url: here, delay: 1000, body: 'secret', headers: { 'X-A': 'a', 'X-B': 'b' }, redact: { body: true, header: ['X-A'] } });
        const m = await client.messages.get(messageId);
        assert.match(m.body, /^REDACTED:/);
        assert.match(m.header['X-A'][0], /^REDACTED:/);
        assert.deepEqual(m.header['X-B'], ['b']);
    },
    async many_are_cancelled() {
        await client.messages.cancel({ all: true });
        const later = (path, more = {}) => client.publish({ url: here + path, delay: 1000, ...more }).then((r) => r.messageId);
        const [a, b, c, d] = [await later('/a', { label: 'x' }), await later('/b', { label: ['x', 'y'] }), await later('/c', { label: 'z' }), await later('/c')];
        assert.deepEqual(await client.messages.cancel([a, 'msg_none']), { cancelled: 1 });
        assert.deepEqual(await client.messages.cancel({ filter: { label: 'y', url: `${here}/a` } }), { cancelled: 0 });
        assert.deepEqual(await client.messages.cancel({ filter: { label: ['y', 'z'] } }), { cancelled: 2 });
        await assert.rejects(client.messages.get(b), status(404));
        assert.equal((await client.messages.get(d)).messageId, d);
        assert.deepEqual(await client.messages.cancel({ all: true }), { cancelled: 1 });
        assert.equal((await call('DELETE', '/v2/messages')).status, 400);
        assert.ok(c);
        const old = await call('DELETE', '/v2/messages', { body: JSON.stringify({ messageIds: [await later('/e')] }), headers: { 'Content-Type': 'application/json' } });
        assert.deepEqual(old.json, { cancelled: 1 });
    },
    async a_schedule_is_made_shown_paused_and_removed() {
        const before = Date.now();
        const { scheduleId } = await client.schedules.create({
            destination: `${here}/scheduled?a=1`, cron: ' CRON_TZ=Europe/Vienna 0 3 * * * ', body: '{"a":1}', headers: { 'X-A': '1' }, method: 'PUT', retries: 5, delay: 90, label: 'red',
            callback: `${here}/cb`, failureCallback: `${here}/failed`, timeout: 20, retryDelay: '1000', flowControl: { key: 'k', parallelism: 3 },
        });
        const s = await client.schedules.get(scheduleId);
        const wanted = { scheduleId, cron: 'CRON_TZ=Europe/Vienna 0 3 * * *', destination: `${here}/scheduled?a=1`, body: '{"a":1}', method: 'PUT', retries: 5, delay: 90, isPaused: false, label: 'red',
            callback: `${here}/cb`, failureCallback: `${here}/failed`, retryDelayExpression: '1000', flowControlKey: 'k', parallelism: 3 };
        for (const [name, value] of Object.entries(wanted)) assert.equal(s[name], value, name);
        assert.deepEqual([s.header['X-A'], s.header['Content-Type']], [['1'], ['application/json']]);
        assert.ok(s.createdAt >= before - 1000 && s.nextScheduleTime > before);
        await client.schedules.pause({ schedule: scheduleId });
        assert.equal((await client.schedules.get(scheduleId)).isPaused, true);
        const other = await client.schedules.create({ destination: here, cron: '0 4 * * *' });
        assert.deepEqual((await client.schedules.list()).map((l) => [l.scheduleId, l.isPaused]).sort(), [[scheduleId, true], [other.scheduleId, false]].sort());
        await client.schedules.delete(other.scheduleId);
        await client.schedules.resume({ schedule: scheduleId });
        assert.equal((await client.schedules.get(scheduleId)).isPaused, false);
        assert.equal((await call('POST', `/v2/schedules/${scheduleId}/pause`)).status, 200);
        await client.schedules.delete(scheduleId);
        await assert.rejects(client.schedules.get(scheduleId), status(404));
        await assert.rejects(client.schedules.delete(scheduleId), status(404));
        assert.deepEqual(await client.schedules.list(), []);
    },
    async a_schedule_of_an_id_is_replaced_and_stays_paused() {
        const make = (cron) => client.schedules.create({ destination: here, cron, scheduleId: 'my.Schedule-1' });
        assert.deepEqual(await make('0 3 * * *'), { scheduleId: 'my.Schedule-1' });
        await client.schedules.pause({ schedule: 'my.Schedule-1' });
        await make('0 4 * * *');
        const s = await client.schedules.get('my.Schedule-1');
        assert.deepEqual([s.cron, s.isPaused], ['0 4 * * *', true]);
        const go = await call('GET', '/v2/Schedules/my.Schedule-1');
        assert.equal(go.json.cron, '0 4 * * *');
        await client.schedules.delete('my.Schedule-1');
    },
    async what_is_no_schedule_is_refused() {
        for (const cron of ['', '* * * *', '61 * * * *', 'CRON_TZ=Nowhere/City * * * * *', '0 0 30 2 *'])
            await assert.rejects(client.schedules.create({ destination: here, cron }), status(400), cron);
        await assert.rejects(client.schedules.create({ destination: here, cron: '* * * * *', scheduleId: 'a/b' }), status(400));
        await assert.rejects(client.schedules.create({ destination: 'http://10.0.0.1', cron: '* * * * *' }), status(400));
        await assert.rejects(client.schedules.pause({ schedule: 'none' }), status(404));
    },
    async a_schedule_fires() {
        const k = await keys();
        const { scheduleId } = await client.schedules.create({ destination: `${here}/fired`, cron: '0 0 1 1 *', body: 'b', headers: { 'x-cron-secret': 's' } });
        const { json } = await call('POST', `/v2/schedules/${scheduleId}/trigger`);
        const r = await arrived('/fired');
        assert.equal(r.body, 'b');
        assert.equal(r.headers['x-cron-secret'], 's');
        assert.equal(r.headers['upstash-schedule-id'], scheduleId);
        assert.equal(r.headers['upstash-message-id'], json.messageId);
        assert.ok(await receiverOf(k).verify({ signature: r.headers['upstash-signature'], body: 'b', url: `${here}/fired` }));
        const s = await until(async () => {
            const found = await client.schedules.get(scheduleId);
            return found.lastScheduleStates?.[json.messageId] === 'SUCCESS' && found;
        });
        assert.equal(s.scheduleId, scheduleId);
    },
    async schedules_of_the_configuration_are_managed_too() {
        const [s] = await client.schedules.list();
        assert.deepEqual([s.scheduleId, s.destination, s.cron, s.isPaused], ['nightly', 'lockstep:sync/users', '0 3 * * *', false]);
        await client.schedules.pause({ schedule: 'nightly' });
        assert.equal((await client.schedules.get('nightly')).isPaused, true);
        await client.schedules.resume({ schedule: 'nightly' });
        await assert.rejects(client.schedules.delete('nightly'), status(409));
        await assert.rejects(client.schedules.create({ destination: here, cron: '* * * * *', scheduleId: 'nightly' }), status(409));
    },
    async a_batch_is_taken_as_a_whole() {
        await client.urlGroups.addEndpoints({ name: 'batch', endpoints: [{ url: `${here}/g1` }, { url: `${here}/g2` }] });
        const answers = await client.batchJSON([
            { url: `${here}/b1?x=1`, body: { n: 1 }, headers: { 'X-A': '1' } },
            { url: `${here}/b2`, body: { n: 2 }, queueName: 'batched', method: 'PUT' },
            { urlGroup: 'batch', body: { n: 3 } },
        ]);
        assert.equal(answers.length, 3);
        assert.equal((await arrived('/b1?x=1')).headers['upstash-message-id'], answers[0].messageId);
        assert.deepEqual([(await arrived('/b2')).method, (await arrived('/b2')).body], ['PUT', '{"n":2}']);
        assert.deepEqual(answers[2].map((a) => a.url), [`${here}/g1`, `${here}/g2`]);
        assert.equal((await arrived('/g2')).headers['content-type'], 'application/json');
        assert.equal((await client.queue({ queueName: 'batched' }).get()).name, 'batched');
        await assert.rejects(client.batchJSON([{ url: `${here}/none`, body: 1 }, { url: 'http://10.0.0.1/', body: 2 }]), (e) => /message 2/.test(e.message));
        await assert.rejects(client.batchJSON([{ url: `${here}/none`, body: 1 }, { urlGroup: 'nowhere', body: 2 }]), status(404));
        const python = await call('POST', '/v2/batch', { body: JSON.stringify([{ destination: `${here}/py`, headers: {}, queue: null }]), headers: { 'Content-Type': 'application/json' } });
        assert.equal(python.json.length, 1);
        await arrived('/py');
        assert.equal((await call('POST', '/v2/batch', { body: '{}' })).status, 400);
        assert.equal(received.filter((r) => r.url === '/none').length, 0);
    },
    async a_group_gets_a_message_for_each_url() {
        const name = 'my-group';
        await client.urlGroups.addEndpoints({ name, endpoints: [{ name: 'one', url: `${here}/one` }, { url: `${here}/two` }] });
        await client.urlGroups.addEndpoints({ name, endpoints: [{ name: 'one', url: `${here}/uno` }, { name: 'three', url: `${here}/three` }] });
        const group = await client.urlGroups.get(name);
        assert.equal(group.name, name);
        assert.deepEqual(group.endpoints, [{ name: 'one', url: `${here}/uno` }, { url: `${here}/two` }, { name: 'three', url: `${here}/three` }]);
        assert.ok(group.createdAt && group.updatedAt >= group.createdAt);
        const answers = await client.publishJSON({ urlGroup: name, body: { a: 1 }, deduplicationId: 'g' });
        assert.equal(answers.length, 3);
        for (const [i, path] of ['/uno', '/two', '/three'].entries()) {
            const r = await arrived(path);
            assert.equal(r.headers['upstash-message-id'], answers[i].messageId);
            assert.equal(r.headers['upstash-topic-name'], name);
            assert.ok(await receiverOf(await keys()).verify({ signature: r.headers['upstash-signature'], body: r.body, url: here + path }));
        }
        assert.deepEqual((await client.publishJSON({ urlGroup: name, body: { a: 1 }, deduplicationId: 'g' })).map((a) => a.deduplicated), [true, true, true]);
        const [later] = await client.publish({ urlGroup: name, delay: 1000 });
        const m = await client.messages.get(later.messageId);
        assert.deepEqual([m.topicName, m.urlGroup, m.endpointName, m.url], [name, name, 'one', `${here}/uno`]);
        assert.deepEqual(await client.messages.cancel({ filter: { urlGroup: name } }), { cancelled: 3 });
        await client.urlGroups.removeEndpoints({ name, endpoints: [{ name: 'one' }, { url: `${here}/two` }] });
        assert.deepEqual((await client.urlGroups.list()).find((g) => g.name === name).endpoints, [{ name: 'three', url: `${here}/three` }]);
        await assert.rejects(client.urlGroups.addEndpoints({ name, endpoints: [{ url: 'http://10.0.0.1/' }] }), status(400));
        const { scheduleId } = await client.schedules.create({ destination: name, cron: '0 0 1 1 *' });
        assert.equal((await client.schedules.get(scheduleId)).destination, name);
        await client.schedules.delete(scheduleId);
        await client.urlGroups.delete(name);
        await assert.rejects(client.urlGroups.get(name), status(404));
        await assert.rejects(client.urlGroups.delete(name), status(404));
        await assert.rejects(client.publish({ urlGroup: name }), status(404));
    },
    async a_queue_keeps_its_order_while_it_fails() {
        const queue = client.queue({ queueName: 'ordered' });
        for (let i = 0; i < 6; i++) await queue.enqueueJSON({ url: `${here}/${i % 2 ? 'ok' : 'fail-times/2'}/${i}`, body: i, retryDelay: '1' });
        for (let i = 0; i < 6; i++) await arrived(`/${i % 2 ? 'ok' : 'fail-times/2'}/${i}`, i % 2 ? 1 : 3);
        assert.deepEqual(received.map((r) => Number(r.body)), [0, 0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5]);
        const q = await queue.get();
        assert.deepEqual([q.name, q.parallelism, q.lag, q.paused], ['ordered', 1, 0, false]);
        assert.ok(q.createdAt && q.updatedAt);
    },
    async a_queue_is_paused_changed_and_removed() {
        const queue = client.queue({ queueName: 'q.1' });
        await queue.upsert({ parallelism: 3, paused: true });
        const { messageId } = await queue.enqueue({ url: `${here}/paused`, body: 'x' });
        assert.equal((await client.messages.get(messageId)).queueName, 'q.1');
        await client.publish({ url: `${here}/other` });
        await arrived('/other');
        assert.equal(received.filter((r) => r.url === '/paused').length, 0);
        assert.deepEqual((({ parallelism, lag, paused }) => ({ parallelism, lag, paused }))(await queue.get()), { parallelism: 3, lag: 1, paused: true });
        await queue.resume();
        await arrived('/paused');
        await queue.pause();
        assert.equal((await client.queue().list()).find((q) => q.name === 'q.1').paused, true);
        const left = await queue.enqueue({ url: `${here}/left` });
        await queue.delete();
        await assert.rejects(client.messages.get(left.messageId), status(404));
        await assert.rejects(queue.get(), status(404));
        await assert.rejects(queue.delete(), status(404));
        await assert.rejects(client.queue({ queueName: 'none' }).pause(), status(404));
        await assert.rejects(queue.upsert({ parallelism: 0 }), status(400));
        await assert.rejects(client.queue({ queueName: 'a b' }).upsert({}), status(400));
    },
    async no_more_are_sent_at_once_than_a_queue_or_key_allows() {
        for (const [path, send] of [
            ['/hold/q', async (url) => client.queue({ queueName: 'three' }).enqueue({ url })],
            ['/hold/k', async (url) => client.publish({ url, flowControl: { key: 'three', parallelism: 3 } })],
        ]) {
            if (path === '/hold/q') await client.queue({ queueName: 'three' }).upsert({ parallelism: 3 });
            for (let i = 0; i < 7; i++) await send(here + path);
            await arrived(path, 3);
            assert.equal(held.length, 3);
            while (held.length) {
                const before = received.length;
                held.shift()();
                if (received.filter((r) => r.url === path).length < 7) await until(() => received.length > before || new Promise((resolve) => waiting.push(() => resolve(false))));
                assert.ok(held.length <= 3);
            }
            assert.equal(received.filter((r) => r.url === path).length, 7);
        }
    },
    async a_key_sends_no_more_than_its_rate() {
        for (let i = 0; i < 5; i++) await client.publish({ url: `${here}/rate`, flowControl: { key: 'rate', rate: 2, period: '7d' } });
        await arrived('/rate', 2);
        await client.publish({ url: `${here}/other` });
        await arrived('/other');
        assert.equal(received.filter((r) => r.url === '/rate').length, 2);
        const flow = await client.flowControl.get('rate');
        assert.deepEqual([flow.flowControlKey, flow.rateMax, flow.ratePeriod, flow.waitListSize, flow.isPaused], ['rate', 2, 604800, 3, false]);
        await client.flowControl.resetRate('rate');
        await arrived('/rate', 4);
        await client.flowControl.pin('rate', { rate: 100, period: '1s', parallelism: 2 });
        await arrived('/rate', 5);
        await client.publish({ url: `${here}/rate`, flowControl: { key: 'rate', rate: 1, period: '7d' } });
        await arrived('/rate', 6);
        const pinned = await client.flowControl.get('rate');
        assert.deepEqual([pinned.rateMax, pinned.ratePeriod, pinned.parallelismMax, pinned.isPinnedRate, pinned.isPinnedParallelism], [100, 1, 2, true, true]);
        await client.flowControl.unpin('rate', { rate: true, parallelism: true });
        assert.equal((await client.flowControl.get('rate')).isPinnedRate, false);
    },
    async a_key_is_paused() {
        await client.flowControl.pause('held');
        const { messageId } = await client.publish({ url: `${here}/held`, flowControl: { key: 'held', parallelism: 1 } });
        assert.equal((await client.flowControl.get('held')).isPaused, true);
        assert.equal((await client.messages.get(messageId)).flowControlKey, 'held');
        await client.flowControl.resume('held');
        await arrived('/held');
        await assert.rejects(client.flowControl.get('none'), status(404));
        const all = await client.flowControl.getGlobalParallelism();
        assert.equal(all.parallelismMax, 1024);
    },
    async dead_letters_are_listed_retried_and_removed() {
        const die = async (path, more = {}) => (await client.publish({ url: here + path, body: `body of ${path}`, retries: 0, headers: { 'X-A': path }, ...more })).messageId;
        const dead = (n) => until(async () => {
            const { messages } = await client.dlq.listMessages();
            return messages.length === n && messages;
        });
        const ids = [await die('/status/500/a', { label: 'red' }), await die('/status/404/b'), await die('/status/503/c')];
        const messages = await dead(3);
        const a = messages.find((m) => m.messageId === ids[0]);
        assert.deepEqual([a.url, a.responseStatus, a.responseBody, a.body, a.method, a.maxRetries, a.label], [`${here}/status/500/a`, 500, 'answer to /status/500/a', 'body of /status/500/a', 'POST', 0, 'red']);
        assert.deepEqual([a.responseHeader['X-Answer'], a.header['X-A']], [['yes'], ['/status/500/a']]);
        assert.ok(a.dlqId && a.createdAt && a.notBefore);
        assert.equal((await call('GET', `/v2/dlq/${a.dlqId}`)).json.messageId, ids[0]);
        assert.deepEqual((await client.dlq.listMessages({ filter: { responseStatus: 404 } })).messages.map((m) => m.messageId), [ids[1]]);
        assert.deepEqual((await client.dlq.listMessages({ filter: { label: 'red' } })).messages.map((m) => m.messageId), [ids[0]]);
        assert.deepEqual((await client.dlq.listMessages({ dlqIds: [a.dlqId] })).messages.map((m) => m.messageId), [ids[0]]);
        assert.deepEqual((await client.dlq.listMessages({ filter: { toDate: 1 } })).messages, []);
        const first = await client.dlq.listMessages({ count: 2 });
        const second = await client.dlq.listMessages({ count: 2, cursor: first.cursor });
        assert.deepEqual([...first.messages, ...second.messages].map((m) => m.messageId), [...ids].reverse());
        assert.equal(second.cursor, undefined);

        const { responses } = await client.dlq.retry(a.dlqId);
        assert.equal(responses.length, 1);
        assert.notEqual(responses[0].messageId, ids[0]);
        assert.equal((await arrived('/status/500/a', 2)).headers['upstash-message-id'], responses[0].messageId);
        assert.equal((await arrived('/status/500/a', 2)).body, 'body of /status/500/a');
        assert.equal((await arrived('/status/500/a', 2)).headers['x-a'], '/status/500/a');
        assert.deepEqual((await client.dlq.retry(a.dlqId)).responses, []);
        await assert.rejects(client.dlq.delete(a.dlqId), status(404));
        const again = (await dead(3)).find((m) => m.messageId === responses[0].messageId);
        await client.dlq.delete(again.dlqId);
        await assert.rejects(client.dlq.delete(again.dlqId), status(404));
        assert.deepEqual(await client.dlq.delete({ filter: { url: `${here}/status/404/b` } }), { deleted: 1 });
        assert.equal((await client.dlq.retry({ all: true })).responses.length, 1);
        await dead(1);
        let deleted = 0;
        for (let cursor, n = 0; n === 0 || cursor; n++) {
            const result = await client.dlq.delete({ all: true, count: 1, cursor });
            deleted += result.deleted;
            cursor = result.cursor;
        }
        assert.equal(deleted, 1);
        assert.deepEqual((await client.dlq.listMessages()).messages, []);
        assert.equal((await call('DELETE', '/v2/dlq')).status, 400);
        const python = await call('DELETE', '/v2/dlq', { body: JSON.stringify({ dlqIds: [a.dlqId] }), headers: { 'Content-Type': 'application/json' } });
        assert.deepEqual(python.json, { deleted: 0 });
    },
    async logs_tell_what_happened() {
        const { messageId } = await client.publish({ url: `${here}/fail-times/1/log`, body: 'x', retries: 1, retryDelay: '1', label: 'logged' });
        await arrived('/fail-times/1/log', 2);
        const of = async (id) => (await client.logs({ messageIds: [id] })).logs;
        const logs = await until(async () => {
            const found = await of(messageId);
            return found[0].state === 'DELIVERED' && found;
        });
        assert.deepEqual(logs.map((l) => l.state).reverse(), ['CREATED', 'ACTIVE', 'ERROR', 'RETRY', 'ACTIVE', 'DELIVERED']);
        for (const l of logs) assert.deepEqual([l.messageId, l.url, l.label, typeof l.time], [messageId, `${here}/fail-times/1/log`, 'logged', 'number']);
        assert.equal(logs.find((l) => l.state === 'ERROR').error, 'HTTP 500');
        const dead = await client.publish({ url: `${here}/status/500`, retries: 0 });
        await until(async () => (await of(dead.messageId))[0].state === 'FAILED');
        const cancelled = await client.publish({ url: here, delay: 1000 });
        await client.messages.cancel(cancelled.messageId);
        assert.deepEqual((await of(cancelled.messageId)).map((l) => l.state), ['CANCELED', 'CREATED']);
        assert.deepEqual((await client.logs({ filter: { state: 'FAILED' } })).logs.map((l) => l.messageId), [dead.messageId]);
        assert.deepEqual((await client.logs({ filter: { label: 'logged', state: 'DELIVERED' } })).logs.map((l) => l.messageId), [messageId]);
        const first = await client.logs({ count: 1 });
        assert.equal(first.logs[0].messageId, cancelled.messageId);
        const rest = await client.logs({ cursor: first.cursor });
        assert.ok(!rest.logs.some((l) => l.messageId === cancelled.messageId) && rest.logs.some((l) => l.messageId === messageId));
        assert.ok((await call('GET', '/v2/logs')).json.logs.length >= 10);
    },
    async what_cannot_be_sent_is_refused() {
        await assert.rejects(client.publish({ url: 'http://169.254.169.254/latest' }), status(400));
        await assert.rejects(client.publish({ url: `${here}/`, callback: 'http://10.0.0.1/' }), status(400));
        await assert.rejects(client.publish({ url: `${here}/`, retryDelay: 'system(1)' }), status(400));
        await assert.rejects(client.publish({ url: `${here}/`, timeout: '1y' }), status(400));
        await assert.rejects(client.publish({ urlGroup: 'nowhere' }), status(404));
        await client.publish({ url: 'https://no-such-host.invalid/', delay: 1000 }); // names are looked up when it is sent
        await assert.rejects(client.publish({ url: `${here}/`, headers: { 'Transfer-Encoding': 'chunked' } }), status(400));
        const refused = await call('POST', '/v2/publish/a%20b');
        assert.equal(refused.status, 400);
        assert.match(refused.json.error, /destination/);
        await assert.rejects(new Client({ baseUrl: process.env.QSTASH_URL, token: 'wrong', retry: false }).publish({ url: here }), status(401));
    },
    async headers_may_stand_in_the_query() {
        const raw = await call('POST', `/v2/publish/${here}/query?a=1&upstash-method=PATCH&qstash_token=secret&b=2&upstash-forward-x-b=c%20d`);
        assert.equal(raw.status, 200);
        const r = await arrived('/query?a=1&b=2');
        assert.equal(r.method, 'PATCH');
        assert.equal(r.headers['x-b'], 'c d');
    },
    async what_deliveries_say_themselves_cannot_be_forged() {
        await client.publish({ url: `${here}/forged`, headers: { 'Upstash-Signature': 'x', 'Upstash-Message-Id': 'y', 'User-Agent': 'z' } });
        const r = await arrived('/forged');
        assert.notEqual(r.headers['upstash-signature'], 'x');
        assert.match(r.headers['upstash-message-id'], /^msg_[0-9a-f]{32}$/);
        assert.equal(r.headers['user-agent'], 'Upstash-QStash');
    },
};

await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
here = `http://127.0.0.1:${server.address().port}`;
for (const name of process.argv.slice(2)) {
    received.length = 0;
    await cases[name]();
}
process.exit(0);
