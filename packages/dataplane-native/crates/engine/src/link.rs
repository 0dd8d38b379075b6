//! The socket of one bridge as messages: connecting, framing, buffering, transaction ids, and the wait
//! for whatever comes first. Knows nothing of flows; what it cannot read ends the connection.
//! Used by the worker's thread only. The output buffer is bounded by its writers, the input by a frame.

use crate::error::Lost;
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;
use weft_openflow::{Error as CodecError, Framer, Message};

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);
/// Bytes taken from the socket in one read.
const READ_BYTES: usize = 64 * 1024;
/// Unsent bytes at which `push` tries the socket.
const FLUSH_BYTES: usize = 128 * 1024;

/// What a wait ended with.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message {
        xid: u32,
        message: Message,
    },
    /// The owner put something into the queue.
    Woken,
    /// The deadline passed.
    Timeout,
}

struct Connection {
    stream: UnixStream,
    framer: Framer,
    unsent: Vec<u8>,
    sent: usize,
    /// mio tells of edges: these hold until the socket says that it would block.
    readable: bool,
    writable: bool,
}

/// The poll, and the connection when there is one.
pub(crate) struct Link {
    poll: Poll,
    events: Events,
    woken: bool,
    connection: Option<Connection>,
    last_xid: u32,
    queued: usize,
    chunk: Box<[u8]>,
}

impl Link {
    /// A link without a connection, and what wakes its waits from other threads.
    pub(crate) fn new() -> io::Result<(Self, mio::Waker)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let link = Self {
            poll,
            events: Events::with_capacity(8),
            woken: false,
            connection: None,
            last_xid: 0,
            queued: 0,
            chunk: vec![0; READ_BYTES].into_boxed_slice(),
        };
        Ok((link, waker))
    }

    /// Opens a connection, closing an earlier one. A Unix socket connects at once or not at all.
    pub(crate) fn connect(&mut self, path: &Path) -> Result<(), Lost> {
        self.disconnect();
        let failed = |error| Lost::Connect {
            path: path.display().to_string(),
            error,
        };
        let mut stream = UnixStream::connect(path).map_err(failed)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, SOCKET, interest)
            .map_err(failed)?;
        self.connection = Some(Connection {
            stream,
            framer: Framer::default(),
            unsent: Vec::new(),
            sent: 0,
            readable: true,
            writable: true,
        });
        Ok(())
    }

    /// Closes the connection, if any. Unsent bytes are lost.
    pub(crate) fn disconnect(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            // It fails only for a stream that was never registered.
            let _ = self.poll.registry().deregister(&mut connection.stream);
        }
    }

    /// A transaction id that no recent message had; never 0, which the switch uses for its own.
    pub(crate) fn next_xid(&mut self) -> u32 {
        self.last_xid = self.last_xid.checked_add(1).unwrap_or(1);
        self.last_xid
    }

    /// Bytes waiting for the socket.
    pub(crate) fn unsent(&self) -> usize {
        self.connection
            .as_ref()
            .map_or(0, |connection| connection.unsent.len() - connection.sent)
    }

    /// Bytes queued for this connection so far, sent or not.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued
    }

    /// Queues one message and answers its transaction id.
    pub(crate) fn send(&mut self, message: &Message) -> Result<u32, Lost> {
        let xid = self.next_xid();
        self.push(|out| weft_openflow::encode(out, xid, message))
            .map_err(|error| Lost::Protocol(error.to_string()))?;
        Ok(xid)
    }

    /// Queues what `encode` appends; on its error nothing. Without a connection it goes nowhere.
    pub(crate) fn push<E>(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let before = connection.unsent.len();
        encode(&mut connection.unsent)?;
        self.queued = self.queued.wrapping_add(connection.unsent.len() - before);
        if connection.unsent.len() - connection.sent >= FLUSH_BYTES {
            // An error shows again, and is handled, in the next wait.
            let _ = connection.flush();
        }
        Ok(())
    }

    /// The next message, wake or timeout, whichever is first; sends what is queued meanwhile.
    pub(crate) fn next(&mut self, deadline: Instant) -> Result<Incoming, Lost> {
        loop {
            if std::mem::take(&mut self.woken) {
                return Ok(Incoming::Woken);
            }
            let mut busy = false;
            if let Some(connection) = &mut self.connection {
                connection.flush()?;
                if let Some((xid, message)) = connection.take()? {
                    return Ok(Incoming::Message { xid, message });
                }
                busy = connection.fill(&mut self.chunk)?;
            }
            let now = Instant::now();
            if !busy && now >= deadline {
                return Ok(Incoming::Timeout);
            }
            let wait = if busy {
                std::time::Duration::ZERO
            } else {
                deadline - now
            };
            self.wait(wait)?;
        }
    }

    fn wait(&mut self, wait: std::time::Duration) -> Result<(), Lost> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in &self.events {
            if event.token() == WAKER {
                self.woken = true;
            } else if let Some(connection) = &mut self.connection {
                connection.readable |= event.is_readable() || event.is_read_closed();
                connection.writable |= event.is_writable() || event.is_write_closed();
            }
        }
        Ok(())
    }
}

impl Connection {
    /// The next whole message of those received.
    fn take(&mut self) -> Result<Option<(u32, Message)>, Lost> {
        let wrong = |error: CodecError| Lost::Protocol(error.to_string());
        self.framer.next_message().map_err(wrong)
    }

    /// Reads once. `true`: something came.
    fn fill(&mut self, chunk: &mut [u8]) -> Result<bool, Lost> {
        if !self.readable {
            return Ok(false);
        }
        // All whole messages were taken, so there is room for a message at least.
        let room = self.framer.room().min(chunk.len());
        match self.stream.read(chunk.get_mut(..room).unwrap_or_default()) {
            Ok(0) => Err(Lost::Eof),
            Ok(count) => {
                self.framer.feed(chunk.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(Lost::Io(error)),
        }
    }

    /// Writes what the socket takes.
    fn flush(&mut self) -> Result<(), Lost> {
        while self.writable && self.sent < self.unsent.len() {
            match self
                .stream
                .write(self.unsent.get(self.sent..).unwrap_or_default())
            {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Lost::Io(error)),
            }
        }
        if self.sent == self.unsent.len() {
            self.unsent.clear();
            self.sent = 0;
        } else if self.sent > self.unsent.len() / 2 {
            self.unsent.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }
}
