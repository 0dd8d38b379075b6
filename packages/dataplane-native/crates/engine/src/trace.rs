//! The way of one packet through what the switch should contain, for people: which flow takes it in each
//! table, what is behind that flow, and how each copy ends. Changes and sends nothing.
//! Called by the worker for `Engine::trace`.

use crate::error::RequestError;
use crate::program::Program;
use std::collections::BTreeSet;
use std::sync::Arc;
use weft_compiler::interp::{Event, Packet, Switch, Trace};
use weft_compiler::router_services::Reason;
use weft_compiler::services::Service;
use weft_compiler::{ById, pipeline};
use weft_openflow::{Action, Field, Flow, Match};

/// Events of one answer; what comes after them is not told.
const MAX_EVENTS: usize = 512;
/// Bytes of one text.
const MAX_TEXT_BYTES: usize = 600;

/// A packet, and how it comes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceRequest {
    pub in_port: u32,
    /// Names of fields as ovs-fields(7) has them, and their values; absent ones are zero.
    pub fields: Vec<(String, u128)>,
    /// Of the frame; `None`: both ways are gone where the length decides, the longer first.
    pub length_bytes: Option<u32>,
    /// Decides which bucket a group chooses: this one, modulo their number.
    pub hash: u32,
}

/// One lookup. What belongs to the flow is `None`, 0 or empty when none matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStep {
    pub table: u8,
    pub table_name: &'static str,
    /// Resubmits and buckets that it is inside of.
    pub depth: usize,
    pub priority: Option<u16>,
    pub matching: String,
    pub actions: String,
    pub cookie: u64,
    /// Key of the instruction that it stems from; empty for the pipeline itself.
    pub key: String,
    /// Nothing follows: the packet, or this copy, is dropped.
    pub drops: bool,
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceEvent {
    Step(TraceStep),
    /// A copy left by this port, with these fields.
    Output {
        port: u32,
        fields: Vec<(&'static str, u128)>,
    },
    /// A copy was not sent back to where it came from.
    Withheld,
    /// To the engine, which does this.
    Controller {
        service: &'static str,
    },
    Bucket {
        group: u32,
        /// Its place in `ids`.
        bucket: usize,
        /// Of all buckets.
        ids: Vec<u32>,
        /// Different buckets among them.
        members: usize,
    },
}

/// The whole way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// The packet as `ofproto/trace` takes it.
    pub packet: String,
    pub events: Vec<TraceEvent>,
    /// There were more events.
    pub cut: bool,
    /// {table, priority and cookie} of every lookup, a missing flow as `None`.
    pub lookups: Vec<(u8, Option<(u16, u64)>)>,
    /// Why it cannot be trusted; empty when it can.
    pub problem: String,
}

/// Runs the packet.
pub(crate) fn run(program: &Program, request: &TraceRequest) -> Result<Traced, RequestError> {
    let packet = packet(request)?;
    let switch = Switch::new(program.flows(), program.groups());
    let trace = switch.run(packet.clone());
    let events = trace.events.iter().take(MAX_EVENTS);
    let events = events.map(|event| told(program, &trace, event)).collect();
    Ok(Traced {
        packet: text_of(&packet),
        events,
        cut: trace.events.len() > MAX_EVENTS,
        lookups: (trace.steps.iter())
            .map(|step| (step.table, step.flow))
            .collect(),
        problem: trace.aborted.unwrap_or_default(),
    })
}

fn packet(request: &TraceRequest) -> Result<Packet, RequestError> {
    let mut packet = Packet::default().with(Field::InPort, u128::from(request.in_port));
    packet.length = request.length_bytes;
    packet.hash = request.hash;
    for (name, value) in &request.fields {
        let refuse = |why| RequestError::Invalid(format!("{name}={value:#x} {why}"));
        let field = (Field::ALL.iter().copied())
            .find(|field| field.name() == name)
            .filter(|field| !is_internal(*field))
            .ok_or_else(|| refuse("is no field that packets have"))?;
        if value & !field.all_ones() != 0 {
            return Err(refuse("has more bits than the field"));
        }
        packet = packet.with(field, *value);
    }
    Ok(packet)
}

