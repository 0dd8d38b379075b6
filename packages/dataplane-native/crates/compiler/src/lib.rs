//! The flow compiler: instructions in; flows, groups and meters out. Pure and deterministic: no
//! sockets, no clocks, no random numbers, no threads. Called by the engine.
//!
//! ```text
//! EngineBatch -> key, model (decode) -> tables -> units (tracking reader) -> stages -> emit
//!                                         |         ^                                  |
//!                        readers of what changed run again   flow_set (who wins) -> diff -> Delta
//! ```
//!
//! Invariant: the result depends on the instructions held, never on the order in which they came.
//! Invariant: work is in proportion to what a batch changes and to what reads that.

mod compiler;
pub mod cookie;
mod diff;
mod emit;
mod explain;
mod few;
pub mod fields;
mod flow_set;
pub mod interp;
mod key;
pub mod model;
pub mod pipeline;
mod reader;
pub mod router_model;
pub mod router_services;
mod routing;
mod service_table;
pub mod services;
mod stages;
mod tables;
mod units;

pub use compiler::Compiler;
pub use diff::{Changes, Delta};
pub use explain::Explanation;
pub use flow_set::{ById, FlowSet};
pub use key::Key;

#[cfg(test)]
mod tests {
    /// The engine moves its compiler to a thread of its own.
    #[test]
    fn a_compiler_may_move_between_threads() {
        fn moves<T: Send>(_: &T) {}
        moves(&crate::Compiler::new());
    }
}
