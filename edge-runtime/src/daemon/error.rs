//! Why a run cannot begin or go on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use inference::PredictError;
use vision::face::FaceError;

use crate::counts::CountsError;
use crate::decide::DecideError;
#[cfg(feature = "page")]
use crate::page::PageError;
use crate::pipeline::PipelineError;
use crate::sink::GpioError;
#[cfg(feature = "mqtt")]
use crate::sink::mqtt::MqttError;
#[cfg(feature = "webhook")]
use crate::sink::webhook::WebhookError;
use crate::source::pixels::PixelsError;

/// What keeps a run from starting or from going on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// No bundle can be loaded.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The face detector cannot be had.
    #[error(transparent)]
    Face(#[from] FaceError),
    /// The settings of the decisions do not fit the bundle.
    #[error(transparent)]
    Decide(#[from] DecideError),
    /// The form of a pipe's frames makes no sense.
    #[error(transparent)]
    Pixels(#[from] PixelsError),
    /// A GPIO line cannot be driven.
    #[error(transparent)]
    Gpio(#[from] GpioError),
    /// The thread of the GPIO lines cannot be started.
    #[error(transparent)]
    GpioThread(GpioError),
    /// The broker's sink cannot be set up.
    #[cfg(feature = "mqtt")]
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// A sink that sends from an outlet cannot be set up.
    #[error("set up {name}: {source}")]
    Outlet {
        /// Which one.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The webhook cannot be set up.
    #[cfg(feature = "webhook")]
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// A webhook is asked for without the feature `webhook`.
    #[error("set up webhook: this program was built without it: build with `--features webhook`")]
    NoWebhook,
    /// The loop over the frames ended early.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// A camera is asked for without the feature `camera`.
    #[error("open v4l2:{}: this program was built without cameras; build it with --features camera", .0.display())]
    NoCamera(PathBuf),
    /// Lines are asked for without the feature `gpio`.
    #[error("set up gpio: this program was built without it: build with `--features gpio`, or use backend = \"log\"")]
    NoGpio,
    /// A broker is asked for without the feature `mqtt`.
    #[error("set up mqtt: this program was built without it: build with `--features mqtt`")]
    NoMqtt,
    /// The bundle lacks an emotion that a line stands for, or a trigger waits for.
    #[error("set up sinks: the bundle has no emotion `{label}`, only {known}")]
    Emotion {
        /// The emotion that the configuration names.
        label: String,
        /// What the bundle has, with commas between.
        known: String,
    },
    /// Root would trust what others can change.
    #[error("start as root: {} can be changed by other users; `chmod go-w` and `chown root`, or run as another user", .0.display())]
    Untrusted(PathBuf),
    /// The counts of visitors cannot be kept.
    #[error(transparent)]
    Counts(#[from] CountsError),
    /// The address for Prometheus cannot be served.
    #[error("serve metrics on {address}: {source}")]
    Metrics {
        /// Address and port that cannot be served.
        address: SocketAddr,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// The pages cannot be served.
    #[cfg(feature = "page")]
    #[error(transparent)]
    Page(#[from] PageError),
    /// Pages are asked for without the feature `page`.
    #[error("serve pages: this program was built without them: build with `--features page`")]
    NoPage,
    /// Pictures are asked for from elsewhere.
    #[error("aim on {0}: pictures are shown to this machine alone; use `ssh -L` from another")]
    AimAbroad(SocketAddr),
    /// A service runs, and has the camera.
    #[error("aim: the service runs and has the camera: stop it first, `sudo systemctl stop edge-runtime`")]
    Running,
    /// A thread cannot be started.
    #[error(transparent)]
    Thread(io::Error),
}
