// A debugger as Chrome and VS Code are: finds the target, sets a breakpoint, holds a request there, looks at a variable,
// changes it, lets the request go on, and hears what the console said. Prints what it has seen as a line of JSON.
import { createRequire } from "node:module";
import http from "node:http";

const CDP = (await import(createRequire(process.env.CDP_FROM).resolve("chrome-remote-interface"))).default;
const session = JSON.parse(process.env.SESSION);

// `*.localhost` is this machine, whether or not its resolver knows.
const local = (url) => ({ host: "127.0.0.1", port: url.port, path: url.pathname, headers: { host: url.host } });
const get = (url) =>
  new Promise((resolve, reject) => {
    const request = http.get(local(new URL(url)), (response) => {
      let text = "";
      response.on("data", (piece) => (text += piece));
      response.on("end", () => resolve({ status: response.statusCode, text }));
    });
    request.on("error", reject);
  });

const found = JSON.parse((await get(`http://${session.discovery_host}/json/list`)).text);
const target = found[0].webSocketDebuggerUrl;
const client = await CDP({ target, local: true });
const { Debugger, Runtime } = client;
const said = [];
Runtime.consoleAPICalled(({ type, args }) => said.push([type, ...args.map((arg) => arg.value)]));
const script = new Promise((resolve) =>
  Debugger.scriptParsed((parsed) => parsed.url.endsWith("index.js") && resolve(parsed)),
);
const paused = new Promise((resolve) => Debugger.paused(resolve));
await Runtime.enable();
await Debugger.enable();
const { scriptId, url } = await script;
const { scriptSource } = await Debugger.getScriptSource({ scriptId });
const lineNumber = scriptSource.split("\n").findIndex((line) => line.includes("// here"));
await Debugger.setBreakpointByUrl({ url, lineNumber });

const answer = get(`${session.url}/held`);
const { callFrames } = await paused;
const { result } = await Debugger.evaluateOnCallFrame({ callFrameId: callFrames[0].callFrameId, expression: "count" });
// Others are served while this one is held: the session's requests are its own.
const meanwhile = await get(process.env.WORKER_URL);
await Debugger.evaluateOnCallFrame({ callFrameId: callFrames[0].callFrameId, expression: "count = 42" });
await Debugger.resume();
const { status, text } = await answer;
await Debugger.disable();
await client.close();
console.log(JSON.stringify({ target, count: result.value, meanwhile: meanwhile.text, status, text, said }));
