//! Which of the faces in sight are tracked, and which one counts.

/// Most faces that are tracked at once.
pub const MAX_FACES: usize = 8;

/// Which of several faces the verdict is about.
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
