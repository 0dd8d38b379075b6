//! `Framer`: cuts a byte stream into messages, with bounded memory.
//! It does no I/O: the engine feeds what it read and takes whole messages out.
//! A stream that cannot be OpenFlow 1.5 is an error, after which the connection has to be closed.

use crate::error::{Error, Result};
use crate::message::{HEADER_BYTES, Message, decode};
use crate::{MAX_RECEIVED_BYTES, VERSION};

const HELLO: u8 = 0;
const ERROR: u8 = 1;

/// Incremental cutting of one connection's input.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Bytes of `buffer` already handed out.
    taken: usize,
    max_message_bytes: usize,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new(MAX_RECEIVED_BYTES)
    }
}

impl Framer {
    /// Messages longer than `max_message_bytes` (at least 8) are errors.
    pub fn new(max_message_bytes: usize) -> Self {
        let max_message_bytes = max_message_bytes.clamp(HEADER_BYTES, MAX_RECEIVED_BYTES);
        Self {
            buffer: Vec::new(),
            taken: 0,
            max_message_bytes,
        }
    }

    /// How many more bytes [`Framer::feed`] takes now: it never holds more than two messages' worth.
    pub fn room(&self) -> usize {
        (2 * self.max_message_bytes).saturating_sub(self.buffer.len() - self.taken)
    }

    /// Takes as much of `bytes` as there is room for and returns how much that was.
    /// 0 for non-empty input means: take messages out first.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let accepted = bytes.len().min(self.room());
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(&bytes[..accepted]);
        accepted
    }

    /// The next whole message undecoded, `None` when more input is needed.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>> {
        let pending = &self.buffer[self.taken..];
        let &[version, kind, high, low, ..] = pending else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if version != VERSION && kind != HELLO && kind != ERROR {
            return Err(Error::Version(version));
        }
        if length < HEADER_BYTES || length > self.max_message_bytes {
            return Err(Error::BadLength {
                what: "message",
                length,
            });
        }
        if pending.len() < length {
            return Ok(None);
        }
        let start = self.taken;
        self.taken += length;
        Ok(Some(&self.buffer[start..self.taken]))
    }

    /// The next whole message decoded: {xid, message}. `None` when more input is needed.
    ///
    /// An undecodable message is an error but is consumed: the next call goes on behind it.
    pub fn next_message(&mut self) -> Result<Option<(u32, Message)>> {
        self.next_frame()?.map(decode).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;

    fn stream() -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, 1, &Message::Hello { versions: 1 << 6 }).unwrap();
        encode(&mut out, 2, &Message::EchoRequest(vec![7; 100])).unwrap();
        encode(&mut out, 3, &Message::BarrierRequest).unwrap();
        out
    }

    #[test]
    fn any_chunking_gives_the_same_messages() {
        let stream = stream();
        for chunk in 1..stream.len() {
            let mut framer = Framer::default();
            let mut xids = Vec::new();
            for piece in stream.chunks(chunk) {
                assert_eq!(framer.feed(piece), piece.len());
                while let Some((xid, _)) = framer.next_message().unwrap() {
                    xids.push(xid);
                }
            }
            assert_eq!(xids, [1, 2, 3], "chunks of {chunk}");
        }
    }

    #[test]
    fn memory_is_bounded_and_backpressure_is_visible() {
        let mut framer = Framer::new(64);
        assert_eq!(framer.feed(&[6; 1000]), 128);
        assert_eq!(framer.feed(&[6; 1]), 0);
        assert!(framer.next_message().is_err());
    }

    #[test]
    fn bad_headers_are_errors() {
        for (bytes, expected) in [
            ([4, 20, 0, 8, 0, 0, 0, 0], Error::Version(4)),
            (
                [6, 20, 0, 7, 0, 0, 0, 0],
                Error::BadLength {
                    what: "message",
                    length: 7,
                },
            ),
            (
                [6, 20, 255, 255, 0, 0, 0, 0],
                Error::BadLength {
                    what: "message",
                    length: 65535,
                },
            ),
        ] {
            let mut framer = Framer::new(1024);
            framer.feed(&bytes);
            assert_eq!(framer.next_message(), Err(expected));
        }
        let mut framer = Framer::new(1024);
        framer.feed(&[4, 0, 0, 8, 0, 0, 0, 9]);
        let hello = Message::Hello { versions: 0b1_1110 };
        assert_eq!(framer.next_message(), Ok(Some((9, hello))));
    }
}
