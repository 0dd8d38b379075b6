//! The one error type of this crate.
//! It says which structure was being read or written, what was wrong and, where there is a way out, which.
//! Every decoder and encoder returns it; none of them panics.

/// Why bytes could not be decoded, or a value could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The input ended inside `what`.
    #[error("{what} is cut short: {needed} more bytes needed, {available} there")]
    Truncated {
        what: &'static str,
        needed: usize,
        available: usize,
    },
    /// A length field of `what` is smaller than its fixed part, larger than its container or misaligned.
    #[error("{what} has a bad length field: {length}")]
    BadLength { what: &'static str, length: usize },
    /// A field of `what` has a value that the protocol does not define.
    #[error("{what} has the undefined value {value:#x}")]
    BadValue { what: &'static str, value: u64 },
    /// The message is in a version other than OpenFlow 1.5 and is not one that may be.
    #[error("OpenFlow version {0:#04x} in place of 0x06: set protocols=OpenFlow15 on the bridge")]
    Version(u8),
    /// Structures are nested deeper than [`crate::MAX_NESTING`].
    #[error("{what} is nested more than {limit} levels deep")]
    TooDeep { what: &'static str, limit: usize },
    /// An encoded message is longer than [`crate::MAX_MESSAGE_BYTES`].
    #[error(
        "{what} needs {length} bytes, more than the limit of {limit}: split it into smaller ones"
    )]
    TooLong {
        what: &'static str,
        length: usize,
        limit: usize,
    },
    /// A match field is there without the fields that give it meaning (ovs-fields(7), "prerequisites").
    #[error("match field {field} needs {needs} in the same match")]
    Prerequisite {
        field: &'static str,
        needs: &'static str,
    },
    /// A value or mask that the field cannot carry.
    #[error("field {field} cannot carry this: {reason}")]
    Field {
        field: &'static str,
        reason: &'static str,
    },
    /// An action or message that OpenFlow 1.5 cannot express.
    #[error("{what} cannot be encoded: {reason}")]
    Unsupported {
        what: &'static str,
        reason: &'static str,
    },
}

/// Shorthand for this crate's results.
pub type Result<T> = core::result::Result<T, Error>;
