(() => { const types = new Set(), add = addEventListener; globalThis.addEventListener = (type) => { types.add(type); }; globalThis["hearth:done"] = () => { delete globalThis["hearth:done"]; add("fetch", (event) => event.respondWith(Response.json({ handlers: [...types], entrypoints: [] }))); }; })();/*worker*/
// Around an uploaded service worker, on one line so that its own line numbers stay true: its listeners are noted, not
// registered, and the only listener that runs answers with their types.
globalThis["hearth:done"]();
