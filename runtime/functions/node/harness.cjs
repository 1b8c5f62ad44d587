// Runs one function in Node.js: loads its code, takes one call at a time on an inherited socket, and answers in JSON.
//
// stdin: one document {name, handler, main, files, env, dependencies, timeout_ms, memory_mb}, then its end.
// 3: what it says of itself, in lines of JSON. 4: the listening socket.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { Module } = require('node:module');
const { pathToFileURL } = require('node:url');
const util = require('node:util');
const { Script } = require('node:vm');

const CONTROL = 3;
const LISTENING = 4;
const INVOKE = 'x-hearth-invoke';
const FOLDER = '/tmp/function';
const DEPENDENCIES = '/data/dependencies/node_modules';
/** Of what one call prints, so much is kept. */
const MAX_LOGS = 256 << 10;
const IDENTIFIER = /^[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*$/;

const write = fs.writeSync;
const say = (news) => write(CONTROL, `${JSON.stringify(news)}\n`);
const { stringify, parse } = JSON;

// What is printed belongs to the call that runs; while the code loads, to the first one.
let logs = [];
let logged = 0;
function print(text) {
  if (logged >= MAX_LOGS) return;
  logged += text.length + 1;
  logs.push(text.length > MAX_LOGS ? text.slice(0, MAX_LOGS) : text);
  if (logged >= MAX_LOGS) logs.push('[more was printed than is kept]');
}
function takeLogs() {
  const taken = logs;
  logs = [];
  logged = 0;
  return taken;
}
function capture(stream) {
  let rest = '';
  stream.write = (chunk, encoding, done) => {
    rest += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    const lines = rest.split('\n');
    rest = lines.pop();
    for (const line of lines) print(line);
    if (rest.length > MAX_LOGS) rest = '';
    const callback = typeof encoding === 'function' ? encoding : done;
    if (callback) process.nextTick(callback);
    return true;
  };
  return () => {
    if (rest) print(rest);
    rest = '';
  };
}
const flushes = [capture(process.stdout), capture(process.stderr)];
for (const level of ['log', 'info', 'warn', 'error', 'debug']) {
  console[level] = (...args) => {
    for (const line of util.format(...args).split('\n')) print(line);
  };
}

/** Paths of ours are nobody's business: stacks name the function's own files. */
function stackOf(error) {
  const stack = typeof error?.stack === 'string' ? error.stack : '';
  return stack
    .split('\n')
    .filter((line) => !line.includes('/runtime/harness.cjs') && !line.includes('node:internal'))
    .join('\n')
    .replaceAll(`file://${FOLDER}/`, '')
    .replaceAll(`${FOLDER}/`, '');
}

class FunctionFailure extends Error {
  constructor(type, message) {
    super(message);
    this.name = type;
    this.stack = '';
  }
}

const MISSING = /Cannot find (?:module|package) '([^']+)'/;
function describe(error) {
  if (!(error instanceof Error) && !(error && typeof error === 'object' && 'message' in error)) {
    return { type: 'Error', message: `the function threw ${util.inspect(error).slice(0, 1000)}`, stack: '' };
  }
  let message = String(error.message);
  const missing = (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND') && MISSING.exec(message);
  if (missing && !missing[1].startsWith('.') && !missing[1].startsWith('/')) {
    message = `Cannot find module '${missing[1]}': declare it in \`dependencies\`, as {"${missing[1]}": "<version>"}`;
    return { type: 'ModuleNotFound', message, stack: stackOf(error) };
  }
  // `fetch` says only there why it failed.
  const cause = error.cause instanceof Error ? error.cause.message : '';
  if (cause && !message.includes(cause)) message += `: ${cause}`;
  const stack = stackOf(error);
  // V8 says where only in the stack's first line.
  const place = error instanceof SyntaxError && /^(\S+):(\d+)$/m.exec(stack.split('\n', 1)[0]);
  if (place) message += ` (${place[1]}, line ${place[2]})`;
  return { type: String(error.name || 'Error'), message: message.replaceAll(`${FOLDER}/`, ''), stack };
}

/** The result as JSON. What JSON has no words for is an error that says where it stands. */
function encode(result) {
  if (result === undefined) {
    throw new FunctionFailure('ResultNotJson', 'the function returned undefined: return a value, or null');
  }
  const refuse = (holder, key, what) => {
    const place = key === '' ? 'the result' : `the result's field ${stringify(key)}`;
    throw new FunctionFailure('ResultNotJson', `${place} is ${what}`);
  };
  try {
    return stringify(result, function check(key, value) {
      const own = this[key];
      if (typeof own === 'number' && !Number.isFinite(own)) refuse(this, key, `${own}, which JSON cannot hold`);
      if (typeof own === 'bigint') refuse(this, key, 'a BigInt, which JSON cannot hold: make it a number or a text');
      if (typeof own === 'function' || typeof own === 'symbol') refuse(this, key, `a ${typeof own}, which JSON cannot hold`);
      if (ArrayBuffer.isView(own) || own instanceof ArrayBuffer) {
        refuse(this, key, "made of bytes, which JSON cannot hold: encode it, as with Buffer.from(bytes).toString('base64')");
      }
      return value;
    });
  } catch (error) {
    if (error instanceof TypeError && /circular/i.test(error.message)) {
      throw new FunctionFailure('ResultNotJson', 'the result refers to itself (a cycle), which JSON cannot hold');
    }
    throw error;
  }
}

/** The handler by its name, which may go through objects: `handler`, `index.handler`, `api.users.list`. */
function find(name, ...places) {
  const parts = name.split('.');
  // As others name them: the file first.
  const ways = parts.length > 1 ? [parts, parts.slice(1)] : [parts];
  for (const place of places) {
    for (const way of ways) {
      let found = place;
      for (const part of way) found = found == null ? undefined : found[part];
      if (typeof found === 'function') return found;
    }
  }
  return undefined;
}

/** Whether the code is a module of the newer kind. What is neither kind throws, with its line. */
function isEsm(code, filename) {
  try {
    new Script(Module.wrap(code), { filename });
    return false;
  } catch (error) {
    if (/import statement|export|import\.meta|await is only valid/.test(error.message)) return true;
    throw error;
  }
}

async function load(work) {
  if (!IDENTIFIER.test(work.handler)) {
    throw new FunctionFailure('HandlerNotFound', `handler: ${stringify(work.handler)} is not the name of a function`);
  }
  fs.mkdirSync(FOLDER, { recursive: true });
  if (work.dependencies) fs.symlinkSync(DEPENDENCIES, path.join(FOLDER, 'node_modules'));
  const code = work.files[work.main];
  const first = work.handler.split('.')[0];
  let handler;
  if (isEsm(code, work.main)) {
    const file = path.join(FOLDER, work.main.replace(/\.c?js$/, '.mjs'));
    fs.writeFileSync(file, `${code}\n;export const __hearth = () => ${first};`);
    const module = await import(pathToFileURL(file));
    const scope = {};
    try {
      scope[first] = module.__hearth();
    } catch {}
    handler = find(work.handler, scope, module, module.default, { default: module.default });
  } else {
    const file = path.join(FOLDER, work.main.replace(/\.mjs$/, '.cjs'));
    fs.writeFileSync(file, code);
    const module = new Module(file, null);
    module.filename = file;
    module.paths = Module._nodeModulePaths(FOLDER);
    module._compile(`${code}\n;module.__hearth = () => ${first};`, file);
    const scope = {};
    try {
      scope[first] = module.__hearth();
    } catch {}
    const { exports } = module;
    handler = find(work.handler, scope, exports, exports?.default, { default: exports?.default ?? exports });
    if (!handler && typeof exports === 'function' && exports.name === work.handler) handler = exports;
  }
  if (!handler) {
    throw new FunctionFailure('HandlerNotFound', `handler: the code has no function named ${work.handler}`);
  }
  return handler;
}

const body = (request) =>
  new Promise((resolve, reject) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    request.on('error', reject);
  });

