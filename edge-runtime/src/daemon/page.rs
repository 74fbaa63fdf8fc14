//! The pages of a run: served from the first configuration that wants them, and kept as long as it wants the same.

use std::fs;
use std::sync::Arc;

use durable::SystemDisk;
use jiff::tz::TimeZone;
use shared_model::emotion::ClassSet;
use update::Networks;

use super::error::DaemonError;
use super::running::checks;
use super::shared::{Shared, Warn, Ways};
use crate::config::Config;
use crate::counts::{CountsSettings, Report};
use crate::page::settings::PageConfig;
use crate::page::{About, BundleFacts, CameraFacts, Frames, Outbox, PageContext, PageServer, ReadCounts, Today};
use crate::service::Liveness;
use crate::sink::SignalSink;
use crate::sink::when::ShowMedia;

/// The pages, if a configuration wants them.
#[derive(Default)]
pub(super) struct Pages {
    served: Option<(PageConfig, PageServer)>,
}

/// What the pages tell of a bundle.
pub(super) fn bundle(networks: &Networks) -> BundleFacts {
    let manifest = networks.bundle.manifest();
    let precisions = networks.predictor.precisions();
    let (keypoints, emotion) = (precisions.keypoints.name(), precisions.emotion.name());
    BundleFacts {
        name: manifest.name.to_string(),
        version: manifest.version,
        precision: if keypoints == emotion {
            emotion.to_owned()
        } else {
            format!("{keypoints} / {emotion}")
        },
    }
}

impl Pages {
    /// Whether they are what the configuration wants.
    pub(super) fn fit(&self, config: &Config) -> bool {
        self.served.as_ref().map(|(served, _)| served) == config.page.as_ref()
    }

    /// Serves what another configuration wants, beside these pages; at the same address both take connections until these
    /// go.
    pub(super) fn beside(&mut self, config: &Config) -> Result<Self, DaemonError> {
        let Some(wanted) = &config.page else {
            return Ok(Self::default());
        };
        let server = match &self.served {
            Some((served, server)) if served.listen == wanted.listen => server.beside(wanted)?,
            Some((served, _)) if served.listen.port() == wanted.listen.port() => {
                // One of both may stand for all addresses, which nobody can have beside another.
                self.served = None;
                PageServer::start(wanted)?
            }
            _ => PageServer::start(wanted)?,
        };
        tracing::info!("pages: http://{}/", server.address());
        Ok(Self {
            served: Some((wanted.clone(), server)),
        })
    }

    /// A sink for the loop, and the server's signs of life.
    pub(super) fn sink(&self, classes: &ClassSet) -> Option<(Box<dyn SignalSink>, Liveness)> {
        let (_, server) = self.served.as_ref()?;
        let hub = Arc::clone(server.hub());
        let alive = Liveness::new("page", move || hub.beats());
        Some((Box::new(server.hub().sink(classes)), alive))
    }

    /// Tells the pages what went wrong, and what helps.
    pub(super) fn warn(&self) -> Warn {
        let hub = self.served.as_ref().map(|(_, server)| Arc::clone(server.hub()));
        Arc::new(move |text, cure| {
            if let Some(hub) = &hub {
                hub.warn(text, cure);
            }
        })
    }

    /// Shows the media of a name on the visitor's page for a while, where there is one.
    pub(super) fn show(&self) -> Option<ShowMedia> {
        let hub = Arc::clone(self.served.as_ref()?.1.hub());
        Some(Box::new(move |name, length| hub.show(name, length)))
    }

    /// Tells the pages of the networks that the loop swaps to.
    pub(super) fn swapped(&self) -> Box<dyn Fn(&Networks) + Send> {
        let hub = self.served.as_ref().map(|(_, server)| Arc::clone(server.hub()));
        Box::new(move |networks| {
            if let Some(hub) = &hub {
                hub.swapped(bundle(networks));
            }
        })
    }

    /// Tells the pages what runs now.
    pub(super) fn attach(&self, config: &Config, classes: &ClassSet, bundle: BundleFacts, shared: &Shared, ways: Ways) {
        let Some((_, server)) = &self.served else { return };
        let broker = Arc::clone(&ways.broker);
        let (progress, liveness) = (Arc::clone(&shared.progress), Arc::clone(&shared.liveness));
        let visitors = Arc::clone(&shared.counts);
        // Wishes are heard only where somebody follows them.
        let looks = config.update.as_ref().is_some_and(|update| update.channel.is_some());
        server.hub().attach(PageContext {
            about: About {
                boot: shared.boot.to_string(),
                device: device(config),
                classes: classes.iter().map(str::to_owned).collect(),
                camera: CameraFacts {
                    source: config.source.origin.to_string(),
                    smallest_face_px: config.face.track().detector.min_face_px,
                },
                bundle,
            },
            switches: Arc::clone(&shared.switches),
            updates: looks.then(|| Arc::clone(&shared.updates)),
            frames: Box::new(move || Frames {
                captured: progress.captured(),
                judged: progress.inferred(),
            }),
            parts: Box::new(move || liveness.read()),
            outbox: Box::new(move || {
                broker().map(|status| Outbox {
                    connected: status.connected,
                    waiting: status.waiting,
                    dropped: status.dropped,
                })
            }),
            today: Box::new(move || visitors.today().as_ref().map(Today::from)),
            counted: config.counts.clone().map(read_counts),
            left: None,
            checks: checks(config.clone(), shared, ways),
        });
    }
}

/// Reads counts as `edge-runtime counts` does, in the machine's time zone.
fn read_counts(settings: CountsSettings) -> ReadCounts {
    Arc::new(move |since| {
        let zone = TimeZone::system();
        let report = Report::read(&mut SystemDisk::default(), &settings, since, &zone);
        let report = report.map_err(|error| error.to_string())?;
        Ok(report.json(&zone).to_string())
    })
}

/// What people call the device: the name that the broker knows, else the machine's own.
pub(super) fn device(config: &Config) -> String {
    let named = config.sink.mqtt.as_ref().map(|mqtt| mqtt.name.clone());
    let own = || fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    named.or_else(|| own().ok()).unwrap_or_else(|| "kiosk".to_owned())
}
