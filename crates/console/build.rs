//! A release carries what `make console` has built; Cargo cannot see by itself that this is there anew.

fn main() {
    println!("cargo::rerun-if-changed=../../console/dist");
}
