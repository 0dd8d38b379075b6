//! Sends what is dirty: bundles of bounded size, each behind a barrier, and finds the object that made
//! one fail. An object that the switch refuses never takes another one down with it.
//! Called by the worker; all state is the worker's.
//!
//! ```text
//! round -> chunk -> [open, add..., commit, barrier] -> errors by transaction id -> refuse owners -> again
//!                                                      the first: what others took away comes back -> again
//! ```

use crate::config::BUNDLE_ATTEMPTS;
use crate::error::Lost;
use crate::event::Failure;
use crate::program::{MARK, MARK_MASK, pipeline_failure};
use crate::work::Item;
use crate::worker::Worker;
use std::collections::{BTreeSet, HashMap};
use weft_openflow::{
    BundleControl, BundleStep, ErrorMessage, Flow, FlowMod, FlowModCommand, Group, GroupMod,
    GroupModCommand, Message, Meter, MeterMod, MeterModCommand, bundle_flags, encode,
    encode_bundled_flow_mod, encode_flow_mod,
};

const FLAGS: u16 = bundle_flags::ATOMIC | bundle_flags::ORDERED;
/// Bytes after which a bundle is closed although it holds fewer flows than it may.
const MAX_BUNDLE_BYTES: usize = 4 << 20;

/// Objects that the switch refuses although no instruction stands behind them, or although that was taken
/// away. They are not sent again on this connection. Bounded by what is wanted.
#[derive(Debug, Default)]
pub(crate) struct Hopeless {
    reasons: HashMap<Item, String>,
}

impl Hopeless {
    pub(crate) fn clear(&mut self) {
        self.reasons.clear();
    }

    pub(crate) fn failures(&self) -> impl Iterator<Item = Failure> + '_ {
        self.reasons
            .values()
            .map(|reason| pipeline_failure(reason.clone()))
    }
}

/// What the switch refused during one install.
#[derive(Debug, Default)]
struct Refusals {
    /// Instructions that fail closed because of it.
    keys: BTreeSet<String>,
    /// Groups and meters were compared since: what is refused from then on lacks nothing that others took away.
    compared: bool,
}

/// What one attempt to send a chunk led to.
#[derive(Debug, Default)]
struct Attempt {
    /// Items of the chunk that were taken, from its start.
    taken: usize,
    /// Position in the chunk, and the switch's words.
    errors: Vec<(usize, String)>,
    /// Everything but the errors is in the switch.
    applied: bool,
}

/// Whether the messages of an attempt go as one bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Envelope {
    Bundle(u32),
    None,
}

impl Worker {
    /// Brings everything dirty in line. Returns when nothing is dirty and the last barrier was answered.
    pub(crate) fn install(&mut self) -> Result<(), Lost> {
        let mut refused = Refusals::default();
        while !self.dirty.is_empty() {
            self.send_round(&mut refused)?;
        }
        Ok(())
    }

    fn send_round(&mut self, refused: &mut Refusals) -> Result<(), Lost> {
        let round = self.dirty.take(&self.program);
        self.send_all(round.up, true, refused)?;
        self.send_all(round.down, false, refused)
    }

    fn send_all(&mut self, items: Vec<Item>, up: bool, refused: &mut Refusals) -> Result<(), Lost> {
        let items: Vec<Item> = items
            .into_iter()
            .filter(|item| self.must_send(item))
            .collect();
        // Meters cannot be part of a bundle (OFPBFC_MSG_UNSUP).
        let is_meter = |item: &Item| matches!(item, Item::Meter(_));
        let (meters, others): (Vec<_>, Vec<_>) = items.into_iter().partition(is_meter);
        if up {
            self.send_chunks(&meters, up, false, refused)?;
        }
        self.send_chunks(&others, up, true, refused)?;
        if !up {
            self.send_chunks(&meters, up, false, refused)?;
        }
        Ok(())
    }

