//! Which of the faces in sight are followed, and which one counts.

/// Most faces that are followed at once.
pub const MAX_FACES: usize = 8;

/// Which face counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The largest; another one takes its place when it is clearly larger.
    #[default]
    Largest,
    /// The one nearest to the middle of the region.
    Centre,
    /// The first one, until it is gone; the largest where several come at once.
    First,
    /// All of them, at most [`MAX_FACES`]; the largest makes the verdict.
    All,
}

impl Policy {
    /// Most faces that it follows.
    pub(crate) fn limit(self) -> usize {
        match self {
            Self::All => MAX_FACES,
            Self::Largest | Self::Centre | Self::First => 1,
        }
    }
}