let pending;
process.on('uncaughtException', (error) => pending?.(error));
process.on('unhandledRejection', (error) => pending?.(error));

/** Runs the handler; an error that nobody catches ends the call as one that is thrown does. */
async function call(handler, event, context) {
  const strays = new Promise((_, reject) => {
    pending = reject;
  });
  try {
    return await Promise.race([handler(event, context), strays]);
  } finally {
    pending = undefined;
    for (const flush of flushes) flush();
  }
}

const elapsed = (began) => Math.round((performance.now() - began) * 1000) / 1000;

async function invoke(work, handler, request, response) {
  const { event = null, context } = parse(await body(request));
  const whole = { function_name: work.name, memory_limit_mb: work.memory_mb, timeout_ms: work.timeout_ms, ...context };
  const began = performance.now();
  let answer;
  try {
    const result = encode(await call(handler, event, whole));
    answer = `{"success":true,"duration_ms":${elapsed(began)},"logs":${stringify(takeLogs())},"result":${result}}`;
  } catch (error) {
    const failed = { success: false, duration_ms: elapsed(began), error: describe(error), logs: takeLogs() };
    answer = stringify(failed);
  }
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) });
  response.end(answer);
}

function textOrBase64(bytes) {
  if (bytes.length === 0) return { body: '', isBase64Encoded: false };
  try {
    return { body: new TextDecoder('utf-8', { fatal: true }).decode(bytes), isBase64Encoded: false };
  } catch {
    return { body: bytes.toString('base64'), isBase64Encoded: true };
  }
}

