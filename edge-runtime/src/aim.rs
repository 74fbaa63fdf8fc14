//! What whoever mounts the camera looks through: its pictures, for a while, to this machine alone.
//!
//! This is the only part of the program that gives pictures away. It is no part of a run: the command `aim` has it, while
//! the service is stopped.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use inference::picture::Picture;
use jpeg_encoder::{ColorType, Encoder, EncodingError};
use tokio::task::spawn_blocking;
use vision::clock::Clock;

use crate::source::{Frame, FrameSource, Next, SourceError};

/// Quality of the pictures, 1 to 100.
const QUALITY: u8 = 80;

/// Names the frame of a picture, so that the page can draw what was found in it.
const FRAME: HeaderName = HeaderName::from_static("edge-frame");

/// Where the newest picture lies.
#[derive(Debug, Default)]
pub struct Viewfinder(Mutex<Option<(u64, Picture)>>);

impl Viewfinder {
    /// Keeps a copy of a picture, unless one is just being encoded.
    fn show(&self, frame: &Frame) {
        let (Ok(mut newest), Ok(gray)) = (self.0.try_lock(), frame.picture.gray()) else {
            return;
        };
        let (number, picture) = newest.get_or_insert_with(Default::default);
        // A picture without a size stays as it was.
        if picture.copy_gray(gray).is_ok() {
            *number = frame.number;
        }
    }

    /// The newest picture as a JPEG file, and the number of its frame; `None` before the first.
    fn jpeg(&self) -> Option<Result<(u64, Vec<u8>), EncodingError>> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (number, picture) = newest?;
        let (width, height) = (picture.width() as u16, picture.height() as u16);
        let view = picture.gray().ok()?;
        let pixels: Vec<u8> = (0..view.height()).flat_map(|y| view.row(y)).copied().collect();
        let mut file = Vec::new();
        let encoded = Encoder::new(&mut file, QUALITY).encode(&pixels, width, height, ColorType::Luma);
        Some(encoded.map(|()| (number, file)))
    }
}

/// The route `/api/picture`, which gives the newest picture as PNG.
pub(crate) fn routes(viewfinder: &Arc<Viewfinder>) -> Router {
    let viewfinder = Arc::clone(viewfinder);
    Router::new().route(
        "/api/picture",
        get(async move || picture(Arc::clone(&viewfinder)).await),
    )
}

async fn picture(viewfinder: Arc<Viewfinder>) -> Response {
    match spawn_blocking(move || viewfinder.jpeg()).await {
        Ok(Some(Ok((number, file)))) => {
            let headers = [(CONTENT_TYPE, "image/jpeg".to_owned()), (FRAME, number.to_string())];
            (headers, file).into_response()
        }
        Ok(None) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(RETRY_AFTER, "1")],
            "no picture yet\n",
        )
            .into_response(),
        Ok(Some(Err(_))) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A source whose frames are shown on the page, and which ends after a while.
pub(crate) struct Sighted<S, C> {
    source: S,
    viewfinder: Arc<Viewfinder>,
    clock: C,
    /// When it ends, by that clock.
    end: Duration,
}

impl<S: FrameSource, C: Clock + Send> Sighted<S, C> {
    pub(crate) fn new(source: S, viewfinder: &Arc<Viewfinder>, clock: C, end: Duration) -> Self {
        Self {
            source,
            viewfinder: Arc::clone(viewfinder),
            clock,
            end,
        }
    }
}

impl<S: FrameSource, C: Clock + Send> FrameSource for Sighted<S, C> {
    fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
        if self.clock.now() >= self.end {
            return Ok(Next::End);
        }
        let next = self.source.read(frame)?;
        if next == Next::Frame {
            self.viewfinder.show(frame);
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Ticks(AtomicU64);

    impl Clock for Ticks {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0.fetch_add(1, Ordering::Relaxed))
        }

        fn sleep(&self, _: Duration) {}
    }

    struct Grey;

    impl FrameSource for Grey {
        fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
            frame.number += 1;
            frame.picture = Picture::from_gray(vec![90; 64 * 48], 64, 48).unwrap();
            Ok(Next::Frame)
        }
    }

    #[test]
    fn frames_can_be_looked_at_until_the_time_is_over() {
        let viewfinder = Arc::new(Viewfinder::default());
        assert!(viewfinder.jpeg().is_none());
        let clock = Ticks(AtomicU64::new(0));
        let mut source = Sighted::new(Grey, &viewfinder, clock, Duration::from_secs(3));
        let mut frame = Frame::default();
        for _ in 0..3 {
            assert_eq!(source.read(&mut frame).unwrap(), Next::Frame);
        }
        assert_eq!(source.read(&mut frame).unwrap(), Next::End);
        let (number, file) = viewfinder.jpeg().unwrap().unwrap();
        assert_eq!(number, 3);
        let seen = Picture::decode(&file).unwrap();
        assert_eq!((seen.width(), seen.height()), (64, 48));
        assert!(seen.gray().unwrap().row(7).iter().all(|value| value.abs_diff(90) <= 1));
    }
}
