//! With the feature `embedded-runtime`, compresses the workerd binary that `HEARTH_WORKERD` names into the build.

use std::path::PathBuf;
use std::{env, fs, io};

/// zstd's level: higher ones shrink the 160 MB binary little further and take minutes.
const LEVEL: i32 = 12;

fn main() {
    println!("cargo:rerun-if-env-changed=HEARTH_WORKERD");
    if env::var_os("CARGO_FEATURE_EMBEDDED_RUNTIME").is_none() {
        return;
    }
    let source = env::var_os("HEARTH_WORKERD")
        .expect("the feature `embedded-runtime` wants HEARTH_WORKERD to name the workerd binary");
    println!("cargo:rerun-if-changed={}", PathBuf::from(&source).display());
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("workerd.zst");
    let input = fs::File::open(&source).expect("HEARTH_WORKERD can be read");
    let output = fs::File::create(&target).expect("OUT_DIR can be written");
    let mut encoder = zstd::Encoder::new(output, LEVEL).expect("zstd starts");
    let mut input = io::BufReader::new(input);
    io::copy(&mut input, &mut encoder).expect("workerd is compressed");
    encoder.finish().expect("workerd is compressed");
}