    /// Whether the switch differs from what is wanted, as far as a leftover of it is known.
    fn must_send(&mut self, item: &Item) -> bool {
        let same = match item {
            Item::Flow(id) => {
                let there = self.leftovers.flows.remove(id);
                there.is_some() && there.as_ref() == self.program.flow(id).map(|flow| &**flow)
            }
            Item::Group(id) => {
                let there = self.leftovers.groups.remove(id);
                there.is_some() && there.as_ref() == self.program.group(*id).map(|group| &**group)
            }
            Item::Meter(id) => {
                let there = self.leftovers.meters.remove(id);
                there.is_some() && there.as_ref() == self.program.meter(*id)
            }
        };
        !same && !self.hopeless.reasons.contains_key(item)
    }

    fn send_chunks(
        &mut self,
        mut items: &[Item],
        up: bool,
        bundled: bool,
        refused: &mut Refusals,
    ) -> Result<(), Lost> {
        let mut attempts = 0;
        while !items.is_empty() {
            let envelope = if bundled && attempts < BUNDLE_ATTEMPTS {
                self.last_bundle = self.last_bundle.wrapping_add(1);
                Envelope::Bundle(self.last_bundle)
            } else {
                Envelope::None
            };
            let attempt = self.attempt(items, up, envelope)?;
            attempts += 1;
            if up && !attempt.errors.is_empty() && !refused.compared {
                refused.compared = true;
                self.compare_objects(&BTreeSet::new())?;
                self.send_round(refused)?;
                continue;
            }
            for (position, error) in &attempt.errors {
                if let Some(item) = items.get(*position) {
                    self.give_up(item, error, up, refused);
                }
            }
            if attempt.applied {
                items = items.get(attempt.taken..).unwrap_or_default();
                attempts = 0;
            }
        }
        Ok(())
    }

    /// An object that the switch refuses: its instruction fails closed; without one, or when that did not
    /// help, the object alone is left out.
    fn give_up(&mut self, item: &Item, error: &str, up: bool, refused: &mut Refusals) {
        if !up {
            // What the switch cannot even read it does not hold.
            self.stats.stray_errors += 1;
            return;
        }
        if !self.program.wants(item) {
            return; // Its instruction went with an earlier error.
        }
        let reason = format!("Open vSwitch refuses {}: {error}", self.describe(item));
        match self.program.owner(item).map(str::to_owned) {
            Some(key) if refused.keys.insert(key.clone()) => {
                let touched = self.program.refuse(&key, &reason);
                self.dirty.extend(touched);
            }
            _ => {
                self.hopeless.reasons.insert(item.clone(), reason);
            }
        }
    }

    fn describe(&self, item: &Item) -> String {
        match item {
            Item::Meter(id) => format!("meter {id}"),
            Item::Group(id) => format!("group {id}"),
            Item::Flow(id) => self.program.flow(id).unwrap_or(&id.0).to_string(),
        }
    }

    /// Sends the beginning of `items`, as much as one bundle may hold, and waits for the barrier.
    fn attempt(&mut self, items: &[Item], up: bool, envelope: Envelope) -> Result<Attempt, Lost> {
        let mut attempt = Attempt::default();
        let open = self.bundle_step(envelope, BundleStep::OpenRequest)?;
        // Transaction id of each message, and the position of its item.
        let mut sent: Vec<(u32, usize)> = Vec::new();
        let start = self.link.queued_bytes();
        for (position, item) in items.iter().enumerate().take(self.options.bundle_flows) {
            if self.link.queued_bytes().wrapping_sub(start) >= MAX_BUNDLE_BYTES {
                break;
            }
            attempt.taken = position + 1;
            // What turned round meanwhile is dirty again, and goes in the round where it belongs.
            if self.program.wants(item) != up || self.hopeless.reasons.contains_key(item) {
                continue;
            }
            let xid = self.link.next_xid();
            match self.push_item(item, xid, envelope) {
                Ok(()) => sent.push((xid, position)),
                Err(error) => attempt.errors.push((position, error.to_string())),
            }
        }
        let commit = self.bundle_step(envelope, BundleStep::CommitRequest)?;
        let barrier = self.link.send(&Message::BarrierRequest)?;
        self.stats.messages_sent += sent.len() as u64;
        self.stats.bundles += u64::from(envelope != Envelope::None);
        attempt.applied = true;
        loop {
            let (xid, message) = self.receive("a barrier")?;
            match message {
                Message::BarrierReply if xid == barrier => break,
                Message::Error(error) => {
                    if let Some(&(_, position)) = sent.iter().find(|&&(sent, _)| sent == xid) {
                        attempt.errors.push((position, words(&error)));
                    } else if Some(xid) == commit || Some(xid) == open {
                        attempt.applied = false;
                        if attempt.errors.is_empty() {
                            let error = error.to_string();
                            return Err(Lost::Refused {
                                what: "a bundle",
                                error,
                            });
                        }
                    } else {
                        self.stats.stray_errors += 1;
                    }
                }
                Message::BundleControl(_) => {}
                message => self.unsolicited(xid, message),
            }
        }
        Ok(attempt)
    }

