//! Reads the switch back and finds what differs from what is wanted. What carries our mark and is not
//! wanted is a leftover: kept until pruning is allowed, and not sent again when it turns out to be wanted.
//! Called by the worker after each connect, and by drift detection.

use crate::config::{MAX_READ_FLOWS, MAX_READ_OBJECTS};
use crate::error::Lost;
use crate::program::{MARK, MARK_MASK, is_marked, meters_of, owns_group};
use crate::work::Item;
use crate::worker::Worker;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use weft_compiler::ById;
use weft_openflow::{
    Flow, FlowMonitorRequest, FlowRequest, Group, Message, Meter, MultipartReply, MultipartRequest,
    group, meter, monitor::monitor_flags,
};

/// The one flow monitor of a connection.
const MONITOR_ID: u32 = 1;

/// Objects in the switch with our mark that nothing compiled asks for. Bounded by what was read.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    pub(crate) flows: HashMap<ById, Flow>,
    pub(crate) groups: BTreeMap<u32, Group>,
    pub(crate) meters: BTreeMap<u32, Meter>,
}

impl Leftovers {
    pub(crate) fn len(&self) -> usize {
        self.flows.len() + self.groups.len() + self.meters.len()
    }

    /// All of them, leaving none.
    fn take(&mut self) -> Vec<Item> {
        let Self {
            flows,
            groups,
            meters,
        } = std::mem::take(self);
        (flows.into_keys().map(Item::Flow))
            .chain(groups.into_keys().map(Item::Group))
            .chain(meters.into_keys().map(Item::Meter))
            .collect()
    }
}

impl Worker {
    /// Marks dirty what differs between the switch and what is wanted, and keeps the leftovers.
    pub(crate) fn resync(&mut self) -> Result<(), Lost> {
        self.watch_flows()?;
        self.audit()
    }

    /// Compares everything. Whatever changes meanwhile, the monitor reports.
    pub(crate) fn audit(&mut self) -> Result<(), Lost> {
        self.dirty.clear();
        self.leftovers = Leftovers::default();
        let used_meters = self.compare_flows()?;
        self.compare_objects(&used_meters)?;
        if self.prune_allowed {
            self.prune();
        }
        Ok(())
    }

    /// Leftovers are to go.
    pub(crate) fn prune(&mut self) {
        let leftovers = self.leftovers.take();
        self.dirty.extend(leftovers);
    }

    /// Asks for reports of every change to flows by others; our own come abbreviated.
    fn watch_flows(&mut self) -> Result<(), Lost> {
        let flags = monitor_flags::ADD
            | monitor_flags::REMOVED
            | monitor_flags::MODIFY
            | monitor_flags::INSTRUCTIONS;
        let request = FlowMonitorRequest::all(MONITOR_ID, flags);
        self.link.send(&Message::MultipartRequest {
            more: false,
            body: MultipartRequest::FlowMonitor(vec![request]),
        })?;
        self.barrier("the flow monitor")
    }

    /// Compares flows; answers the meters that flows of ours in the switch use.
    fn compare_flows(&mut self) -> Result<BTreeSet<u32>, Lost> {
        let request = FlowRequest {
            cookie: MARK,
            cookie_mask: MARK_MASK,
            ..FlowRequest::default()
        };
        let mut meters = BTreeSet::new();
        let mut seen: HashSet<ById> = HashSet::new();
        let mut count = 0;
        self.read(MultipartRequest::FlowDesc(request), |worker, reply| {
            let MultipartReply::FlowDesc(descs) = reply else {
                return Err(unexpected());
            };
            count += descs.len();
            for desc in descs.into_iter().filter(|desc| is_marked(&desc.flow)) {
                meters.extend(meters_of(&desc.flow));
                let id = ById(Arc::new(desc.flow));
                match worker.program.flow(&id) {
                    Some(wanted) if **wanted == *id.0 => {
                        seen.insert(ById(wanted.clone()));
                    }
                    Some(_) => {}
                    None => {
                        let flow = Flow::clone(&id.0);
                        worker.leftovers.flows.insert(id, flow);
                    }
                }
            }
            if count > MAX_READ_FLOWS {
                Err(too_many("flows", MAX_READ_FLOWS))
            } else {
                Ok(())
            }
        })?;
        let wanted = self.program.flows().map(|flow| ById(flow.clone()));
        let missing = wanted.filter(|id| !seen.contains(id)).map(Item::Flow);
        self.dirty.extend(missing);
        Ok(meters)
    }

