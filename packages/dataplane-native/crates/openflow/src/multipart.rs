//! Multipart requests and replies: dumps of flows, groups, meters, ports and tables, and flow monitors.
//! One value is one message; joining the parts of a reply (`more`) is the engine's.
//! Wire: OpenFlow 1.5.1 section 7.3.5.

use crate::error::Result;
use crate::flow::{FlowDesc, FlowRequest, FlowStats};
use crate::group::Group;
use crate::meter::Meter;
use crate::monitor::{FlowMonitorRequest, FlowUpdate};
use crate::switch::{Port, TableDesc};
use crate::wire::{Reader, Writer};

const FLOW_DESC: u16 = 1;
const AGGREGATE: u16 = 2;
const GROUP_DESC: u16 = 7;
const METER_CONFIG: u16 = 10;
const PORT_DESC: u16 = 13;
const TABLE_DESC: u16 = 14;
const FLOW_MONITOR: u16 = 16;
const MORE: u16 = 1;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultipartRequest {
    FlowDesc(FlowRequest),
    /// Number of flows, packets and bytes.
    Aggregate(FlowRequest),
    /// One group, or [`crate::group::ALL`].
    GroupDesc {
        group_id: u32,
    },
    /// One meter, or [`crate::meter::ALL`].
    MeterConfig {
        meter_id: u32,
    },
    /// One port, or [`crate::port::ANY`].
    PortDesc {
        port: u32,
    },
    TableDesc,
    FlowMonitor(Vec<FlowMonitorRequest>),
    Unknown {
        kind: u16,
        body: Vec<u8>,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultipartReply {
    FlowDesc(Vec<FlowDesc>),
    Aggregate(FlowStats),
    GroupDesc(Vec<Group>),
    MeterConfig(Vec<Meter>),
    PortDesc(Vec<Port>),
    TableDesc(Vec<TableDesc>),
    FlowMonitor(Vec<FlowUpdate>),
    Unknown { kind: u16, body: Vec<u8> },
}

fn head(out: &mut Vec<u8>, kind: u16, more: bool) {
    out.put_u16(kind);
    out.put_u16(if more { MORE } else { 0 });
    out.put_u32(0);
}

fn pull_head(reader: &mut Reader<'_>) -> Result<(u16, bool)> {
    let kind = reader.u16()?;
    let more = reader.u16()? & MORE != 0;
    reader.skip(4)?;
    Ok((kind, more))
}

/// A request body of one number and padding.
fn number(out: &mut Vec<u8>, value: u32) {
    out.put_u32(value);
    out.put_u32(0);
}

pub(crate) fn encode_request(out: &mut Vec<u8>, more: bool, body: &MultipartRequest) {
    let kind = match body {
        MultipartRequest::FlowDesc(_) => FLOW_DESC,
        MultipartRequest::Aggregate(_) => AGGREGATE,
        MultipartRequest::GroupDesc { .. } => GROUP_DESC,
        MultipartRequest::MeterConfig { .. } => METER_CONFIG,
        MultipartRequest::PortDesc { .. } => PORT_DESC,
        MultipartRequest::TableDesc => TABLE_DESC,
        MultipartRequest::FlowMonitor(_) => FLOW_MONITOR,
        MultipartRequest::Unknown { kind, .. } => *kind,
    };
    head(out, kind, more);
    match body {
        MultipartRequest::FlowDesc(request) | MultipartRequest::Aggregate(request) => {
            request.encode(out);
        }
        MultipartRequest::GroupDesc { group_id: id }
        | MultipartRequest::MeterConfig { meter_id: id }
        | MultipartRequest::PortDesc { port: id } => number(out, *id),
        MultipartRequest::TableDesc => {}
        MultipartRequest::FlowMonitor(requests) => {
            for request in requests {
                request.encode(out);
            }
        }
        MultipartRequest::Unknown { body, .. } => out.extend_from_slice(body),
    }
}

pub(crate) fn decode_request(reader: &mut Reader<'_>) -> Result<(bool, MultipartRequest)> {
    let (kind, more) = pull_head(reader)?;
    let body = match kind {
        FLOW_DESC => MultipartRequest::FlowDesc(FlowRequest::decode(reader)?),
        AGGREGATE => MultipartRequest::Aggregate(FlowRequest::decode(reader)?),
        GROUP_DESC => MultipartRequest::GroupDesc {
            group_id: reader.u32()?,
        },
        METER_CONFIG => MultipartRequest::MeterConfig {
            meter_id: reader.u32()?,
        },
        PORT_DESC => MultipartRequest::PortDesc {
            port: reader.u32()?,
        },
        TABLE_DESC => MultipartRequest::TableDesc,
        FLOW_MONITOR => {
            MultipartRequest::FlowMonitor(decode_all(reader, FlowMonitorRequest::decode)?)
        }
        kind => MultipartRequest::Unknown {
            kind,
            body: reader.rest().to_vec(),
        },
    };
    Ok((more, body))
}

pub(crate) fn encode_reply(out: &mut Vec<u8>, more: bool, body: &MultipartReply) -> Result<()> {
    let kind = match body {
        MultipartReply::FlowDesc(_) => FLOW_DESC,
        MultipartReply::Aggregate(_) => AGGREGATE,
        MultipartReply::GroupDesc(_) => GROUP_DESC,
        MultipartReply::MeterConfig(_) => METER_CONFIG,
        MultipartReply::PortDesc(_) => PORT_DESC,
        MultipartReply::TableDesc(_) => TABLE_DESC,
        MultipartReply::FlowMonitor(_) => FLOW_MONITOR,
        MultipartReply::Unknown { kind, .. } => *kind,
    };
    head(out, kind, more);
    match body {
        MultipartReply::FlowDesc(flows) => {
            for flow in flows {
                flow.encode(out)?;
            }
        }
        MultipartReply::Aggregate(stats) => stats.encode(out),
        MultipartReply::GroupDesc(groups) => {
            for group in groups {
                group.encode_desc(out)?;
            }
        }
        MultipartReply::MeterConfig(meters) => {
            for meter in meters {
                meter.encode_config(out);
            }
        }
        MultipartReply::PortDesc(ports) => {
            for port in ports {
                port.encode(out);
            }
        }
        MultipartReply::TableDesc(tables) => {
            for table in tables {
                table.encode(out);
            }
        }
        MultipartReply::FlowMonitor(updates) => {
            for update in updates {
                update.encode(out)?;
            }
        }
        MultipartReply::Unknown { body, .. } => out.extend_from_slice(body),
    }
    Ok(())
}

pub(crate) fn decode_reply(reader: &mut Reader<'_>) -> Result<(bool, MultipartReply)> {
    let (kind, more) = pull_head(reader)?;
    let body = match kind {
        FLOW_DESC => MultipartReply::FlowDesc(decode_all(reader, FlowDesc::decode)?),
        AGGREGATE => MultipartReply::Aggregate(FlowStats::decode(reader)?),
        GROUP_DESC => MultipartReply::GroupDesc(decode_all(reader, Group::decode_desc)?),
        METER_CONFIG => MultipartReply::MeterConfig(decode_all(reader, Meter::decode_config)?),
        PORT_DESC => MultipartReply::PortDesc(decode_all(reader, Port::decode)?),
        TABLE_DESC => MultipartReply::TableDesc(decode_all(reader, TableDesc::decode)?),
        FLOW_MONITOR => MultipartReply::FlowMonitor(decode_all(reader, FlowUpdate::decode)?),
        kind => MultipartReply::Unknown {
            kind,
            body: reader.rest().to_vec(),
        },
    };
    Ok((more, body))
}

/// Entries until the reader is empty. Every entry takes at least its length field, so this ends.
fn decode_all<'a, T>(
    reader: &mut Reader<'a>,
    one: impl Fn(&mut Reader<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    while !reader.is_empty() {
        found.push(one(reader)?);
    }
    Ok(found)
}
