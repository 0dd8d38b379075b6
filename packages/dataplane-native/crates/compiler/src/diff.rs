//! `Delta`: what a batch changes in the switch.
//! It computes differences of sets that others own; the order on the wire is the engine's.

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_openflow::{Flow, Group, Meter};

use crate::flow_set::{Before, FlowSet};

/// What to do with objects of one kind, each list sorted. `dels` of flows carry the flow as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<T> {
    pub adds: Vec<T>,
    /// The same identity with other contents.
    pub mods: Vec<T>,
    pub dels: Vec<T>,
}

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Self {
            adds: Vec::new(),
            mods: Vec::new(),
            dels: Vec::new(),
        }
    }
}

impl<T> Changes<T> {
    pub fn is_empty(&self) -> bool {
        self.adds.is_empty() && self.mods.is_empty() && self.dels.is_empty()
    }

    fn push(&mut self, before: Option<T>, after: Option<T>)
    where
        T: PartialEq,
    {
        match (before, after) {
            (None, Some(after)) => self.adds.push(after),
            (Some(before), Some(after)) if before != after => self.mods.push(after),
            (Some(before), None) => self.dels.push(before),
            _ => {}
        }
    }
}

/// The result of one batch. Groups and meters come before the flows that use them, and go after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    pub flows: Changes<Arc<Flow>>,
    pub groups: Changes<Arc<Group>>,
    pub meters: Changes<Meter>,
    /// [`crate::Compiler::failures`] differs from what it was.
    pub failures_changed: bool,
}

impl Delta {
    /// Whether the switch needs nothing.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty() && self.groups.is_empty() && self.meters.is_empty()
    }
}

/// The difference of the identities that a batch touched.
pub(crate) fn flows(before: Before, set: &FlowSet) -> Changes<Arc<Flow>> {
    let mut changes = Changes::default();
    for (identity, old) in before {
        let new = set.get(&identity).cloned();
        changes.push(old, new);
    }
    let order = |flow: &Arc<Flow>| (flow.table, flow.priority);
    for list in [&mut changes.adds, &mut changes.mods, &mut changes.dels] {
        list.sort_unstable_by(|a, b| order(a).cmp(&order(b)).then(a.matching.cmp(&b.matching)));
    }
    changes
}

/// The difference of objects with a number, of which `before` holds the touched ones.
pub(crate) fn numbered<T: Clone + PartialEq>(
    before: BTreeMap<u32, Option<T>>,
    now: &BTreeMap<u32, T>,
) -> Changes<T> {
    let mut changes = Changes::default();
    for (id, old) in before {
        changes.push(old, now.get(&id).cloned());
    }
    changes
}