    /// Compares groups and meters; `used_meters` are ours even if nothing wants them.
    pub(crate) fn compare_objects(&mut self, used_meters: &BTreeSet<u32>) -> Result<(), Lost> {
        let groups = self.read_groups()?;
        let meters = self.read_meters()?;
        self.installed_meters = meters.keys().copied().collect();
        for wanted in self.program.groups() {
            if groups.get(&wanted.id) != Some(&**wanted) {
                self.dirty.add(Item::Group(wanted.id));
            }
        }
        for wanted in self.program.meters() {
            if meters.get(&wanted.id) != Some(wanted) {
                self.dirty.add(Item::Meter(wanted.id));
            }
        }
        let program = &self.program;
        self.leftovers.groups = (groups.into_iter())
            .filter(|(id, _)| owns_group(*id) && program.group(*id).is_none())
            .collect();
        let kept = std::mem::take(&mut self.leftovers.meters);
        self.leftovers.meters = (meters.into_iter())
            .filter(|(id, _)| used_meters.contains(id) || kept.contains_key(id))
            .filter(|(id, _)| program.meter(*id).is_none())
            .collect();
        Ok(())
    }

    fn read_groups(&mut self) -> Result<BTreeMap<u32, Group>, Lost> {
        let mut groups = BTreeMap::new();
        let request = MultipartRequest::GroupDesc {
            group_id: group::ALL,
        };
        self.read(request, |_, reply| {
            let MultipartReply::GroupDesc(part) = reply else {
                return Err(unexpected());
            };
            groups.extend(part.into_iter().map(|group| (group.id, group)));
            if groups.len() > MAX_READ_OBJECTS {
                return Err(too_many("groups", MAX_READ_OBJECTS));
            }
            Ok(())
        })?;
        Ok(groups)
    }

    fn read_meters(&mut self) -> Result<BTreeMap<u32, Meter>, Lost> {
        let mut meters = BTreeMap::new();
        let request = MultipartRequest::MeterConfig {
            meter_id: meter::ALL,
        };
        self.read(request, |_, reply| {
            let MultipartReply::MeterConfig(part) = reply else {
                return Err(unexpected());
            };
            meters.extend(part.into_iter().map(|meter| (meter.id, meter)));
            if meters.len() > MAX_READ_OBJECTS {
                return Err(too_many("meters", MAX_READ_OBJECTS));
            }
            Ok(())
        })?;
        Ok(meters)
    }

    /// Sends one request and hands over each part of the reply.
    fn read(
        &mut self,
        body: MultipartRequest,
        mut part: impl FnMut(&mut Self, MultipartReply) -> Result<(), Lost>,
    ) -> Result<(), Lost> {
        let what = "a read-back";
        let started = Instant::now();
        let request = self
            .link
            .send(&Message::MultipartRequest { more: false, body })?;
        loop {
            match self.receive(what)? {
                (xid, Message::MultipartReply { more, body }) if xid == request => {
                    part(self, body)?;
                    if !more {
                        return Ok(());
                    }
                }
                (xid, Message::Error(error)) if xid == request => {
                    return Err(Lost::Refused {
                        what,
                        error: error.to_string(),
                    });
                }
                (xid, message) => self.unsolicited(xid, message),
            }
            if started.elapsed() > crate::config::READ_TIMEOUT {
                let seconds = crate::config::READ_TIMEOUT.as_secs();
                return Err(Lost::Silent { what, seconds });
            }
        }
    }
}

fn unexpected() -> Lost {
    Lost::Protocol("a multipart reply of another kind than asked for".to_owned())
}

fn too_many(what: &str, limit: usize) -> Lost {
    Lost::Unusable(format!(
        "the bridge has more than {limit} {what}: remove what is not Weft's"
    ))
}
