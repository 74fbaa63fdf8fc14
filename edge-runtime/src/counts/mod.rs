//! How many people came, looked, stayed and smiled: sums by quarter of an hour, and nobody's identity.
//!
//! | word | what it means here |
//! |---|---|
//! | visitor | a track that the detector saw for [`VisitSettings::visitor_ms`] from first to last sight |
//! | attentive | a visitor who turned the face to the camera ([`VisitSettings::facing_degrees`] of yaw and pitch, [`vision::tracking::pose::Pose`]) for [`VisitSettings::attention_ms`] without looking away |
//! | dwell | the time from first to last sight of a visitor, counted when the visit ends |
//! | told | a visitor for whom the rules of `[decide]`, on that face alone, held an emotion; and for how long |
//! | smile | a visitor who was told Happy, once however often |
//! | abstained | the time of visitors in which no emotion was held; and visitors for whom none ever was |
//!
//! A [`Tally`] holds such sums, a [`Book`] the tallies of days on disk, a [`Board`] what may be shown: only what is on disk
//! already, so that nothing that anybody was told can be lost. [`CountsSink`] turns frames into tallies and never waits; a
//! thread of its own writes. What is known of one visitor lives in memory alone, and ends with the visit.
//!
//! Quarters of an hour are those of UTC, which begin with those of every time zone in use; a clock that cannot be trusted
//! marks them ([`Dating`]). Recognising somebody who comes back after the tracker has let go is not its business: that is
//! another visitor.

mod board;
mod book;
mod dating;
mod day;
mod error;
mod export;
mod inbox;
mod lock;
mod prometheus;
mod report;
mod settings;
mod sink;
mod tally;
#[cfg(test)]
mod tests;
mod visit;
mod wall;
mod worker;

pub use board::{Board, Hour, Today};
pub use book::{Book, ReadDays, read_days};
pub use dating::{Dated, Dating, Quarter, Reading};
pub use day::Entry;
pub use error::{CountsError, DamagedCounts};
pub use export::{Export, Group, csv, grouped, json_line};
pub use inbox::{Delta, Pending};
pub use lock::CountsLock;
pub use prometheus::text;
pub use report::Report;
pub use settings::CountsSettings;
pub use sink::{CountsSink, Start};
pub use tally::{DWELL_EDGES_S, Dwell, Share, Tally};
pub use visit::{Rules, Sight, VisitSettings, Visits};
pub use wall::{SystemWall, WallClock};
