//! What the switch should contain, by identity: what the compiler says, and who owns which object.
//! Must not talk to the switch. Used by the worker.

use crate::event::Failure;
use crate::work::Item;
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_compiler::fields::group_id;
use weft_compiler::{ById, Changes, Compiler, Delta};
use weft_instructions::v1::EngineBatch;
use weft_openflow::{Flow, Group, Meter};

/// Name under which the failure of an object without instruction is reported.
const PIPELINE: &str = "pipeline";

/// The desired contents of the switch. Whole at any time.
pub(crate) struct Program {
    compiler: Compiler,
}

impl Program {
    pub(crate) fn new() -> Self {
        let compiler = Compiler::new();
        Self { compiler }
    }

    /// Takes a batch and answers what to look at again. What cannot be compiled is in `failures`.
    pub(crate) fn apply(&mut self, batch: &EngineBatch) -> Vec<Item> {
        items(self.compiler.apply(batch))
    }

    /// The switch refused an object of `key`: it fails closed until it, or what it is compiled from,
    /// changes.
    pub(crate) fn refuse(&mut self, key: &str, reason: &str) -> Vec<Item> {
        items(self.compiler.refuse(key, reason))
    }

    /// Wants again what was refused: the switch may be another one now.
    pub(crate) fn retry(&mut self) -> Vec<Item> {
        items(self.compiler.retry())
    }

    /// All instructions that fail now, by key.
    pub(crate) fn failures(&self) -> BTreeMap<&str, &str> {
        self.compiler.failures()
    }

    pub(crate) fn flow(&self, id: &ById) -> Option<&Arc<Flow>> {
        self.compiler.flow_set().get(id)
    }

    pub(crate) fn group(&self, id: u32) -> Option<&Arc<Group>> {
        self.compiler.group(id)
    }

    pub(crate) fn meter(&self, id: u32) -> Option<&Meter> {
        self.compiler.meter(id)
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
        self.compiler.groups()
    }

    pub(crate) fn meters(&self) -> impl Iterator<Item = &Meter> {
        self.compiler.meters()
    }

    /// {flows, groups, meters} wanted.
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        (
            self.compiler.flow_set().len(),
            self.compiler.groups().len(),
            self.compiler.meters().len(),
        )
    }

    /// Key of the instruction that an object stems from; `None` for the pipeline itself.
    pub(crate) fn owner(&self, item: &Item) -> Option<&str> {
        match item {
            Item::Flow(id) => self.compiler.owner_of_flow(id),
            Item::Group(id) => self.compiler.owner_of_group(*id),
            Item::Meter(id) => self.compiler.owner_of_meter(*id),
        }
    }

    /// The flows made for a port, for people: each with its instruction's key.
    pub(crate) fn port_flows(&self, port_key: u32) -> Vec<(Arc<Flow>, String)> {
        let key = |flow: &Arc<Flow>| {
            let owner = self.compiler.owner_of_flow(&ById(flow.clone()));
            owner.unwrap_or(PIPELINE).to_owned()
        };
        let flows = self.compiler.flows_of_port(port_key).into_iter();
        flows
            .map(|flow| (key(&flow), flow))
            .map(|(key, flow)| (flow, key))
            .collect()
    }

    pub(crate) fn compiler(&self) -> &Compiler {
        &self.compiler
    }
}

/// The identities that a delta names.
fn items(delta: Delta) -> Vec<Item> {
    let Delta {
        flows,
        groups,
        meters,
        ..
    } = delta;
    let meters = all(meters).map(|meter| Item::Meter(meter.id));
    let groups = all(groups).map(|group| Item::Group(group.id));
    let flows = all(flows).map(|flow| Item::Flow(ById(flow)));
    meters.chain(groups).chain(flows).collect()
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
    group_id::KINDS.contains(&group_id::kind(id))
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
