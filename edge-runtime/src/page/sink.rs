//! The sink that leaves states and faces on the board; it never waits and never fails.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shared_model::emotion::ClassSet;
use shared_model::message::{FaceLine, State};

use super::board::{Board, Stage};
use super::message::Told;
use crate::sink::gathered::Gatherer;
use crate::sink::{FrameFacts, MAX_STATES, SignalSink, SinkError};

/// Leaves what is newest on the board.
pub struct PageSink {
    board: Arc<Board>,
    /// Faces of the frame that is being told.
    gatherer: Gatherer,
    /// States that found the board taken, the oldest first.
    waiting: Vec<Told>,
    /// Whether the board has a state that viewers were not told of.
    has_news: bool,
}

impl PageSink {
    pub(super) fn new(board: Arc<Board>, classes: &ClassSet) -> Self {
        Self {
            board,
            gatherer: Gatherer::new(classes),
            waiting: Vec::new(),
            has_news: false,
        }
    }

    fn hand_over(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let Some(mut newest) = self.board.try_write() else {
            return;
        };
        for told in self.waiting.drain(..) {
            newest.push(told);
        }
        self.has_news = true;
    }
}

impl SignalSink for PageSink {
    fn name(&self) -> &'static str {
        "page"
    }

    fn show(&mut self, state: &State) -> Result<(), SinkError> {
        if self.waiting.len() == MAX_STATES {
            self.waiting.remove(0);
        }
        self.waiting.push(Told {
            state: state.clone(),
            at_ms: now_ms(),
        });
        self.hand_over();
        Ok(())
    }

    fn frame(&mut self, line: &FaceLine<'_>) -> Result<(), SinkError> {
        self.gatherer.face(line);
        Ok(())
    }

    fn measured(&mut self, facts: &FrameFacts<'_>) -> Result<(), SinkError> {
        let Some(mut newest) = self.board.try_write() else {
            self.gatherer.discard();
            return Ok(());
        };
        self.gatherer.finish(facts, &mut newest.faces);
        (newest.bad, newest.dropped) = (facts.stats.bad, facts.stats.dropped);
        let stages = facts.stats.stages();
        if newest.stages.is_empty() {
            newest.stages.extend(stages.iter().map(|(name, _)| Stage::new(name)));
        }
        for (stage, (_, latencies)) in newest.stages.iter_mut().zip(stages) {
            if let Some(latency) = latencies.newest() {
                stage.record(latency);
            }
        }
        newest.frames += 1;
        Ok(())
    }

    fn beat(&mut self) -> Result<(), SinkError> {
        self.hand_over();
        Ok(())
    }

    fn flush(&mut self) {
        self.hand_over();
        if std::mem::take(&mut self.has_news) {
            self.board.announce();
        }
    }

    fn close(&mut self) -> Result<(), SinkError> {
        self.flush();
        Ok(())
    }
}

/// Milliseconds since 1970; 0 for a clock that is before that.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_millis() as u64
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use shared_model::Text;
    use shared_model::emotion::Scores;
    use shared_model::image::Rect;
    use shared_model::keypoints::{COUNT, Keypoints};
    use shared_model::message::{Face, Verdict};
    use vision::stats::Stats;

    use super::*;

    fn state(sequence: u64) -> State {
        State {
            boot: Text::new(),
            sequence,
            time_ms: 0,
            face: false,
            emotion: Verdict::NoFace,
            confidence: 0.0,
            reason: None,
        }
    }

    fn facts(stats: &Stats, number: u64) -> FrameFacts<'_> {
        FrameFacts {
            number,
            time_ms: 100 * number,
            width: 640,
            height: 480,
            light: 0.5,
            counting: Some(2),
            stats,
        }
    }

    /// Tells a frame with the faces of these numbers.
    fn tell(sink: &mut PageSink, classes: &ClassSet, stats: &Stats, number: u64, ids: &[u32]) {
        for id in ids {
            let face = Face {
                bounds: Rect {
                    x: 1.0,
                    y: 2.0,
                    w: 30.0,
                    h: 40.0,
                },
                id: Some(*id),
                reject_reason: None,
                classes,
                scores: Scores::default(),
                keypoints: Keypoints([[5.0, 6.0]; COUNT]),
            };
            let line = FaceLine {
                input: "camera",
                frame: number,
                time_ms: None,
                face: Some(face),
            };
            sink.frame(&line).unwrap();
        }
        sink.measured(&facts(stats, number)).unwrap();
    }

    #[test]
    fn states_wait_while_the_board_is_taken_and_faces_do_not() {
        let (board, classes, stats) = (Arc::new(Board::default()), ClassSet::product(), Stats::default());
        let mut sink = PageSink::new(Arc::clone(&board), &classes);
        let taken = board.read();
        sink.show(&state(0)).unwrap();
        sink.show(&state(1)).unwrap();
        tell(&mut sink, &classes, &stats, 0, &[1, 2]);
        assert_eq!((taken.states, taken.frames), (0, 0));
        drop(taken);
        sink.beat().unwrap();
        let newest = board.read();
        let sequences: Vec<u64> = newest.recent.iter().map(|told| told.state.sequence).collect();
        assert_eq!((newest.frames, sequences), (0, vec![0, 1]));
    }

    #[test]
    fn faces_are_those_of_the_newest_frame_and_one_of_them_counts() {
        let (board, classes, stats) = (Arc::new(Board::default()), ClassSet::product(), Stats::default());
        let mut sink = PageSink::new(Arc::clone(&board), &classes);
        tell(&mut sink, &classes, &stats, 0, &[1, 2, 3]);
        tell(&mut sink, &classes, &stats, 1, &[2, 4]);
        let newest = board.read();
        let faces: Vec<_> = newest.faces.faces.iter().map(|face| (face.id, face.counts)).collect();
        assert_eq!(
            (newest.faces.frame, faces),
            (1, vec![(Some(2), true), (Some(4), false)])
        );
        assert_eq!((newest.faces.width, newest.faces.height), (640, 480));
        drop(newest);
        let nobody = FaceLine {
            input: "camera",
            frame: 2,
            time_ms: None,
            face: None,
        };
        sink.frame(&nobody).unwrap();
        sink.measured(&facts(&stats, 2)).unwrap();
        assert!(board.read().faces.faces.is_empty());
    }

    #[test]
    fn the_server_is_woken_for_a_state_and_never_for_a_frame() {
        let (board, classes, stats) = (Arc::new(Board::default()), ClassSet::product(), Stats::default());
        let mut sink = PageSink::new(Arc::clone(&board), &classes);
        let is_woken = || board.changed().now_or_never().is_some();
        board.viewer_came();
        assert!(is_woken() && !is_woken());
        for number in 0..100 {
            tell(&mut sink, &classes, &stats, number, &[1]);
            sink.flush();
        }
        assert!(!is_woken());
        sink.show(&state(0)).unwrap();
        assert!(!is_woken());
        sink.flush();
        assert!(is_woken() && !is_woken());
    }

    #[test]
    fn a_frame_takes_no_memory() {
        let (board, classes, mut stats) = (Arc::new(Board::default()), ClassSet::product(), Stats::default());
        stats.total.record(Duration::from_millis(1));
        let mut sink = PageSink::new(board, &classes);
        tell(&mut sink, &classes, &stats, 0, &[1, 2, 3]);
        tell(&mut sink, &classes, &stats, 1, &[1, 2, 3]);
        let taken = allocation_counter::measure(|| {
            for number in 2..500 {
                tell(&mut sink, &classes, &stats, number, &[1, 2, 3]);
            }
        });
        assert_eq!(taken.count_total, 0);
    }
}
