//! What is left to bring in line, as identities, and the order in which it goes to the switch. Pure: the
//! bodies are looked up when they are sent. Filled by batches, resync and drift; emptied by install.
//!
//! ```text
//! up:   meters, groups, flows from the last table to the first    (whatever a flow uses is there before it)
//! down: flows from the first table to the last, groups, meters    (nothing in use is removed)
//! ```

use crate::program::Program;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use weft_compiler::ById;

/// The identity of one object in the switch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    Meter(u32),
    Group(u32),
    Flow(ById),
}

/// Identities to look at. Bounded by what is wanted and what is in the switch.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    flows: Vec<ById>,
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

    /// Identities to look at, repeated ones counted as often as they were added.
    pub(crate) fn len(&self) -> usize {
        self.flows.len() + self.groups.len() + self.meters.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
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

    pub(crate) fn extend(&mut self, items: impl IntoIterator<Item = Item>) {
        for item in items {
            self.add(item);
        }
    }

    /// Takes everything, ordered for sending and without repetitions.
    pub(crate) fn take(&mut self, program: &Program) -> Round {
        let Self {
            mut flows,
            groups,
            meters,
        } = std::mem::take(self);
        flows.sort_unstable_by(by_identity);
        flows.dedup();
        let items = (meters.into_iter().map(Item::Meter))
            .chain(groups.into_iter().map(Item::Group))
            .chain(flows.into_iter().rev().map(Item::Flow));
        let (up, mut down): (Vec<_>, Vec<_>) = items.partition(|item| program.wants(item));
        down.reverse();
        Round { up, down }
    }
}

fn by_identity(a: &ById, b: &ById) -> Ordering {
    let order = |id: &ById| (id.0.table, id.0.priority);
    order(a)
        .cmp(&order(b))
        .then_with(|| a.0.matching.cmp(&b.0.matching))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use weft_openflow::Flow;

    fn flow(table: u8) -> Item {
        Item::Flow(ById(Arc::new(Flow {
            table,
            priority: 60_001,
            ..Flow::default()
        })))
    }

    #[test]
    fn what_is_not_wanted_goes_from_the_first_table_on_and_frees_what_it_used() {
        let mut dirty = Dirty::default();
        dirty.extend([
            Item::Meter(7),
            flow(30),
            Item::Group(9),
            flow(0),
            flow(30),
            Item::Meter(7),
        ]);
        let round = dirty.take(&Program::new());
        assert_eq!(round.up, []);
        assert_eq!(
            round.down,
            [flow(0), flow(30), Item::Group(9), Item::Meter(7)]
        );
        assert!(dirty.is_empty());
    }

    #[test]
    fn what_is_wanted_comes_from_the_last_table_on() {
        let program = Program::new();
        let mut dirty = Dirty::default();
        dirty.extend(program.flows().map(|flow| Item::Flow(ById(flow.clone()))));
        let round = dirty.take(&program);
        let tables: Vec<u8> = (round.up.iter())
            .filter_map(|item| {
                if let Item::Flow(id) = item {
                    Some(id.0.table)
                } else {
                    None
                }
            })
            .collect();
        assert!(
            tables.len() > 1 && tables.is_sorted_by(|a, b| a >= b),
            "{tables:?}"
        );
        assert_eq!(round.down, []);
    }
}
