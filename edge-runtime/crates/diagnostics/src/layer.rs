//! Makes lines of events.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::form::Line;
use crate::writer::Queue;

/// The field by which events of the same place in the code are told apart.
const ABOUT: &str = "about";

/// Hands events to the writer.
pub(crate) struct EventLayer {
    queue: Queue,
}

impl EventLayer {
    pub(crate) fn new(queue: Queue) -> Self {
        Self { queue }
    }
}

impl<S: Subscriber> Layer<S> for EventLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let metadata = event.metadata();
        let line = Line {
            level: *metadata.level(),
            target: metadata.target(),
            text: words.message + &words.fields,
        };
        // Only what went wrong comes again and again.
        let kind = (*metadata.level() <= Level::WARN).then(|| (metadata.callsite(), words.about));
        self.queue.push(kind, line);
    }
}

/// The message of an event, and ` name=value` for each other field.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
    about: String,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            ABOUT => write!(self.about, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
