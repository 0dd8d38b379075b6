//! What a unit wants in the switch: collected by the stages, then owned by the unit.
//! It gives every flow its cookie and keeps identities unique within the unit; it decides no
//! conflict.

use std::collections::HashSet;
use std::sync::Arc;

use weft_openflow::{Action, Bucket, Flow, Group, GroupKind, Instructions, Match, Meter, meter};

use crate::cookie::{self, Object, Rule};
use crate::flow_set::ById;

/// Flows, groups and meters of one unit.
#[derive(Debug)]
pub struct Emit {
    object: Object,
    flows: Vec<Flow>,
    groups: Vec<Group>,
    meters: Vec<Meter>,
}

/// The finished output of a unit: no identity twice, in the order of emission.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Output {
    pub flows: Vec<Arc<Flow>>,
    pub groups: Vec<Arc<Group>>,
    pub meters: Vec<Meter>,
}

impl Emit {
    /// For flows of `object`.
    pub fn of(object: Object) -> Self {
        Self {
            object,
            flows: Vec::new(),
            groups: Vec::new(),
            meters: Vec::new(),
        }
    }

    /// A flow that runs `actions` and then goes to `next`, or ends.
    pub fn flow(
        &mut self,
        (table, priority): (u8, u16),
        rule: Rule,
        matching: Match,
        actions: Vec<Action>,
        next: Option<u8>,
    ) {
        self.flow_of(
            self.object,
            (table, priority),
            rule,
            matching,
            actions,
            next,
        );
    }

    /// The same, with a cookie that names another object.
    pub fn flow_of(
        &mut self,
        object: Object,
        (table, priority): (u8, u16),
        rule: Rule,
        matching: Match,
        mut actions: Vec<Action>,
        next: Option<u8>,
    ) {
        actions.shrink_to_fit();
        self.flows.push(Flow {
            table,
            priority,
            matching,
            cookie: cookie::encode(table, object, rule),
            instructions: Instructions {
                apply: actions,
                goto_table: next,
                ..Instructions::drop()
            },
            ..Flow::default()
        });
    }

    /// A flow that drops.
    pub fn drop(&mut self, at: (u8, u16), rule: Rule, matching: Match) {
        self.flow(at, rule, matching, Vec::new(), None);
    }

    /// A group that sends a copy to each bucket.
    pub fn group(&mut self, id: u32, buckets: Vec<Vec<Action>>) {
        let numbered = (0..).zip(buckets);
        let buckets = numbered.map(|(id, actions)| Bucket {
            id,
            actions,
            ..Bucket::default()
        });
        let buckets = buckets.collect();
        self.groups.push(Group {
            id,
            kind: GroupKind::All,
            buckets,
            selection: None,
        });
    }

    /// A group that chooses one of its buckets.
    pub fn select(&mut self, group: Group) {
        self.groups.push(group);
    }

    /// A meter that drops above (packets a second, burst in packets).
    pub fn meter(&mut self, id: u32, (rate, burst): (u32, u32)) {
        let flags = meter::PACKETS | meter::BURST;
        let bands = vec![weft_openflow::Band::Drop { rate, burst }];
        self.meters.push(Meter { id, flags, bands });
    }

    /// The output; of flows with the same identity the first stays.
    pub fn finish(self) -> Output {
        let mut seen = HashSet::with_capacity(self.flows.len());
        let flows = self.flows.into_iter().map(Arc::new);
        Output {
            flows: flows
                .filter(|flow| seen.insert(ById(flow.clone())))
                .collect(),
            groups: self.groups.into_iter().map(Arc::new).collect(),
            meters: self.meters,
        }
    }
}
