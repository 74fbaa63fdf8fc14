//! Writes lines on a thread of its own, so that nobody waits for who reads them.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::Level;

use crate::form::{Form, Line};
use crate::repeats::{Kind, Repeats, WINDOW};

/// Lines that wait to be written; more are lost.
const QUEUE: usize = 1024;

/// Longest wait for the queue at the end: who does not read until then will not.
const LAST_WAIT: Duration = Duration::from_secs(1);

enum Job {
    Line(Option<Kind>, Line),
    End(SyncSender<()>),
}

/// Where events are handed over.
pub(crate) struct Queue {
    jobs: SyncSender<Job>,
    lost: Arc<AtomicU64>,
}

impl Queue {
    /// Queues a line without waiting. Lines of the same kind are counted, those without one are all told.
    pub(crate) fn push(&self, kind: Option<Kind>, line: Line) {
        if self.jobs.try_send(Job::Line(kind, line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Hands lines to the thread that writes them to standard error.
pub(crate) struct Writer {
    jobs: SyncSender<Job>,
}

impl Writer {
    pub(crate) fn start(out: impl Write + Send + 'static, form: Form) -> (Self, Queue) {
        let (jobs, waiting) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let worker = Worker {
            out,
            form,
            repeats: Repeats::new(),
            start: Instant::now(),
            lost: Arc::clone(&lost),
        };
        // Without the thread all lines are lost, which is what the rules allow.
        let _ = thread::Builder::new()
            .name("diagnostics".to_owned())
            .spawn(move || worker.run(&waiting));
        let queue = Queue {
            jobs: jobs.clone(),
            lost,
        };
        (Self { jobs }, queue)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let deadline = Instant::now() + LAST_WAIT;
        let (done, end) = sync_channel(1);
        let mut job = Job::End(done);
        while let Err(full) = self.jobs.try_send(job) {
            let (std::sync::mpsc::TrySendError::Full(back) | std::sync::mpsc::TrySendError::Disconnected(back)) = full;
            if Instant::now() >= deadline {
                return;
            }
            job = back;
            thread::sleep(Duration::from_millis(5));
        }
        let _ = end.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

struct Worker<W> {
    out: W,
    form: Form,
    repeats: Repeats<Kind>,
    start: Instant,
    lost: Arc<AtomicU64>,
}

impl<W: Write> Worker<W> {
    fn run(mut self, waiting: &Receiver<Job>) {
        loop {
            let wait = self
                .repeats
                .next()
                .map_or(WINDOW, |next| next.saturating_sub(self.now()));
            match waiting.recv_timeout(wait) {
                Ok(Job::Line(kind, line)) => self.take(kind, line),
                Ok(Job::End(done)) => {
                    self.end();
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            let now = self.now();
            for line in self.repeats.due(now) {
                self.write(&line);
            }
        }
    }

    fn take(&mut self, kind: Option<Kind>, line: Line) {
        let now = self.now();
        let told = match kind {
            Some(kind) => self.repeats.take(kind, line, now),
            None => Some(line),
        };
        if let Some(line) = told {
            self.write(&line);
        }
    }

    fn end(&mut self) {
        for line in self.repeats.rest() {
            self.write(&line);
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Writes a line, and how many were lost before it; what cannot be written is lost as well.
    fn write(&mut self, line: &Line) {
        let mut text = String::new();
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            text += &self.form.write(&Line {
                level: Level::WARN,
                target: module_path!(),
                text: format!("{lost} lines of diagnostics were lost: standard error could not take them"),
            });
        }
        text += &self.form.write(line);
        if self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
            .is_err()
        {
            self.lost.fetch_add(lost + 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use tracing::Subscriber;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::layer::EventLayer;

    #[derive(Clone, Default)]
    struct Page {
        text: Arc<Mutex<Vec<u8>>>,
        /// Writes that fail before one works.
        broken: Arc<AtomicU64>,
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let broken = self.broken.load(Ordering::Relaxed);
            if broken > 0 {
                self.broken.store(broken - 1, Ordering::Relaxed);
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.text.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(page: &Page, story: impl FnOnce()) -> String {
        let (writer, queue) = Writer::start(page.clone(), Form::Terminal);
        let subscriber: Box<dyn Subscriber + Send + Sync> =
            Box::new(tracing_subscriber::registry().with(EventLayer::new(queue)));
        tracing::subscriber::with_default(subscriber, story);
        drop(writer);
        String::from_utf8(page.text.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn warnings_alike_are_counted_and_the_rest_comes_at_the_end() {
        let text = told(&Page::default(), || {
            for frame in 0..300 {
                tracing::warn!("frame {frame} skipped");
            }
            for sink in ["gpio", "mqtt"] {
                tracing::warn!(about = sink, "sink {sink} fails");
            }
            for _ in 0..2 {
                tracing::info!(frames = 300, "done");
            }
        });
        assert_eq!(
            text,
            "warning: frame 0 skipped\nwarning: sink gpio fails\nwarning: sink mqtt fails\ndone frames=300\ndone \
             frames=300\nwarning: frame 299 skipped (the last of 299 more like it)\n"
        );
    }

    #[test]
    fn a_full_disk_loses_lines_and_tells_how_many() {
        let page = Page::default();
        page.broken.store(2, Ordering::Relaxed);
        let text = told(&page, || {
            for word in ["one", "two", "three"] {
                tracing::info!("{word}");
            }
        });
        assert_eq!(
            text,
            "warning: 2 lines of diagnostics were lost: standard error could not take them\nthree\n"
        );
    }

    #[test]
    fn nobody_waits_for_a_reader_that_reads_nothing() {
        struct Stuck(Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(1)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (release, held) = sync_channel(0);
        let (writer, queue) = Writer::start(Stuck(held), Form::Terminal);
        let lost = Arc::clone(&queue.lost);
        let subscriber = tracing_subscriber::registry().with(EventLayer::new(queue));
        tracing::subscriber::with_default(subscriber, || {
            for line in 0..QUEUE as u64 + 100 {
                tracing::info!("{line}");
            }
        });
        // One line may be on its way to the reader.
        assert!((99..=100).contains(&lost.load(Ordering::Relaxed)));
        drop(release);
        drop(writer);
    }
}
