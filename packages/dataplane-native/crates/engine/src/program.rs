//! What the switch should contain, by identity: the compiler, less what the switch refused. Owns the
//! refusals and who owns which object; must not talk to the switch. Used by the worker.
//!
//! A refused instruction is taken out of the compiler as if it were not there, so that everything that
//! reads it fails closed as well; it comes back with the next batch that names it.

use crate::event::Failure;
use crate::work::Item;
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_compiler::{ById, Changes, Compiler, Delta};
use weft_instructions::v1::EngineBatch;
use weft_openflow::{Flow, Group, Meter};

/// Name under which the failure of an object without instruction is reported.
const PIPELINE: &str = "pipeline";
/// Group kinds that the compiler uses, bits `31..28` of a group id (ARCHITECTURE.md, "Pipeline").
const GROUP_KINDS: std::ops::RangeInclusive<u32> = 1..=6;

/// The desired contents of the switch. Whole at any time.
pub(crate) struct Program {
    compiler: Compiler,
    groups: BTreeMap<u32, Arc<Group>>,
    meters: BTreeMap<u32, Meter>,
    /// Key of the instruction and the switch's reason. Bounded by the instructions held.
    refused: BTreeMap<String, String>,
}

impl Program {
    pub(crate) fn new() -> Self {
        let compiler = Compiler::new();
        let groups = compiler
            .groups()
            .map(|group| (group.id, group.clone()))
            .collect();
        let meters = compiler
            .meters()
            .map(|meter| (meter.id, meter.clone()))
            .collect();
        Self {
            compiler,
            groups,
            meters,
            refused: BTreeMap::new(),
        }
    }

    /// Takes a batch and answers what to look at again. What cannot be compiled is in `failures`.
    pub(crate) fn apply(&mut self, batch: &EngineBatch) -> Vec<Item> {
        if !self.refused.is_empty() {
            for key in batch
                .upserts
                .iter()
                .map(|upsert| &upsert.key)
                .chain(&batch.deletes)
            {
                self.refused.remove(key);
            }
            self.refused
                .retain(|key, _| !batch.drop_scopes.iter().any(|scope| in_scope(key, scope)));
        }
        let delta = self.compiler.apply(batch);
        self.note(delta)
    }

    /// The switch refused an object of `key`: it fails closed until a batch names it again.
    pub(crate) fn refuse(&mut self, key: String, reason: String) -> Vec<Item> {
        let batch = EngineBatch {
            deletes: vec![key.clone()],
            ..EngineBatch::default()
        };
        self.refused.insert(key, reason);
        let delta = self.compiler.apply(&batch);
        self.note(delta)
    }

    fn note(&mut self, delta: Delta) -> Vec<Item> {
        let Delta {
            flows,
            groups,
            meters,
            ..
        } = delta;
        for group in groups.adds.iter().chain(&groups.mods) {
            self.groups.insert(group.id, group.clone());
        }
        for group in &groups.dels {
            self.groups.remove(&group.id);
        }
        for meter in meters.adds.iter().chain(&meters.mods) {
            self.meters.insert(meter.id, meter.clone());
        }
        for meter in &meters.dels {
            self.meters.remove(&meter.id);
        }
        let mut items: Vec<Item> = Vec::with_capacity(flows.adds.len() + flows.dels.len());
        items.extend(all(meters).map(|meter| Item::Meter(meter.id)));
        items.extend(all(groups).map(|group| Item::Group(group.id)));
        items.extend(all(flows).map(|flow| Item::Flow(ById(flow))));
        items
    }

    /// All instructions that fail now, by key.
    pub(crate) fn failures(&self) -> BTreeMap<String, String> {
        let mut failures = self.refused.clone();
        for (key, reason) in self.compiler.failures() {
            failures.insert(key.to_owned(), reason.to_owned());
        }
        failures
    }

    pub(crate) fn flow(&self, id: &ById) -> Option<&Arc<Flow>> {
        self.compiler.flow_set().get(id)
    }

    pub(crate) fn group(&self, id: u32) -> Option<&Arc<Group>> {
        self.groups.get(&id)
    }

