//! The pages that people see: the visitor's, the operator's, and the live data behind them, served by the program itself.
//!
//! Terms: the *board* is where the loop leaves what is newest, without ever waiting; a *viewer* is somebody who follows the
//! stream of messages; the *server* is a thread of its own with everything that waits for somebody.
//!
//! Nothing of a picture comes here: what the loop hands over are [facts](crate::sink::FrameFacts) and
//! [faces](shared_model::message::FaceLine), which have no room for pixels. A test of the architecture holds that no file of
//! this module names a picture.

pub mod settings;

#[cfg(feature = "page")]
mod access;
#[cfg(feature = "page")]
mod assets;
#[cfg(feature = "page")]
mod board;
#[cfg(feature = "page")]
mod connections;
#[cfg(feature = "page")]
mod content;
#[cfg(feature = "page")]
mod error;
#[cfg(feature = "page")]
mod facts;
#[cfg(feature = "page")]
mod files;
#[cfg(feature = "page")]
mod hub;
#[cfg(feature = "page")]
mod latest;
#[cfg(feature = "page")]
mod live;
#[cfg(feature = "page")]
mod media;
#[cfg(feature = "page")]
mod message;
#[cfg(feature = "page")]
mod requests;
#[cfg(feature = "page")]
mod routes;
#[cfg(feature = "page")]
mod server;
#[cfg(feature = "page")]
mod sink;
#[cfg(feature = "page")]
mod status;
#[cfg(feature = "page")]
mod tls;
#[cfg(feature = "page")]
mod warnings;

#[cfg(feature = "page")]
pub use access::TokenError;
#[cfg(feature = "page")]
pub use error::PageError;
#[cfg(feature = "page")]
pub use facts::{BundleFacts, CameraFacts, Frames, UpdateFacts};
#[cfg(feature = "page")]
pub use hub::{About, Hub, PageContext, ReadCounts};
#[cfg(feature = "page")]
pub use message::{Check, Hour, Outbox, Today};
#[cfg(feature = "page")]
pub use server::{PageServer, check};
#[cfg(feature = "page")]
pub use sink::PageSink;
