//! Verdicts posted to a web server, signed, and kept on disk until the server has taken them.
//!
//! The form is that of [Standard Webhooks](https://www.standardwebhooks.com): the headers `webhook-id`, `webhook-timestamp`
//! and `webhook-signature`, an HMAC-SHA256 over the three parts. Libraries of many languages check it.
//!
//! The [outlet](super::outlet)'s thread keeps events in the [outbox](durable::outbox), and never waits for the server: a
//! second thread, the *poster*, does. It has one event at a time, the oldest.

mod poster;
mod retry;
mod secret;
mod settings;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use shared_model::emotion::ClassSet;
use shared_model::message::State;
use ureq::Agent;

use super::outlet::{Backlog, Fired, Outlet, Recipient, Sends, Waker};
use durable::outbox::{Outbox, OutboxError, Shelf};

use poster::{Done, Job, Poster};
use retry::{Answer, Retry};
use secret::Secret;

pub use poster::probe;
pub use settings::{WebhookConfig, is_web_address};

/// Longest wait at the end for what is under way.
const END: Duration = Duration::from_secs(1);

/// Why the sink cannot be started. That the server cannot be reached is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Events cannot be kept.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// A file cannot be read.
    #[error("read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The secret is too short to keep anybody out.
    #[error("read secret {path}: it must be one line with 24 bytes or more; `openssl rand -base64 32` makes one")]
    Weak {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be read.
    #[error("read certificates {path}: {reason}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A thread cannot be started.
    #[error("start webhook: {0}")]
    Start(io::Error),
}

/// Whether the files of a configuration can be used; nothing is sent or made.
///
/// # Errors
/// The first that cannot.
pub fn check(config: &WebhookConfig) -> Result<(), WebhookError> {
    Receiver::read(config).map(drop)
}

/// Who is posted to, and how that is signed: what the files of a configuration say, which are not needed again.
#[derive(Clone)]
pub struct Receiver {
    secret: Secret,
    agent: Agent,
}

impl Receiver {
    /// Reads the files that a configuration names; nothing is sent or made.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn read(config: &WebhookConfig) -> Result<Self, WebhookError> {
        Ok(Self {
            secret: Secret::read(&config.secret_file)?,
            agent: poster::agent(config)?,
        })
    }
}

/// Takes the outbox and starts both threads; at the end, the outbox goes back to its shelf.
///
/// # Errors
/// A directory or threads that cannot be had.
pub fn start(
    config: &WebhookConfig,
    receiver: Receiver,
    classes: &ClassSet,
    shelf: &Shelf,
) -> Result<Outlet, WebhookError> {
    let Receiver { secret, agent } = receiver;
    let outbox = shelf.take(&config.outbox.dir, config.outbox.limits())?;
    let shelf = shelf.clone();
    let sync_every = config.outbox.sync_every;
    let url = config.url.clone();
    Outlet::start("webhook", Sends::States, classes, move |waker: Waker| {
        let (jobs, asked) = channel();
        let (told, done) = channel();
        let poster = Poster {
            agent,
            secret,
            url,
            waker,
        };
        diagnostics::spawn("webhook-post", move || poster.work(&asked, &told))?;
        Ok(Webhook {
            outbox,
            shelf,
            jobs,
            done,
            under_way: false,
            retry: Retry::new(),
            next: Instant::now(),
            synced: Instant::now(),
            sync_every,
            boot: String::new(),
            triggers: 0,
        })
    })
    .map_err(WebhookError::Start)
}

/// Keeps events, and hands them to the poster one by one.
struct Webhook {
    outbox: Outbox,
    /// Where it goes at the end.
    shelf: Shelf,
    jobs: Sender<Job>,
    done: mpsc::Receiver<Done>,
    /// Whether the poster has an event.
    under_way: bool,
    retry: Retry,
    /// When the next attempt is due.
    next: Instant,
    synced: Instant,
    sync_every: Duration,
    /// Identifies this start of the program.
    boot: String,
    /// Triggers since then.
    triggers: u64,
}

impl Webhook {
    /// Keeps an event: its name, a line end, and what is posted.
    fn keep(&mut self, id: &str, event: &str, data: &Value) -> io::Result<()> {
        let body = json!({ "event": event, "id": id, "at_ms": now_ms(), "data": data });
        let kept = self.outbox.push(format!("{id}\n{body}").into_bytes());
        kept.map(drop)
            .ok_or_else(|| io::Error::other("the event is too long to be kept"))
    }

    /// Gives the oldest event to the poster, if it is free and the time has come.
    ///
    /// # Errors
    /// A poster that has ended; events are kept all the same.
    fn hand_over(&mut self) -> io::Result<()> {
        if self.under_way || Instant::now() < self.next {
            return Ok(());
        }
        let Some((number, kept)) = self.outbox.from(0) else {
            return Ok(());
        };
        let end = kept.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let job = Job {
            number,
            id: String::from_utf8_lossy(&kept[..end]).into_owned(),
            body: kept[end..].trim_ascii_start().to_vec(),
        };
        self.under_way = self.jobs.send(job).is_ok();
        if self.under_way {
            return Ok(());
        }
        Err(io::Error::other(
            "the thread that posts has ended; events wait for the next start",
        ))
    }

    /// Follows what has become of an event; says whether the server has taken it.
    fn follow(&mut self, done: Done) -> io::Result<bool> {
        self.under_way = false;
        let Done { number, outcome } = done;
        let answer = outcome.as_ref().map_or(Answer::Later(None), |(_, answer)| *answer);
        self.next = Instant::now() + self.retry.wait(answer);
        match (answer, outcome) {
            (Answer::Taken, _) => {
                self.outbox.delivered(number);
                Ok(true)
            }
            (Answer::Refused, Ok((status, _))) => {
                self.outbox.delivered(number);
                Err(io::Error::other(format!(
                    "the server refuses an event with {status}; it is left out"
                )))
            }
            (_, Ok((status, _))) => Err(io::Error::other(format!("the server answers {status}; events wait"))),
            (_, Err(reason)) => Err(io::Error::other(format!("{reason}; events wait"))),
        }
    }
}

impl Recipient for Webhook {
    fn state(&mut self, state: &State) -> io::Result<()> {
        self.boot = state.boot.to_string();
        let id = format!("{}-{}", state.boot, state.sequence);
        self.keep(&id, "state", &serde_json::to_value(state)?)
    }

    fn fired(&mut self, fired: &Fired) -> io::Result<()> {
        let id = format!("{}-t{}", self.boot, self.triggers);
        self.triggers += 1;
        self.keep(&id, "trigger", &serde_json::to_value(fired.data())?)
    }

    fn keeps(&self) -> bool {
        true
    }

    fn tick(&mut self) -> io::Result<bool> {
        let followed = self.done.try_recv().map_or(Ok(false), |done| self.follow(done));
        let handed_over = self.hand_over();
        if self.synced.elapsed() >= self.sync_every {
            self.synced = Instant::now();
            self.outbox.sync();
        }
        let taken = followed?;
        handed_over.map(|()| taken)
    }

    fn backlog(&self) -> Backlog {
        let counts = self.outbox.counts();
        Backlog {
            waiting: counts.waiting,
            discarded: counts.dropped,
        }
    }

    fn close(mut self) {
        // What cannot be handed over waits for the next start.
        let _ = self.hand_over();
        if self.under_way
            && let Ok(done) = self.done.recv_timeout(END)
        {
            // What failed waits for the next start.
            let _ = self.follow(done);
        }
        self.outbox.sync();
        self.shelf.put(self.outbox);
    }
}

/// Milliseconds since 1970, by the clock of this machine.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_millis() as u64
}