    fn bundle_step(&mut self, envelope: Envelope, step: BundleStep) -> Result<Option<u32>, Lost> {
        let Envelope::Bundle(bundle_id) = envelope else {
            return Ok(None);
        };
        let control = BundleControl {
            bundle_id,
            step,
            flags: FLAGS,
        };
        self.link.send(&Message::BundleControl(control)).map(Some)
    }

    /// Queues the message that brings one item in line.
    fn push_item(
        &mut self,
        item: &Item,
        xid: u32,
        envelope: Envelope,
    ) -> Result<(), weft_openflow::Error> {
        let program = &self.program;
        match item {
            Item::Flow(id) => {
                let Some(flow) = program.flow(id) else {
                    let message = Message::FlowMod(Box::new(delete(&id.0)));
                    return self.push_message(message, xid, envelope);
                };
                let command = FlowModCommand::Add;
                self.link.push(|out| match envelope {
                    Envelope::Bundle(bundle) => {
                        encode_bundled_flow_mod(out, xid, (bundle, FLAGS), command, flow)
                    }
                    Envelope::None => encode_flow_mod(out, xid, command, flow),
                })
            }
            Item::Group(id) => {
                let group_mod = match program.group(*id) {
                    Some(group) => GroupMod::new(GroupModCommand::AddOrModify, Group::clone(group)),
                    None => GroupMod::delete(*id),
                };
                self.push_message(Message::GroupMod(Box::new(group_mod)), xid, envelope)
            }
            Item::Meter(id) => {
                let known = self.installed_meters.contains(id);
                let meter_mod = match program.meter(*id) {
                    Some(meter) if known => MeterMod {
                        command: MeterModCommand::Modify,
                        meter: Meter::clone(meter),
                    },
                    Some(meter) => MeterMod {
                        command: MeterModCommand::Add,
                        meter: Meter::clone(meter),
                    },
                    None => MeterMod::delete(*id),
                };
                match meter_mod.command {
                    MeterModCommand::Delete => self.installed_meters.remove(id),
                    _ => self.installed_meters.insert(*id),
                };
                self.push_message(Message::MeterMod(Box::new(meter_mod)), xid, Envelope::None)
            }
        }
    }

    fn push_message(
        &mut self,
        message: Message,
        xid: u32,
        envelope: Envelope,
    ) -> Result<(), weft_openflow::Error> {
        let message = match envelope {
            Envelope::Bundle(bundle_id) => Message::BundleAdd {
                bundle_id,
                flags: FLAGS,
                message: Box::new(message),
            },
            Envelope::None => message,
        };
        self.link.push(|out| encode(out, xid, &message))
    }
}

/// Without the transaction id, so that the same refusal has the same reason every time.
fn words(error: &ErrorMessage) -> String {
    format!("{} ({}/{})", error.name(), error.kind, error.code)
}

/// Removes the flow of this identity, unless somebody put another in its place.
fn delete(flow: &Flow) -> FlowMod {
    let (table, priority, matching) = (flow.table, flow.priority, flow.matching.clone());
    let mut delete = FlowMod::delete_strict(table, priority, matching);
    (delete.flow.cookie, delete.cookie_mask) = (MARK, MARK_MASK);
    delete
}
