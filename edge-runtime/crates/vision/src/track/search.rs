//! The detector on a thread of its own.
//!
//! One search at a time: a part of a frame is copied, handed over, and comes back with the faces. The copy's
//! memory goes round.

use std::sync::mpsc::{Receiver, RecvError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use shared_model::image::{GrayView, Rect};

use crate::face::{Aim, Detection, Detector, DetectorConfig, FaceError};
use inference::picture::{Picture, PictureError};

/// A search that takes longer counts as one that will never end. A watchdog is not fed from its beginning on, and strikes
/// far earlier.
const HANGS: Duration = Duration::from_secs(10);

/// Whether the frames wait for a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// They do: the same frames give the same faces.
    Wait,
    /// They go on, and learn of it later.
    Background,
}

/// Why there is no detector.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// It cannot be set up.
    #[error(transparent)]
    Face(#[from] FaceError),
    /// Its thread cannot be started.
    #[error("start the face detector: {0}")]
    Start(std::io::Error),
    /// The frame is no picture.
    #[error("search frame: {0}")]
    Picture(#[from] PictureError),
    /// It panicked; it starts anew with the next search.
    #[error("search frame: the face detector broke down")]
    Died,
    /// It does not answer any more: whoever watches over the program has to start it anew.
    #[error("search frame: the face detector hangs")]
    Hangs,
}

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Purpose {
    /// Whoever is there and has a face of this side at least, in pixels of the frame.
    Anybody { least_px: f32 },
    /// Nobody: the detector is not needed, and is to show that it would answer.
    SignOfLife,
    /// Whether the face with this number is still there.
    Check(u32),
    /// Whether the face with this number, which is not where it was, is near by.
    Astray(u32),
    /// The same, as hard as can be: its track ends otherwise.
    Last(u32),
}

/// What was found, in pixels of the frame.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) purpose: Purpose,
    pub(super) faces: Vec<Detection>,
    pub(super) took: Duration,
}

/// Searches frames, one after another.
pub(super) struct Search {
    config: DetectorConfig,
    thread: Option<Link>,
    /// The search that is under way, and where its part of the frame begins.
    pending: Option<(Purpose, [usize; 2])>,
    /// When it began.
    began: Instant,
    /// Searches that have ended, and how many of them were told of by [`Search::has_moved_on`].
    pub(super) ended: u64,
    told: u64,
    /// The part that was searched last, and where it begins.
    spare: Picture,
    spare_from: [usize; 2],
}

struct Link {
    jobs: SyncSender<Job>,
    answers: Receiver<Answer>,
}

struct Job {
    picture: Picture,
    aim: Aim,
}

struct Answer {
    picture: Picture,
    faces: Vec<Detection>,
    took: Duration,
}

impl Search {
    pub(super) fn new(config: DetectorConfig) -> Result<Self, SearchError> {
        let mut search = Self {
            config,
            thread: None,
            pending: None,
            began: Instant::now(),
            ended: 0,
            told: 0,
            spare: Picture::default(),
            spare_from: [0; 2],
        };
        search.start()?;
        Ok(search)
    }

    /// Whether a search is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether the detector is not at the same search as when this was last asked.
    pub(super) fn has_moved_on(&mut self) -> bool {
        let moved = !self.is_busy() || self.ended != self.told;
        self.told = self.ended;
        moved
    }

    /// The part of a frame that was searched last, and where it begins, in pixels of the frame; `None` while a search is
    /// under way.
    pub(super) fn searched(&self) -> Option<(GrayView<'_>, [f32; 2])> {
        let [x, y] = self.spare_from;
        self.spare.gray().ok().map(|part| (part, [x as f32, y as f32]))
    }

    /// Begins to search a part of a frame. A search that is under way must have been taken before.
    pub(super) fn begin(
        &mut self,
        frame: GrayView<'_>,
        area: &Rect,
        aim: Aim,
        purpose: Purpose,
    ) -> Result<(), SearchError> {
        // A face beyond the edge: the whole frame tells that it is gone.
        let (part, from) = frame.part(area).unwrap_or((frame, [0, 0]));
        let mut picture = std::mem::take(&mut self.spare);
        picture.copy_gray(part)?;
        if self.thread.is_none() {
            self.start()?;
        }
        let link = self.thread.as_ref().ok_or(SearchError::Died)?;
        if link.jobs.send(Job { picture, aim }).is_err() {
            self.thread = None;
            return Err(SearchError::Died);
        }
        (self.pending, self.began) = (Some((purpose, from)), Instant::now());
        Ok(())
    }

    /// What was found, if the search is over.
    pub(super) fn poll(&mut self) -> Result<Option<Found>, SearchError> {
        let Some(link) = self.thread.as_ref().filter(|_| self.pending.is_some()) else {
            return Ok(None);
        };
        match link.answers.try_recv() {
            Ok(answer) => Ok(self.finish(answer)),
            // A frame that cannot be judged is no progress, so that a watchdog is not fed.
            Err(TryRecvError::Empty) if self.began.elapsed() > HANGS => Err(SearchError::Hangs),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(self.died()),
        }
    }

    /// Waits for the end of the search that is under way.
    pub(super) fn wait(&mut self) -> Result<Option<Found>, SearchError> {
        let Some(link) = self.thread.as_ref().filter(|_| self.pending.is_some()) else {
            return Ok(None);
        };
        match link.answers.recv() {
            Ok(answer) => Ok(self.finish(answer)),
            Err(RecvError) => Err(self.died()),
        }
    }

