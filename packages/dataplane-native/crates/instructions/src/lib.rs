//! What central tells an agent, as Rust types. Owns only the generated code in `gen/`, written by
//! `make generate` from proto/weft/v1; must hold no logic. Used by the compiler and the binding.

/// The messages of proto/weft/v1 that the native data plane reads.
#[allow(
    clippy::all,
    clippy::pedantic,
    reason = "generated code is judged by its generator"
)]
pub mod v1 {
    include!("gen/weft.v1.rs");
}
