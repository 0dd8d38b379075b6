//! The engine: owns the OpenFlow connection of one bridge and keeps its flows as the compiler wants
//! them. Must know nothing of Node. Called by the binding.

/// The version of this engine, as the agent reports it to central.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
