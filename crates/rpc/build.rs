//! Compiles the schemas with the `capnp` tool (Debian package `capnproto`).

fn main() {
    println!("cargo:rerun-if-changed=schema");
    let mut command = capnpc::CompilerCommand::new();
    command.src_prefix("schema").import_path("schema/std").no_standard_import();
    for name in
        ["worker-interface", "frankenvalue", "byte-stream", "http-over-capnp", "rpc-exception", "trace"]
    {
        command.file(format!("schema/{name}.capnp"));
    }
    if let Err(error) = command.default_parent_module(vec!["schema".to_owned()]).run() {
        panic!(
            "the Cap'n Proto schemas of hearth-rpc do not compile (is the Debian package `capnproto` installed?): {error}"
        );
    }
}
