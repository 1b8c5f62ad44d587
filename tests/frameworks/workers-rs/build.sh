#!/usr/bin/env bash
# What `worker-build` does, without what it downloads: compiles the crate for wasm32 with Debian's Rust, and writes its
# JavaScript with the wasm-bindgen of the same version.
#   CARGO         the machine's own cargo
#   WASM_BINDGEN  a folder to keep wasm-bindgen in
set -euo pipefail
cd "$(dirname "$0")"
cargo=$(command -v "${CARGO:-cargo}")
bindgen=${WASM_BINDGEN:-$PWD/bindgen}
version=$(sed -n 's/^wasm-bindgen = "=\(.*\)"/\1/p' Cargo.toml)

# Debian's cargo is too old for today's index: the machine's own brings the sources.
"$cargo" vendor --locked "$PWD/vendor" > vendored.toml 2> vendor.log || { cat vendor.log >&2; exit 1; }
[ -x "$bindgen/bin/wasm-bindgen" ] || RUSTC=$(dirname "$cargo")/rustc \
  "$cargo" install wasm-bindgen-cli --version "$version" --locked --root "$bindgen" --target-dir "$bindgen/target" --debug --quiet
env -i PATH=/usr/bin:/bin HOME="$PWD" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=/usr/bin/wasm-ld-14 \
  /usr/bin/cargo --config vendored.toml build --release --offline --quiet --target wasm32-unknown-unknown
"$bindgen/bin/wasm-bindgen" --target web --no-typescript --out-dir build target/wasm32-unknown-unknown/release/greet.wasm