    pub(crate) fn meter(&self, id: u32) -> Option<&Meter> {
        self.meters.get(&id)
    }

    /// Whether the item is wanted.
    pub(crate) fn wants(&self, item: &Item) -> bool {
        match item {
            Item::Meter(id) => self.meter(*id).is_some(),
            Item::Group(id) => self.group(*id).is_some(),
            Item::Flow(id) => self.flow(id).is_some(),
        }
    }

    pub(crate) fn flows(&self) -> impl Iterator<Item = &Arc<Flow>> {
        self.compiler.flow_set().iter()
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.values()
    }

    pub(crate) fn meters(&self) -> impl Iterator<Item = &Meter> {
        self.meters.values()
    }

    /// {flows, groups, meters} wanted.
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        (
            self.compiler.flow_set().len(),
            self.groups.len(),
            self.meters.len(),
        )
    }

    /// Keys of the instructions that an object stems from, by its marks; empty for the pipeline itself.
    pub(crate) fn owners(&self, item: &Item) -> Vec<String> {
        match item {
            Item::Flow(id) => self
                .flow(id)
                .map_or_else(Vec::new, |flow| self.keys(flow.cookie)),
            Item::Group(id) => vec![format!("network/{}/config", id & 0x00ff_ffff)],
            Item::Meter(id) => self.owners_of_meter(*id),
        }
    }

    /// A meter's number says nothing about its port; the flows that use it do.
    fn owners_of_meter(&self, id: u32) -> Vec<String> {
        let mut users = self
            .flows()
            .filter(|flow| meters_of(flow).any(|used| used == id));
        users
            .next()
            .map_or_else(Vec::new, |flow| self.keys(flow.cookie))
    }

    fn keys(&self, cookie: u64) -> Vec<String> {
        self.compiler
            .explain(cookie)
            .map_or_else(Vec::new, |found| found.keys)
    }

    /// The flows made for a port, for people: each with its instruction's key.
    pub(crate) fn port_flows(&self, port_key: u32) -> Vec<(Arc<Flow>, String)> {
        let flows = self.compiler.flows_of_port(port_key).into_iter();
        let key = |cookie| {
            self.keys(cookie)
                .into_iter()
                .next()
                .unwrap_or(PIPELINE.to_owned())
        };
        flows
            .map(|flow| (key(flow.cookie), flow))
            .map(|(key, flow)| (flow, key))
            .collect()
    }

    pub(crate) fn compiler(&self) -> &Compiler {
        &self.compiler
    }
}

fn in_scope(key: &str, scope: &str) -> bool {
    key.strip_prefix(scope)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn all<T>(changes: Changes<T>) -> impl Iterator<Item = T> {
    changes
        .adds
        .into_iter()
        .chain(changes.mods)
        .chain(changes.dels)
}

/// A failure of an object that no instruction stands behind.
pub(crate) fn pipeline_failure(reason: String) -> Failure {
    Failure {
        key: PIPELINE.to_owned(),
        reason,
    }
}

/// `63..56` of our cookies (ARCHITECTURE.md, "Pipeline").
pub(crate) const MARK: u64 = weft_compiler::cookie::MARK << 56;
pub(crate) const MARK_MASK: u64 = weft_compiler::cookie::MARK_MASK;

/// Whether a flow carries our mark.
pub(crate) fn is_marked(flow: &Flow) -> bool {
    flow.cookie & MARK_MASK == MARK
}

/// Whether a group of this id can only be ours: the mark of a group is in its id.
pub(crate) fn owns_group(id: u32) -> bool {
    GROUP_KINDS.contains(&(id >> 28))
}

/// The meters that a flow's packets pass.
pub(crate) fn meters_of(flow: &Flow) -> impl Iterator<Item = u32> {
    use weft_openflow::Action;
    flow.instructions
        .apply
        .iter()
        .filter_map(|action| match action {
            Action::Meter { id } => Some(*id),
            Action::Controller(controller) => controller.meter_id,
            _ => None,
        })
}
