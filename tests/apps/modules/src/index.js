import data from "./blob.bin";
import text from "./note.txt";
import settings from "./settings.json";
import add from "./add.wasm";

export default {
  async fetch() {
    const { exports } = await WebAssembly.instantiate(add);
    // A name that the bundler cannot follow, so the module is uploaded as a file of its own.
    const name = [".", "lib", "late.mjs"].join("/");
    const late = await import(name);
    return Response.json({
      text,
      data: [...new Uint8Array(data)],
      settings,
      sum: exports.add(40, 2),
      late: late.default,
    });
  },
};