/// What a packet has inside of one switch only.
fn is_internal(field: Field) -> bool {
    field < Field::TunId || (Field::Metadata..=Field::CtLabel).contains(&field)
}

fn text_of(packet: &Packet) -> String {
    let mut matching = Match::new();
    for (field, value) in packet.fields() {
        matching.put(field, value, field.all_ones());
    }
    matching.to_string()
}

fn told(program: &Program, trace: &Trace, event: &Event) -> TraceEvent {
    match event {
        Event::Lookup { table, depth, flow } => {
            TraceEvent::Step(step(program, (*table, *depth), flow.as_ref()))
        }
        Event::Output(place) => {
            let (port, fields) = trace.outputs.get(*place).map_or_else(
                || (0, Vec::new()),
                |(port, packet)| {
                    let carried = packet.fields().filter(|(field, _)| !is_internal(*field));
                    let named = carried.map(|(field, value)| (field.name(), value));
                    (*port, named.collect())
                },
            );
            TraceEvent::Output { port, fields }
        }
        Event::Withheld => TraceEvent::Withheld,
        Event::Controller(place) => {
            let userdata = trace.controller.get(*place).map(|(userdata, _)| userdata);
            TraceEvent::Controller {
                service: service(userdata.map_or(&[], Vec::as_slice)),
            }
        }
        Event::Bucket { group, bucket } => {
            let buckets = program
                .group(*group)
                .map_or(&[][..], |group| &group.buckets);
            let members: BTreeSet<_> = buckets.iter().map(|bucket| &bucket.actions).collect();
            TraceEvent::Bucket {
                group: *group,
                bucket: *bucket,
                ids: buckets.iter().map(|bucket| bucket.id).collect(),
                members: members.len(),
            }
        }
    }
}

fn step(program: &Program, (table, depth): (u8, usize), flow: Option<&Arc<Flow>>) -> TraceStep {
    let table_name = pipeline::name(table).unwrap_or("");
    let Some(flow) = flow else {
        return TraceStep {
            table,
            table_name,
            depth,
            priority: None,
            matching: String::new(),
            actions: String::new(),
            cookie: 0,
            key: String::new(),
            drops: true,
        };
    };
    let owner = program.compiler().owner_of_flow(&ById(flow.clone()));
    TraceStep {
        table,
        table_name,
        depth,
        priority: Some(flow.priority),
        matching: bounded(flow.matching.to_string()),
        actions: bounded(flow.instructions.to_string()),
        cookie: flow.cookie,
        key: owner.unwrap_or_default().to_owned(),
        drops: drops(flow),
    }
}

/// Whether nothing follows on the flow.
fn drops(flow: &Flow) -> bool {
    fn leads_on(action: &Action) -> bool {
        match action {
            Action::Output { .. }
            | Action::OutputReg { .. }
            | Action::Group { .. }
            | Action::Resubmit { .. }
            | Action::Controller(_) => true,
            Action::Ct(ct) => ct.table.is_some(),
            Action::Clone(actions) => actions.iter().any(leads_on),
            _ => false,
        }
    }
    flow.instructions.goto_table.is_none() && !flow.instructions.apply.iter().any(leads_on)
}

fn service(userdata: &[u8]) -> &'static str {
    match Service::decode(userdata) {
        Some(Service::NeighbourAnswer) => return "neighbour-answer",
        Some(Service::Claim) => return "claim",
        None => {}
    }
    match Reason::decode(userdata) {
        Some(Reason::TimeExceeded) => "time-exceeded",
        Some(Reason::NoRoute) => "no-route",
        Some(Reason::HostUnreachable) => "host-unreachable",
        Some(Reason::TooBig) => "too-big",
        Some(Reason::Resolve) => "resolve",
        None => "unknown",
    }
}

