//! The N-API surface: decode, call, encode. Knows no networking; its state is one engine and the
//! counting of events on their way to JavaScript. Called by ts/native.ts only.

mod convert;
mod trace;

use convert::{NativeEvent, NativeOptions, NativePortFlow, NativeStats};
use napi::bindgen_prelude::{AsyncTask, BigInt, Function, Object};
use napi::threadsafe_function::{ThreadsafeCallContext, ThreadsafeFunctionCallMode};
use napi::{Env, Error, Result, Status, Task};
use napi_derive::napi;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use trace::{NativeTraceRequest, NativeTraced};
use weft_engine::{Engine, Event};

/// Events that may be dropped, on their way to JavaScript at once.
const MAX_DROPPABLE: usize = 1024;

/// The engine's version, such as `0.1.0`.
#[napi]
pub fn engine_version() -> String {
    weft_engine::VERSION.to_owned()
}

/// One bridge's engine.
#[napi]
pub struct Dataplane {
    /// `None` after `close`.
    engine: Option<Engine>,
}

#[napi]
impl Dataplane {
    /// Starts the engine. `on_event` is called on the JavaScript thread, in order.
    #[napi(factory, catch_unwind)]
    pub fn open(options: NativeOptions, on_event: Function<NativeEvent, ()>) -> Result<Self> {
        let droppable = Arc::new(AtomicUsize::new(0));
        let delivered = droppable.clone();
        let to_js = on_event
            .build_threadsafe_function::<Event>()
            .build_callback(move |context: ThreadsafeCallContext<Event>| {
                if is_droppable(&context.value) {
                    delivered.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(NativeEvent::from(context.value))
            })?;
        let sink = move |event: Event| {
            if is_droppable(&event) && droppable.fetch_add(1, Ordering::Relaxed) >= MAX_DROPPABLE {
                droppable.fetch_sub(1, Ordering::Relaxed);
                return false;
            }
            // The queue has no bound of its own: what must arrive is bounded by open tickets.
            to_js.call(event, ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok
        };
        let engine = Engine::open(options.into(), Box::new(sink))
            .map_err(|error| Error::from_reason(error.to_string()))?;
        Ok(Self {
            engine: Some(engine),
        })
    }

    /// The ticket, or 0: busy, nothing taken.
    #[napi(catch_unwind)]
    pub fn submit(&self, batch: &[u8]) -> Result<BigInt> {
        Ok(BigInt::from(self.engine()?.submit(batch).unwrap_or(0)))
    }

    #[napi(catch_unwind)]
    pub fn allow_prune(&self) -> Result<()> {
        self.engine()?.allow_prune();
        Ok(())
    }

    #[napi(catch_unwind, ts_return_type = "Promise<NativePortFlow[]>")]
    pub fn port_flows<'env>(&self, env: &'env Env, port_key: u32) -> Result<Object<'env>> {
        let engine = self.engine()?;
        let (deferred, promise) = env.create_deferred()?;
        engine.port_flows(port_key, move |reply| match reply {
            Ok(flows) => deferred.resolve(move |_| {
                Ok(flows
                    .into_iter()
                    .map(NativePortFlow::from)
                    .collect::<Vec<_>>())
            }),
            Err(error) => deferred.reject(Error::from_reason(error.to_string())),
        });
        Ok(promise)
    }

    #[napi(catch_unwind, ts_return_type = "Promise<NativeTraced>")]
    pub fn trace<'env>(&self, env: &'env Env, request: NativeTraceRequest) -> Result<Object<'env>> {
        let engine = self.engine()?;
        let request = request.try_into()?;
        let (deferred, promise) = env.create_deferred()?;
        engine.trace(request, move |reply| match reply {
            Ok(traced) => deferred.resolve(move |_| Ok(NativeTraced::from(traced))),
            Err(error) => deferred.reject(Error::from_reason(error.to_string())),
        });
        Ok(promise)
    }

    #[napi(catch_unwind)]
    pub fn stats(&self) -> Result<NativeStats> {
        Ok(self.engine()?.stats().into())
    }

    /// Joins the engine's thread, off the JavaScript thread. A second call has nothing to do.
    #[napi(catch_unwind)]
    pub fn close(&mut self) -> AsyncTask<Close> {
        AsyncTask::new(Close {
            engine: self.engine.take(),
        })
    }

    fn engine(&self) -> Result<&Engine> {
        self.engine
            .as_ref()
            .ok_or_else(|| Error::from_reason("the dataplane is closed"))
    }
}

/// The join of an engine's thread.
pub struct Close {
    engine: Option<Engine>,
}

impl Task for Close {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> Result<()> {
        drop(self.engine.take());
        Ok(())
    }

    fn resolve(&mut self, _: Env, (): ()) -> Result<()> {
        Ok(())
    }
}

fn is_droppable(event: &Event) -> bool {
    matches!(event, Event::Claim { .. } | Event::Drift { .. })
}
