//! No code: this package's dependencies give shared packages the same features in every build.
//!
//! Cargo compiles a package again for each set of features. Runtime, runtime with hardware, trainer and tests ask for
//! different ones of some packages near the roots (`serde`, `libc`, `half`, `syn`), so that everything above them, tract
//! included, was built three times.
#![no_std]
#![forbid(unsafe_code)]
