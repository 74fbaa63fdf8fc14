//! What is kept of each followed face from frame to frame, beside its box.

use super::look::Look;
use super::motion::Motion;
use super::tracks::{MAX_FACES, Tracks};

/// How a face looks.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    /// Number of the face; 0 for nobody.
    id: u32,
    pub(super) look: Look,
    pub(super) motion: Motion,
}

/// One memory for each face that can be followed; they are used again.
#[derive(Debug, Clone)]
pub(super) struct Memories(Vec<Memory>);

impl Memories {
    pub(super) fn new() -> Self {
        let memory = Memory {
            id: 0,
            look: Look::new(),
            motion: Motion::new(),
        };
        Self(vec![memory; MAX_FACES])
    }

    /// That of the face with this number; for a new one that of a face which is gone.
    pub(super) fn of(&mut self, id: u32, tracks: &Tracks) -> &mut Memory {
        let known = self.0.iter().position(|memory| memory.id == id);
        let at = known.unwrap_or_else(|| {
            let free = self.0.iter().position(|memory| tracks.get(memory.id).is_none());
            // There is one for each face that is followed.
            let at = free.unwrap_or(0);
            self.0[at].id = id;
            self.0[at].motion.forget();
            at
        });
        &mut self.0[at]
    }
}
