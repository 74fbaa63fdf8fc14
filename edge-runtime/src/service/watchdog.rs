//! Whether every part of the program still works.

use std::sync::{Mutex, PoisonError};

/// A part of the program, and a number that changes while it works.
pub struct Vital {
    name: &'static str,
    read: Box<dyn Fn() -> u64 + Send>,
    /// The number when all parts had last moved on.
    last: u64,
}

impl Vital {
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
pub struct Vitals(Mutex<Vec<Vital>>);

impl Vitals {
    /// Watches these instead.
    pub fn replace(&self, vitals: Vec<Vital>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = vitals;
    }

    /// Watches one more.
    pub fn add(&self, vital: Vital) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(vital);
    }

    /// Whether every part has moved on since this last was so.
    pub fn have_moved_on(&self) -> bool {
        let mut vitals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = vitals.iter().all(|vital| (vital.read)() != vital.last);
        if all {
            for vital in vitals.iter_mut() {
                vital.last = (vital.read)();
            }
        }
        all
    }

    /// How far each part has come.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        let vitals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        vitals.iter().map(|vital| (vital.name, (vital.read)())).collect()
    }

    /// The parts that have not.
    pub fn stuck(&self) -> Vec<&'static str> {
        let vitals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = vitals.iter().filter(|vital| (vital.read)() == vital.last);
        stuck.map(|vital| vital.name).collect()
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
        let vitals = Vitals::default();
        let names = ["capture", "inference", "output"];
        vitals.replace(
            (names.iter().zip(&counts))
                .map(|(name, count)| {
                    let count = Arc::clone(count);
                    Vital::new(name, move || count.load(Ordering::Relaxed))
                })
                .collect(),
        );
        assert!(!vitals.have_moved_on());
        for hanging in 0..3 {
            for (at, count) in counts.iter().enumerate().filter(|(at, _)| *at != hanging) {
                count.fetch_add(1 + at as u64, Ordering::Relaxed);
            }
            for _ in 0..100 {
                assert!(!vitals.have_moved_on());
            }
            assert_eq!(vitals.stuck(), [names[hanging]]);
            counts[hanging].fetch_add(1, Ordering::Relaxed);
            assert!(vitals.have_moved_on());
            assert_eq!(vitals.stuck(), names);
        }
    }
}
