//! The engine's thread: connects, resyncs, installs what batches touch, repairs drift, completes tickets.
//! Owns the one order of events; the steps are in `handshake`, `resync`, `install`, `drift`, `services`.
//! Started by `Engine::open`.
//!
//! ```text
//! run: connect -> handshake -> resync -> steady --(batch: compile, install, complete)--> steady
//!        ^                                  | lost: pause (batches are compiled, tickets held)
//!        +----------------------------------+
//! ```

use crate::config::{ANSWER_TIMEOUT, MAX_UNSENT_SERVICE_BYTES, Options};
use crate::drift::Drift;
use crate::error::Lost;
use crate::event::{Completed, Event, Failure, PortFlow, Sink, Stats};
use crate::install::Hopeless;
use crate::link::{Incoming, Link};
use crate::program::Program;
use crate::queue::{Queue, Request};
use crate::reconnect::Backoff;
use crate::resync::Leftovers;
use crate::services::Services;
use crate::work::Dirty;
use prost::Message as _;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use weft_instructions::v1::EngineBatch;
use weft_openflow::Message;

/// All state of the engine's thread.
pub(crate) struct Worker {
    pub(crate) options: Options,
    pub(crate) program: Program,
    pub(crate) link: Link,
    pub(crate) queue: Queue,
    pub(crate) sink: Sink,
    pub(crate) stats: Stats,
    pub(crate) shared_stats: Arc<Mutex<Stats>>,
    /// Submitted, compiled and not yet completed, oldest first.
    pub(crate) tickets: VecDeque<u64>,
    /// Batches that could not be decoded, until their tickets complete.
    pub(crate) undecodable: Vec<Failure>,
    pub(crate) dirty: Dirty,
    pub(crate) leftovers: Leftovers,
    pub(crate) prune_allowed: bool,
    pub(crate) drift: Drift,
    pub(crate) services: Services,
    /// What the switch refuses although nothing more can be taken away.
    pub(crate) hopeless: Hopeless,
    /// Ids of all meters in the switch: OpenFlow has no "add or modify" for them.
    pub(crate) installed_meters: BTreeSet<u32>,
    pub(crate) next_check: Instant,
    pub(crate) last_bundle: u32,
}

impl Worker {
    pub(crate) fn new(
        options: Options,
        (link, queue): (Link, Queue),
        sink: Sink,
        shared_stats: Arc<Mutex<Stats>>,
    ) -> Self {
        Self {
            options,
            program: Program::new(),
            link,
            queue,
            sink,
            stats: Stats::default(),
            shared_stats,
            tickets: VecDeque::new(),
            undecodable: Vec::new(),
            dirty: Dirty::default(),
            leftovers: Leftovers::default(),
            prune_allowed: false,
            drift: Drift::default(),
            services: Services::default(),
            hopeless: Hopeless::default(),
            installed_meters: BTreeSet::new(),
            next_check: Instant::now(),
            last_bundle: 0,
        }
    }

    /// Runs until the owner stops it.
    pub(crate) fn run(&mut self) {
        let mut backoff = Backoff::new(self.options.reconnect_max);
        loop {
            let Err(lost) = self.connection(&mut backoff);
            self.link.disconnect();
            self.dirty.clear();
            self.leftovers = Leftovers::default();
            if matches!(lost, Lost::Stop) {
                break;
            }
            self.say_lost(lost.to_string());
            if self.pause(&mut backoff).is_err() {
                break;
            }
        }
        self.publish();
    }

    /// One connection from its beginning to its end.
    fn connection(&mut self, backoff: &mut Backoff) -> Result<std::convert::Infallible, Lost> {
        self.take_commands()?;
        self.link.connect(&self.options.mgmt_socket)?;
        self.handshake()?;
        self.hopeless.clear();
        // Wanted again from here on; resync finds that the switch lacks it.
        self.program.retry();
        self.drift = Drift::default();
        self.resync()?;
        self.install()?;
        self.next_check = Instant::now() + self.options.check_interval;
        backoff.reset();
        self.say_connected();
        loop {
            self.take_commands()?;
            self.install()?;
            self.complete_tickets();
            self.repair()?;
            if Instant::now() >= self.next_check {
                self.check_objects()?;
            }
            self.publish();
            // What came during an install woke `receive`, which leaves it for now: the wake is used up.
            if !self.dirty.is_empty() || !self.queue.is_empty() {
                continue;
            }
            let due = self.drift.due(Instant::now());
            let deadline = due.map_or(self.next_check, |due| due.min(self.next_check));
            if let Incoming::Message { xid, message } = self.link.next(deadline)? {
                self.unsolicited(xid, message);
            }
        }
    }

    /// Waits out the pause before the next attempt; batches are compiled and their tickets held.
    fn pause(&mut self, backoff: &mut Backoff) -> Result<(), Lost> {
        let until = Instant::now() + backoff.pause(fastrand::f64());
        loop {
            self.take_commands()?;
            // Nothing is connected: resync finds out what differs.
            self.dirty.clear();
            self.publish();
            if let Incoming::Timeout = self.link.next(until)? {
                return Ok(());
            }
        }
    }

