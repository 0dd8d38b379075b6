//! From what is in the switch back to instructions: who has a flow, group or meter, and what a cookie
//! says. For people and for refusals of the switch; it changes nothing.

use std::sync::Arc;

use weft_openflow::Flow;

use crate::compiler::{Compiler, name_of};
use crate::cookie::{self, Object};
use crate::fields::{group_id, meter_id};
use crate::flow_set::ById;
use crate::key::Key;
use crate::pipeline;

/// What is known of a flow by its cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Table number and name.
    pub table: u8,
    pub table_name: &'static str,
    pub object: Object,
    /// Keys of the instructions that the object has here; empty when they have gone.
    pub keys: Vec<String>,
    pub rule: &'static str,
}

impl Compiler {
    /// The instruction that has this flow in the switch; `None` for the pipeline's own and for what
    /// does not belong there.
    pub fn owner_of_flow(&self, identity: &ById) -> Option<&str> {
        name_of(&self.tables, self.set.owner(identity)?)
    }

    /// The instruction that a group belongs to.
    pub fn owner_of_group(&self, id: u32) -> Option<&str> {
        self.groups.get(&id)?;
        let key = group_id::key(id);
        let object = match group_id::kind(id) {
            group_id::ROUTE | group_id::ROUTE_FRAGMENTS => Object::Route(key),
            group_id::POLICY | group_id::POLICY_FRAGMENTS => Object::PolicyRoute(key),
            _ => Object::Network(key),
        };
        // A key that two have is in a group of one of them alone.
        let has = |key: &Key| {
            let unit = self.units.get(key).filter(|unit| unit.accepted);
            unit.is_some_and(|unit| unit.output.groups.iter().any(|group| group.id == id))
        };
        let owner = self.keys_of(object).into_iter().find(has)?;
        name_of(&self.tables, &owner)
    }

    /// The instruction that a meter belongs to.
    pub fn owner_of_meter(&self, id: u32) -> Option<&str> {
        let has = |key: &Key| {
            let unit = self.units.get(key).filter(|unit| unit.accepted);
            unit.is_some_and(|unit| unit.output.meters.iter().any(|meter| meter.id == id))
        };
        let ports = self.tables.ports_at(meter_id::ofport(id));
        let owner = ports.map(|port| Key::Port(port.key)).find(has)?;
        name_of(&self.tables, &owner)
    }

    /// Who and what is behind a cookie; `None` when it is not one of ours.
    pub fn explain(&self, cookie: u64) -> Option<Explanation> {
        let (table, object, rule) = cookie::decode(cookie)?;
        let table_name = pipeline::name(table)?;
        let keys = self.keys_of(object);
        let keys = keys
            .iter()
            .filter_map(|key| name_of(&self.tables, key))
            .map(str::to_owned);
        Some(Explanation {
            table,
            table_name,
            object,
            keys: keys.collect(),
            rule: rule.text(),
        })
    }

    fn keys_of(&self, object: Object) -> Vec<Key> {
        let of_port = |port: u32| self.tables.keys_of_port(port);
        match object {
            Object::Pipeline => Vec::new(),
            Object::Network(key) => vec![Key::Network(key)],
            Object::Port(key) => vec![Key::Port(key)],
            Object::Chassis(key) => vec![Key::Fence(key)],
            Object::Location(port) => {
                let keys = of_port(port).into_iter();
                keys.filter(|key| matches!(key, Key::Location(..)))
                    .collect()
            }
            Object::Address(port) => {
                let keys = of_port(port).into_iter();
                keys.filter(|key| matches!(key, Key::Address(..) | Key::WiredAddress(..)))
                    .collect()
            }
            Object::RouterNeighbour(port) => {
                let keys = of_port(port).into_iter();
                keys.filter(|key| matches!(key, Key::Neighbour(..) | Key::Claimed(..)))
                    .collect()
            }
            Object::Router(_)
            | Object::RouterInterface(_)
            | Object::RouterLink(_)
            | Object::Route(_)
            | Object::PolicyRoute(_)
            | Object::Leak(_) => self.tables.keys_of_router_object(object),
        }
    }

    /// The flows that are there because of a port: as a local one, as one elsewhere, and for
    /// addresses that it owns. Sorted by table and, within one, highest priority first.
    pub fn flows_of_port(&self, port_key: u32) -> Vec<Arc<Flow>> {
        let keys = self.tables.keys_of_port(port_key);
        let units = keys.iter().filter_map(|key| self.units.get(key));
        let units = units.filter(|unit| unit.accepted);
        let mut flows: Vec<_> = units
            .flat_map(|unit| unit.output.flows.iter().cloned())
            .collect();
        flows.sort_by(|a, b| {
            let order = a.table.cmp(&b.table).then(b.priority.cmp(&a.priority));
            order.then_with(|| a.matching.cmp(&b.matching))
        });
        flows
    }
}
