//! Compiles the southbound protos to Rust, without protoc. Arguments: the proto root, the output
//! folder. Writes one file per proto package; run by scripts/generate, never by a build.

use std::path::PathBuf;
use std::process::ExitCode;

const FILES: [&str; 2] = ["weft/v1/types.proto", "weft/v1/southbound.proto"];

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [protos, out] = arguments.as_slice() else {
        eprintln!("usage: weft-codegen PROTO_ROOT OUT_DIR");
        return ExitCode::from(64);
    };
    match generate(protos, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weft-codegen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate(protos: &PathBuf, out: &PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<PathBuf> = FILES.iter().map(|file| protos.join(file)).collect();
    let descriptors = protox::compile(&files, [protos])?;
    std::fs::create_dir_all(out)?;
    prost_build::Config::new()
        .out_dir(out)
        // Ordered maps: the same message renders the same text and bytes every time.
        .btree_map(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