    fn take_commands(&mut self) -> Result<(), Lost> {
        if self.queue.stopping() {
            return Err(Lost::Stop);
        }
        let taken = self.queue.take();
        for batch in taken.batches {
            match EngineBatch::decode(batch.bytes.as_slice()) {
                Ok(decoded) => {
                    let touched = self.program.apply(&decoded);
                    self.dirty.extend(touched);
                    self.services.claims.heard(&decoded);
                }
                Err(error) => self.undecodable.push(Failure {
                    key: String::new(),
                    reason: format!(
                        "batch of ticket {} is no EngineBatch: {error}",
                        batch.ticket
                    ),
                }),
            }
            self.tickets.push_back(batch.ticket);
        }
        if taken.allow_prune && !self.prune_allowed {
            self.prune_allowed = true;
            self.prune();
        }
        for request in taken.requests {
            self.answer(request);
        }
        Ok(())
    }

    fn answer(&self, request: Request) {
        let request = match request {
            Request::Flows(request) => request,
            Request::Trace(request, reply) => {
                return reply(crate::trace::run(&self.program, &request));
            }
        };
        let flows = self.program.port_flows(request.port_key).into_iter();
        let flows = flows.map(|(flow, key)| PortFlow {
            key,
            cookie: flow.cookie,
            text: flow.to_string(),
        });
        (request.reply)(Ok(flows.collect()));
    }

    /// The next message while an answer is due; wakes are left for later, a stop is not.
    pub(crate) fn receive(&mut self, what: &'static str) -> Result<(u32, Message), Lost> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            match self.link.next(deadline)? {
                Incoming::Message { xid, message } => return Ok((xid, message)),
                Incoming::Woken if self.queue.stopping() => return Err(Lost::Stop),
                Incoming::Woken => {}
                Incoming::Timeout => {
                    return Err(Lost::Silent {
                        what,
                        seconds: ANSWER_TIMEOUT.as_secs(),
                    });
                }
            }
        }
    }

    /// Takes what the switch says of its own accord, at any time.
    pub(crate) fn unsolicited(&mut self, xid: u32, message: Message) {
        match message {
            // A peer that asks without reading gets no more answers.
            Message::EchoRequest(bytes) if self.link.unsent() < MAX_UNSENT_SERVICE_BYTES => {
                let reply = Message::EchoReply(bytes);
                // An echo is shorter than any limit, so encoding cannot fail.
                let _ = self
                    .link
                    .push(|out| weft_openflow::encode(out, xid, &reply));
            }
            Message::PacketIn2(packet) => self.packet_in(&packet),
            Message::MultipartReply { body, .. } => self.flow_updates(body),
            Message::Error(_) => self.stats.stray_errors += 1,
            _ => {}
        }
    }

    /// Everything that the open tickets caused is behind a barrier.
    fn complete_tickets(&mut self) {
        if self.tickets.is_empty() || !self.dirty.is_empty() {
            return;
        }
        let failures = self.program.failures().into_iter();
        let mut failures: Vec<Failure> = failures
            .map(|(key, reason)| Failure {
                key: key.to_owned(),
                reason: reason.to_owned(),
            })
            .collect();
        failures.append(&mut self.undecodable);
        failures.extend(self.hopeless.failures());
        failures.sort();
        let (flows, groups, meters) = self.program.sizes();
        self.stats.failing = failures.len();
        let tickets = std::mem::take(&mut self.tickets);
        self.queue.completed(tickets.len());
        // Whoever hears of the completion finds it in the counters.
        self.publish();
        for ticket in tickets {
            let failures = failures.clone();
            self.emit(Event::Completed(Completed {
                ticket,
                failures,
                flows,
                groups,
                meters,
            }));
        }
    }

    pub(crate) fn emit(&mut self, event: Event) {
        if !(self.sink)(event) {
            self.stats.events_dropped += 1;
        }
    }

    fn say_connected(&mut self) {
        self.stats.connected = true;
        self.stats.connects += 1;
        self.publish();
        self.emit(Event::Connection {
            connected: true,
            reason: String::new(),
        });
    }

    /// Says it once for each reason: an absent bridge is tried again many times.
    fn say_lost(&mut self, reason: String) {
        let news = self.stats.connected || self.stats.last_reason != reason;
        self.stats.connected = false;
        self.stats.last_reason.clone_from(&reason);
        self.publish();
        if news {
            self.emit(Event::Connection {
                connected: false,
                reason,
            });
        }
    }

    fn publish(&mut self) {
        let (flows, groups, meters) = self.program.sizes();
        (self.stats.flows, self.stats.groups, self.stats.meters) = (flows, groups, meters);
        self.stats.open_tickets = self.queue.open_tickets();
        self.stats.leftovers = self.leftovers.len();
        let mut shared = self
            .shared_stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        shared.clone_from(&self.stats);
    }
}