/// Cut where it is too long, at a character.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        let end = (0..=MAX_TEXT_BYTES)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use weft_compiler::cookie;
    use weft_instructions::v1::instruction_body::Body;
    use weft_instructions::v1::{
        EncapType, EngineBatch, Instruction, InstructionBody, LocalPort, LocalVif, NetworkConfig,
    };

    fn instruction(key: &str, body: Body) -> Instruction {
        let body = InstructionBody { body: Some(body) };
        Instruction {
            key: key.to_owned(),
            body: body.encode_to_vec(),
        }
    }

    fn port(id: &str, key: u32, mac: u8) -> [Instruction; 2] {
        let local = LocalPort {
            port_id: id.to_owned(),
            port_key: key,
            network_key: 7,
            mac: vec![2, 0, 0, 0, 0, mac],
            ips: vec![vec![10, 0, 0, mac]],
            admin_up: true,
            port_security: true,
            ..LocalPort::default()
        };
        let vif = LocalVif {
            port_id: id.to_owned(),
            ofport: key,
        };
        [
            instruction(&format!("chassis/a/port/{key}"), Body::LocalPort(local)),
            instruction(&format!("local/vif/{id}"), Body::LocalVif(vif)),
        ]
    }

    /// Two ports of one network.
    fn program() -> Program {
        let network = NetworkConfig {
            network_key: 7,
            encap: EncapType::Geneve.into(),
            ..NetworkConfig::default()
        };
        let network = instruction("network/7/config", Body::Network(network));
        let mut program = Program::new();
        let upserts = [
            vec![network],
            port("a", 1, 1).into(),
            port("b", 2, 2).into(),
        ]
        .concat();
        program.apply(&EngineBatch {
            upserts,
            ..EngineBatch::default()
        });
        assert_eq!(program.failures(), std::collections::BTreeMap::new());
        program
    }

    fn request(source: u128) -> TraceRequest {
        let fields = [
            ("eth_src", 0x0200_0000_0001),
            ("eth_dst", 0x0200_0000_0002),
            ("eth_type", 0x0800),
            ("nw_proto", 1),
            ("nw_ttl", 64),
            ("ip_src", source),
            ("ip_dst", 0x0a00_0002),
            ("icmp_type", 8),
        ];
        TraceRequest {
            in_port: 1,
            fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
            length_bytes: Some(98),
            hash: 0,
        }
    }

    fn shown(traced: &Traced) -> Vec<String> {
        let show = |event: &TraceEvent| match event {
            TraceEvent::Step(step) => {
                let end = if step.drops { " drops" } else { "" };
                format!("{} {}{end}", step.table_name, step.key)
            }
            TraceEvent::Output { port, fields } => format!("output {port} {}", fields.len()),
            other => format!("{other:?}"),
        };
        traced.events.iter().map(show).collect()
    }

    #[test]
    fn a_packet_is_followed_to_its_port_with_the_instruction_behind_each_flow() {
        let traced = run(&program(), &request(0x0a00_0001)).expect("a trace");
        assert_eq!(
            shown(&traced),
            [
                "classify chassis/a/port/1",
                "anti-spoof chassis/a/port/1",
                "services ",
                "router-entry ",
                "l2-lookup chassis/a/port/2",
                "ingress-policy ",
                "deliver chassis/a/port/2",
                "output 2 8",
            ]
        );
        assert_eq!(traced.problem, "");
        assert_eq!(traced.lookups.len(), 7);
        assert_eq!(
            traced.packet,
            "in_port=1,eth_src=02:00:00:00:00:01,eth_dst=02:00:00:00:00:02,icmp,nw_ttl=64,\
             ip_src=10.0.0.1,ip_dst=10.0.0.2,icmp_type=8"
        );
    }

    #[test]
    fn a_spoofed_source_ends_at_the_flow_that_drops_it() {
        let traced = run(&program(), &request(0x0a09_0909)).expect("a trace");
        let Some(TraceEvent::Step(last)) = traced.events.last() else {
            panic!("{traced:?}");
        };
        assert!(last.drops);
        let (table, _, rule) = cookie::decode(last.cookie).expect("ours");
        assert_eq!(
            (table, rule),
            (pipeline::ANTI_SPOOF, cookie::Rule::GuardSpoof)
        );
    }

    #[test]
    fn what_is_no_packet_field_or_too_wide_is_refused_by_name() {
        for (name, value) in [
            ("reg0", 1),
            ("in_port_oxm", 1),
            ("nonsense", 1),
            ("nw_ttl", 256),
        ] {
            let mut request = request(0);
            request.fields.push((name.to_owned(), value));
            let error = run(&program(), &request).expect_err("refused").to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
