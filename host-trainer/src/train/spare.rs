//! Memory that gradients leave to those of the next step.

use std::sync::{Arc, Mutex, PoisonError};

/// Shorter gradients are not kept: the allocator has room for them.
const SHORTEST: usize = 1 << 20;

/// Most vectors that are kept.
const MOST: usize = 8;

/// Long vectors that nobody uses. A fresh one is cleared by the system, page by page, which for the 67 MB of the original
/// keypoint head takes a quarter of a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Spare(Arc<Mutex<Vec<Vec<f32>>>>);

impl Spare {
    /// A vector of this length, with any values.
    pub(super) fn take(&self, len: usize) -> Vec<f32> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|vector| vector.len() == len);
        found.map_or_else(|| vec![0.0; len], |at| kept.swap_remove(at))
    }

    /// Keeps a vector for [`Spare::take`], if it is worth it.
    pub(super) fn put(&self, vector: Vec<f32>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if vector.len() >= SHORTEST && kept.len() < MOST {
            kept.push(vector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_vectors_come_back_and_no_more_than_some_are_kept() {
        let spare = Spare::default();
        spare.put(vec![1.0; SHORTEST]);
        spare.put(vec![1.0; 3]);
        assert_eq!(spare.take(3), [0.0; 3]);
        assert_eq!(spare.take(SHORTEST + 1)[0], 0.0);
        assert_eq!(spare.take(SHORTEST)[0], 1.0);
        assert_eq!(spare.take(SHORTEST)[0], 0.0);
        for _ in 0..2 * MOST {
            spare.put(vec![0.0; SHORTEST]);
        }
        assert_eq!(spare.0.lock().unwrap().len(), MOST);
    }
}
