// cookie.mjs - session cookies as NextAuth 4 and Auth.js 5 make them.
//   node cookie.mjs NAME SECRET CLAIMS [LIFETIME]: NAME=VALUE, in chunks where it is long, as a request has them
import { createRequire } from 'node:module';
import { encode as five } from '@auth/core/jwt';

const require = createRequire(import.meta.url);
const jwt = require.resolve('next-auth/jwt');
const { encode: four } = require(jwt);
const { SessionStore } = require(jwt.replace(/jwt.index\.js$/, 'core/lib/cookie.js'));

const [name, secret, claims, lifetime = '600'] = process.argv.slice(2);
const how = { token: JSON.parse(claims), secret, maxAge: Number(lifetime) };
const value = name.includes('authjs') ? await five({ ...how, salt: name }) : await four(how);
const store = new SessionStore({ name, options: {} }, { cookies: {}, headers: {} }, { debug() {} });
console.log(store.chunk(value, {}).map((c) => `${c.name}=${c.value}`).join('; '));