/** A request over the function's host or a route. */
async function serve(work, handler, request, response) {
  const started = Date.now();
  const url = new URL(request.url, 'http://localhost');
  const event = {
    method: request.method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { ...request.headers },
    ...textOrBase64(await body(request)),
  };
  const context = {
    function_name: work.name,
    memory_limit_mb: work.memory_mb,
    timeout_ms: work.timeout_ms,
    request_id: request.headers['cf-ray'] ?? '',
  };
  const began = performance.now();
  let error = null;
  try {
    const result = await call(handler, event, context);
    const status = result?.statusCode ?? result?.status;
    if (Number.isInteger(status) && status >= 200 && status <= 599) {
      const headers = { ...result.headers };
      let content = result.body ?? '';
      if (result.isBase64Encoded) content = Buffer.from(String(content), 'base64');
      else if (typeof content !== 'string' && !ArrayBuffer.isView(content)) {
        content = encode(content);
        if (!Object.keys(headers).some((name) => name.toLowerCase() === 'content-type')) {
          headers['content-type'] = 'application/json';
        }
      }
      response.writeHead(status, headers);
      response.end(content);
    } else {
      const content = encode(result);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(content);
    }
  } catch (thrown) {
    error = describe(thrown);
    if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' });
    response.end(stringify({ error: 'The function failed.', request_id: context.request_id }));
  }
  say({
    event: 'called',
    request_id: context.request_id,
    started_ms: started,
    success: error === null,
    duration_ms: elapsed(began),
    error,
    logs: takeLogs(),
  });
}

async function main() {
  say({ event: 'parked' });
  const work = parse(fs.readFileSync(0, 'utf8'));
  for (const name of Object.keys(process.env)) {
    if (name !== 'NODE_EXTRA_CA_CERTS') delete process.env[name];
  }
  Object.assign(process.env, { HOME: '/tmp', TMPDIR: '/tmp', PATH: '/runtime/bin', LANG: 'C.UTF-8' }, work.env);
  let handler;
  try {
    handler = await call(load, work);
  } catch (error) {
    say({ event: 'failed', error: describe(error) });
    process.exit(1);
  }
  const server = http.createServer((request, response) => {
    const take = request.headers[INVOKE] ? invoke : serve;
    take(work, handler, request, response).catch((error) => {
      response.destroy(error);
    });
  });
  // Whoever calls says how long it may take, and keeps the connections.
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.keepAliveTimeout = 0;
  server.listen({ fd: LISTENING }, () => say({ event: 'listen' }));
}

process.chdir('/tmp');
main();
