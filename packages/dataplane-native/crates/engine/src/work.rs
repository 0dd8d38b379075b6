//! What is left to bring in line, as identities, and the order in which it goes to the switch. Pure: the
//! bodies are looked up when they are sent. Filled by batches, resync and drift; emptied by install.
//!
//! ```text
//! up:   meters, groups, flows from the last table to the first    (whatever a flow uses is there before it)
//! down: flows from the first table to the last, groups, meters    (nothing in use is removed)
//! ```

use crate::program::{FlowId, Program, Touched};
use std::collections::BTreeSet;

/// One object in the switch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Item {
    Meter(u32),
    Group(u32),
    Flow(FlowId),
}

/// Which way an item goes. One that turned round meanwhile is skipped: it is dirty again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// Identities to look at, without duplicates. Bounded by what is desired and what is in the switch.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    flows: Vec<FlowId>,
    groups: BTreeSet<u32>,
    meters: BTreeSet<u32>,
}

/// The items of one round, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) up: Vec<Item>,
    pub(crate) down: Vec<Item>,
}

impl Dirty {
    pub(crate) fn is_empty(&self) -> bool {
        self.flows.is_empty() && self.groups.is_empty() && self.meters.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn touch(&mut self, touched: Touched) {
        if self.flows.is_empty() {
            self.flows = touched.flows;
        } else {
            self.flows.extend(touched.flows);
        }
        self.groups.extend(touched.groups);
        self.meters.extend(touched.meters);
    }

    pub(crate) fn add(&mut self, item: Item) {
        match item {
            Item::Flow(id) => self.flows.push(id),
            Item::Group(id) => {
                self.groups.insert(id);
            }
            Item::Meter(id) => {
                self.meters.insert(id);
            }
        }
    }

    /// Takes everything, ordered for sending.
    pub(crate) fn take(&mut self, program: &impl Program) -> Round {
        let Self { mut flows, groups, meters } = std::mem::take(self);
        flows.sort_unstable();
        flows.dedup();
        let (flows_up, flows_down): (Vec<_>, Vec<_>) =
            flows.into_iter().partition(|id| program.flow(id).is_some());
        let (groups_up, groups_down): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|&id| program.group(id).is_some());
        let (meters_up, meters_down): (Vec<_>, Vec<_>) =
            meters.into_iter().partition(|&id| program.meter(id).is_some());
        let (meter, group, flow) = (Item::Meter, Item::Group, Item::Flow);
        Round {
            up: (meters_up.into_iter().map(meter))
                .chain(groups_up.into_iter().map(group))
                .chain(flows_up.into_iter().rev().map(flow))
                .collect(),
            down: (flows_down.into_iter().map(flow))
                .chain(groups_down.into_iter().map(group))
                .chain(meters_down.into_iter().map(meter))
                .collect(),
        }
    }
}