    fn died(&mut self) -> SearchError {
        (self.thread, self.pending) = (None, None);
        SearchError::Died
    }

    fn finish(&mut self, answer: Answer) -> Option<Found> {
        let (purpose, [x, y]) = self.pending.take()?;
        self.ended += 1;
        (self.spare, self.spare_from) = (answer.picture, [x, y]);
        let mut faces = answer.faces;
        for face in &mut faces {
            face.bounds.x += x as f32;
            face.bounds.y += y as f32;
        }
        Some(Found {
            purpose,
            faces,
            took: answer.took,
        })
    }

    fn start(&mut self) -> Result<(), SearchError> {
        // Built here as well, so that a bad setting or model is an error of this call.
        Detector::new(self.config)?;
        let config = self.config;
        let (jobs, job) = sync_channel::<Job>(1);
        let (answer, answers) = sync_channel(1);
        let search = move || {
            let Ok(mut detector) = Detector::new(config) else {
                return;
            };
            while let Ok(Job { picture, aim }) = job.recv() {
                let start = Instant::now();
                let faces = picture.gray().map(|frame| detector.search(frame, &aim));
                let answer_sent = answer.send(Answer {
                    faces: faces.unwrap_or_default(),
                    picture,
                    took: start.elapsed(),
                });
                if answer_sent.is_err() {
                    return;
                }
            }
        };
        let spawned = thread::Builder::new().name("detector".to_owned()).spawn(search);
        spawned.map_err(SearchError::Start)?;
        self.thread = Some(Link { jobs, answers });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Effort;
    use testing::shared_data;

    fn from(min_px: f32) -> Aim {
        Aim {
            min_px,
            max_px: f32::INFINITY,
            effort: Effort::Thorough,
        }
    }

    #[test]
    fn a_part_of_a_frame_gives_the_face_at_its_place_in_the_frame() {
        let Some(dir) = shared_data("photos") else { return };
        let file = std::fs::read(dir.join("dlib_2008_001009.jpg")).unwrap();
        let picture = Picture::decode(&file).unwrap();
        let frame = picture.gray().unwrap();
        let mut search = Search::new(DetectorConfig::default()).unwrap();
        let mut find = |area: &Rect, min: f32| {
            search
                .begin(frame, area, from(min), Purpose::Anybody { least_px: 40.0 })
                .unwrap();
            assert!(search.is_busy() && search.searched().is_none());
            let faces = search.wait().unwrap().unwrap().faces;
            let (part, [x, y]) = search.searched().unwrap();
            assert_eq!(part.row(5)[7], frame.row(y as usize + 5)[x as usize + 7]);
            faces
        };
        let all = find(&frame.bounds(), 40.0);
        assert_eq!(all.len(), 2);
        for face in &all {
            let area = Rect {
                x: face.bounds.x - face.bounds.w / 2.0,
                y: face.bounds.y - face.bounds.h / 2.0,
                w: 2.0 * face.bounds.w,
                h: 2.0 * face.bounds.h,
            };
            let near = find(&area, 0.7 * face.bounds.w);
            let same = near.iter().map(|other| other.bounds.overlap(&face.bounds));
            assert!(same.fold(0.0, f32::max) > 0.6, "{near:?} instead of {face:?}");
        }
    }

    #[test]
    fn a_detector_that_never_answers_is_an_error_in_the_end() {
        let mut search = Search::new(DetectorConfig::default()).unwrap();
        // Somebody who takes the search and keeps it.
        let (jobs, _taken) = sync_channel(1);
        let (_answer, answers) = sync_channel(1);
        search.thread = Some(Link { jobs, answers });
        let data = [7; 90 * 60];
        let frame = GrayView::new(&data, 90, 60).unwrap();
        assert!(search.has_moved_on());
        search
            .begin(frame, &frame.bounds(), from(40.0), Purpose::Anybody { least_px: 40.0 })
            .unwrap();
        for _ in 0..3 {
            assert!(matches!(search.poll(), Ok(None)));
            assert!(!search.has_moved_on());
        }
        search.began -= HANGS;
        for _ in 0..2 {
            assert!(matches!(search.poll(), Err(SearchError::Hangs)));
        }
    }

    #[test]
    fn a_detector_that_is_never_idle_moves_on_with_each_search() {
        let mut search = Search::new(DetectorConfig::default()).unwrap();
        let data = [7; 90 * 60];
        let frame = GrayView::new(&data, 90, 60).unwrap();
        for _ in 0..3 {
            search
                .begin(frame, &frame.bounds(), from(40.0), Purpose::Anybody { least_px: 40.0 })
                .unwrap();
            search.wait().unwrap();
            search
                .begin(frame, &frame.bounds(), from(40.0), Purpose::Anybody { least_px: 40.0 })
                .unwrap();
            assert!(search.has_moved_on() && !search.has_moved_on());
            search.wait().unwrap();
        }
    }

    #[test]
    fn areas_outside_the_frame_are_searched_without_a_find() {
        let mut search = Search::new(DetectorConfig::default()).unwrap();
        let data = [7; 90 * 60];
        let frame = GrayView::new(&data, 90, 60).unwrap();
        let area = Rect {
            x: 900.0,
            y: 0.0,
            w: 50.0,
            h: 50.0,
        };
        search.begin(frame, &area, from(40.0), Purpose::Check(7)).unwrap();
        let found = search.wait().unwrap().unwrap();
        assert_eq!((found.purpose, found.faces), (Purpose::Check(7), vec![]));
        assert!(search.poll().unwrap().is_none() && !search.is_busy());
    }
}
