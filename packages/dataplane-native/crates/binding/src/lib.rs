//! The N-API surface: decode, call, encode. Knows no networking and holds no state of its own.
//! Called by ts/native.ts only.

use napi_derive::napi;

/// The engine's version, such as `0.1.0`.
#[napi]
pub fn engine_version() -> String {
    weft_engine::VERSION.to_owned()
}
