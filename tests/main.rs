//! The whole path, from labelled faces to a signal, with the programs that people run.
//!
//! Faces come from `../shared/data` where it lies beside the project; elsewhere they are cut out of the
//! photograph in the face detector's own package, and the tests say so.

#![allow(clippy::unwrap_used, reason = "a test ends where anything goes wrong")]

mod architecture;
mod compare;
mod covered;
mod default_bundle;
mod deploy;
mod desk;
#[cfg(unix)]
mod faults;
mod figures;
mod film;
mod find_rate;
mod flash;
mod frozen;
mod honest;
mod interrupted;
#[cfg(unix)]
mod killed;
#[cfg(unix)]
mod own_faces;
mod path;
mod people;
mod press;
mod pretrained;
mod python;
mod quantised;
mod readers;
mod refused;
#[cfg(all(unix, feature = "remote"))]
mod remote;
mod report;
#[cfg(unix)]
mod stills;
mod stopped;
mod support;
mod suspects;
mod talkers;
mod two_sets;
#[cfg(target_os = "linux")]
mod untold;
mod upright;
mod varied_films;
