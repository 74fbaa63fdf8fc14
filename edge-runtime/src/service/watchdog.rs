//! Whether every part of the program still works.

use std::sync::{Mutex, PoisonError};

/// A part of the program, and a number that changes while it works.
pub struct Liveness {
    name: &'static str,
    read: Box<dyn Fn() -> u64 + Send>,
    /// The number when all parts had last moved on.
    last: u64,
}

impl Liveness {
    /// A part of this name, watched by this number.
    pub fn new(name: &'static str, read: impl Fn() -> u64 + Send + 'static) -> Self {
        Self {
            name,
            last: read(),
            read: Box::new(read),
        }
    }
}

/// All parts that are watched; they change when the configuration does.
#[derive(Default)]
pub struct LivenessSet(Mutex<Vec<Liveness>>);

impl LivenessSet {
    /// Watches these parts instead of all others.
    pub fn replace(&self, liveness: Vec<Liveness>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = liveness;
    }

    /// Watches one part more from now on.
    pub fn add(&self, part: Liveness) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(part);
    }

    /// Whether every part has moved on since this last was so.
    pub fn have_moved_on(&self) -> bool {
        let mut liveness = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = liveness.iter().all(|part| (part.read)() != part.last);
        if all {
            for part in liveness.iter_mut() {
                part.last = (part.read)();
            }
        }
        all
    }

    /// How far each part has come.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        let liveness = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        liveness.iter().map(|part| (part.name, (part.read)())).collect()
    }

    /// The parts that have not.
    pub fn stuck(&self) -> Vec<&'static str> {
        let liveness = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = liveness.iter().filter(|part| (part.read)() == part.last);
        stuck.map(|part| part.name).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn one_part_that_hangs_is_enough() {
        let counts: Vec<Arc<AtomicU64>> = (0..3).map(|_| Arc::default()).collect();
        let liveness = LivenessSet::default();
        let names = ["capture", "inference", "output"];
        liveness.replace(
            (names.iter().zip(&counts))
                .map(|(name, count)| {
                    let count = Arc::clone(count);
                    Liveness::new(name, move || count.load(Ordering::Relaxed))
                })
                .collect(),
        );
        assert!(!liveness.have_moved_on());
        for hanging in 0..3 {
            for (at, count) in counts.iter().enumerate().filter(|(at, _)| *at != hanging) {
                count.fetch_add(1 + at as u64, Ordering::Relaxed);
            }
            for _ in 0..100 {
                assert!(!liveness.have_moved_on());
            }
            assert_eq!(liveness.stuck(), [names[hanging]]);
            counts[hanging].fetch_add(1, Ordering::Relaxed);
            assert!(liveness.have_moved_on());
            assert_eq!(liveness.stuck(), names);
        }
    }
}
