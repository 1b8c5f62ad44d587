//! Compiles our description of workerd's configuration.

fn main() {
    println!("cargo:rerun-if-changed=schema/workerd.capnp");
    capnpc::CompilerCommand::new()
        .src_prefix("schema")
        .default_parent_module(vec!["workerd".into()])
        .file("schema/workerd.capnp")
        .run()
        .expect("the schema compiles; Debian's `capnproto` brings the compiler, `make setup` installs it");
}
