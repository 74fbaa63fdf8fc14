//! What the programs tell about themselves on standard error, as events of `tracing`.
//!
//! Three rules hold for every event:
//!
//! - It is **filtered** by level and target, as `RUST_LOG` does it: `warn,edge_runtime::sink=debug`.
//! - A **repeated** warning is told once. Those like it are counted, and the count is told each minute. Alike are
//!   events of the same place in the code with the same value of the field `about`.
//! - It **never kills and never waits**: events go to a thread of their own through a bounded queue. Where standard
//!   error is closed, full or slow they are lost, and their number is told when it can be.
#![forbid(unsafe_code)]

mod filter;
mod form;
mod layer;
mod repeats;
mod writer;

pub use filter::{Filter, FilterError};
pub use form::{Form, is_hidden, visible};

use std::io;
use std::thread::{self, JoinHandle};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use layer::EventLayer;
use writer::Writer;

/// Keeps the diagnostics going. Dropped, it tells what is still counted and waits for the queue, a second at most.
pub struct Diagnostics {
    filter: reload::Handle<tracing_subscriber::filter::Targets, Registry>,
    _writer: Writer,
}

/// A named thread whose events go where those of this thread go: a subscriber that holds for this thread alone would
/// not hear them.
///
/// # Errors
/// Where the system starts no thread.
pub fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || tracing::dispatcher::with_default(&dispatch, work))
}

/// Events are told already: there is one subscriber a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("start diagnostics: they run already")]
pub struct RunningError;

impl Diagnostics {
    /// Tells every event that passes `filter` on standard error.
    ///
    /// # Errors
    /// Where the process has a subscriber already.
    pub fn start(filter: &Filter, form: Form) -> Result<Self, RunningError> {
        let (writer, queue) = Writer::start(io::stderr(), form);
        let (filter, handle) = reload::Layer::new(filter.targets());
        let layer = EventLayer::new(queue).with_filter(filter);
        tracing_subscriber::registry()
            .with(layer)
            .try_init()
            .map_err(|_| RunningError)?;
        Ok(Self {
            filter: handle,
            _writer: writer,
        })
    }

    /// Takes up another filter, as a reloaded configuration may have one.
    pub fn set_filter(&self, filter: &Filter) {
        // It fails only where the subscriber is gone, and then nothing is told anyway.
        let _ = self.filter.reload(filter.targets());
    }
}
