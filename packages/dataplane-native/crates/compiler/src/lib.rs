//! The flow compiler: instructions in, flows out. Pure and deterministic: no sockets, no clocks, no
//! random numbers. Called by the engine and by the binding.
