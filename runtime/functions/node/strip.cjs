// Takes the types off a function in TypeScript: reads /data/app/function.ts, writes function.js beside it, and says on stdout
// what came of it. Lines and columns stay where they are; only what has no JavaScript of its own (enums, namespaces,
// parameter properties) is rewritten, and then they move.
'use strict';

const fs = require('node:fs');
const { transformSync } = require('/runtime/lib/amaro/dist/index.js');

const code = fs.readFileSync('/data/app/function.ts', 'utf8');
const options = { filename: 'function.ts', deprecatedTsModuleAsError: true };

function strip(mode) {
  try {
    return { code: transformSync(code, { ...options, mode }).code };
  } catch (error) {
    return { error: { code: error.code, message: String(error.message), line: error.startLine ?? null } };
  }
}

let stripped = strip('strip-only');
if (stripped.error?.code === 'UnsupportedSyntax') stripped = strip('transform');
if (stripped.code !== undefined) fs.writeFileSync('/data/app/function.js', stripped.code);
process.stdout.write(JSON.stringify({ error: stripped.error ?? null }));
