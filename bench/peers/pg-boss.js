// SPDX-License-Identifier: Apache-2.0
// pg-boss.js - jobs a second that pg-boss accepts: `send` by 64 senders at once, 300 bytes each. Prints rate=.
//
//   node pg-boss.js POSTGRES_URL COUNT
import PgBoss from 'pg-boss';

const [url, count] = [process.argv[2], Number(process.argv[3])];
const boss = new PgBoss({ connectionString: url, max: 16, supervise: false, schedule: false });
boss.on('error', (error) => { throw error; });
await boss.start();
await boss.createQueue('orders');
const data = { t: 1, pad: 'x'.repeat(280) };
let begun = 0;
const from = process.hrtime.bigint();
await Promise.all(Array.from({ length: 64 }, async () => {
    while (begun++ < count) await boss.send('orders', data);
}));
console.log('rate=' + Math.round(count * 1e9 / Number(process.hrtime.bigint() - from)));
await boss.stop({ graceful: false });
