// What `worker-build` makes of a crate: its exports as a module worker.
import wasm from "./build/greet_bg.wasm";
import { fetch, initSync } from "./build/greet.js";

initSync(wasm);

export default { fetch };
