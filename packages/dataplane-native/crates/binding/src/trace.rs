//! The plain objects of a trace that cross the boundary, and their conversions. Must hold no logic
//! beyond that. Called by `Dataplane::trace`.

use napi::bindgen_prelude::BigInt;
use napi::{Error, Result};
use napi_derive::napi;
use weft_engine::{TraceEvent, TraceRequest, TraceStep, Traced};

/// A field and its value in hexadecimal, `0x` in front.
#[napi(object)]
pub struct NativeField {
    pub name: String,
    pub value: String,
}

/// `length_bytes` `null`: both ways are gone where the length decides.
#[napi(object, use_nullable = true)]
pub struct NativeTraceRequest {
    pub in_port: u32,
    pub fields: Vec<NativeField>,
    pub length_bytes: Option<u32>,
    pub hash: u32,
}

impl TryFrom<NativeTraceRequest> for TraceRequest {
    type Error = Error;

    fn try_from(native: NativeTraceRequest) -> Result<Self> {
        let read = |NativeField { name, value }| {
            let digits = value.strip_prefix("0x").unwrap_or("");
            match u128::from_str_radix(digits, 16) {
                Ok(number) => Ok((name, number)),
                Err(error) => Err(Error::from_reason(format!("{name}={value}: {error}"))),
            }
        };
        Ok(Self {
            in_port: native.in_port,
            fields: native.fields.into_iter().map(read).collect::<Result<_>>()?,
            length_bytes: native.length_bytes,
            hash: native.hash,
        })
    }
}

/// One lookup: {table, priority, cookie}; `null`: no flow matched.
#[napi(object, use_nullable = true)]
pub struct NativeLookup {
    pub table: u32,
    pub priority: Option<u32>,
    pub cookie: BigInt,
}

/// As `weft_engine::TraceStep` describes it.
#[napi(object, use_nullable = true)]
pub struct NativeTraceStep {
    pub table: u32,
    pub table_name: String,
    pub depth: u32,
    pub priority: Option<u32>,
    pub matching: String,
    pub actions: String,
    pub cookie: BigInt,
    pub key: String,
    pub drops: bool,
}

#[napi(object)]
pub struct NativeTraceOutput {
    pub port: u32,
    pub fields: Vec<NativeField>,
}

#[napi(object)]
pub struct NativeTraceBucket {
    pub group: u32,
    pub bucket: u32,
    pub ids: Vec<u32>,
    pub members: u32,
}

/// One event: `kind` says which of the others is there; a withheld copy has none.
#[napi(object, use_nullable = true)]
pub struct NativeTraceEvent {
    pub kind: String,
    pub step: Option<NativeTraceStep>,
    pub output: Option<NativeTraceOutput>,
    pub service: Option<String>,
    pub bucket: Option<NativeTraceBucket>,
}

#[napi(object)]
pub struct NativeTraced {
    pub packet: String,
    pub events: Vec<NativeTraceEvent>,
    pub cut: bool,
    pub lookups: Vec<NativeLookup>,
    pub problem: String,
}

impl From<Traced> for NativeTraced {
    fn from(traced: Traced) -> Self {
        let lookup = |(table, flow): (u8, Option<(u16, u64)>)| NativeLookup {
            table: u32::from(table),
            priority: flow.map(|(priority, _)| u32::from(priority)),
            cookie: BigInt::from(flow.map_or(0, |(_, cookie)| cookie)),
        };
        Self {
            packet: traced.packet,
            events: traced.events.into_iter().map(Into::into).collect(),
            cut: traced.cut,
            lookups: traced.lookups.into_iter().map(lookup).collect(),
            problem: traced.problem,
        }
    }
}

impl From<TraceEvent> for NativeTraceEvent {
    fn from(event: TraceEvent) -> Self {
        let mut native = Self {
            kind: String::new(),
            step: None,
            output: None,
            service: None,
            bucket: None,
        };
        let kind = match event {
            TraceEvent::Step(step) => {
                native.step = Some(step.into());
                "step"
            }
            TraceEvent::Output { port, fields } => {
                let field = |(name, value): (&str, u128)| NativeField {
                    name: name.to_owned(),
                    value: format!("{value:#x}"),
                };
                let fields = fields.into_iter().map(field).collect();
                native.output = Some(NativeTraceOutput { port, fields });
                "output"
            }
            TraceEvent::Withheld => "withheld",
            TraceEvent::Controller { service } => {
                native.service = Some(service.to_owned());
                "controller"
            }
            TraceEvent::Bucket {
                group,
                bucket,
                ids,
                members,
            } => {
                native.bucket = Some(NativeTraceBucket {
                    group,
                    bucket: count(bucket),
                    ids,
                    members: count(members),
                });
                "bucket"
            }
        };
        kind.clone_into(&mut native.kind);
        native
    }
}

impl From<TraceStep> for NativeTraceStep {
    fn from(step: TraceStep) -> Self {
        Self {
            table: u32::from(step.table),
            table_name: step.table_name.to_owned(),
            depth: count(step.depth),
            priority: step.priority.map(u32::from),
            matching: step.matching,
            actions: step.actions,
            cookie: BigInt::from(step.cookie),
            key: step.key,
            drops: step.drops,
        }
    }
}

fn count(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
