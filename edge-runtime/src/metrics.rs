//! Counts for Prometheus, over HTTP on the loopback.
//!
//! The text form 0.0.4 of <https://prometheus.io/docs/instrumenting/exposition_formats/>. One request at a
//! time is answered; anything but `GET /metrics` is not found.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Most bytes of a request that are read.
const MAX_REQUEST: usize = 4096;

/// Longest time that a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often somebody is looked for; each look is a sign of life.
const LOOK: Duration = Duration::from_millis(200);

/// Shortest time over which rates are taken.
const WINDOW: Duration = Duration::from_secs(1);

/// Counts that only grow.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Frames that came from the source.
    pub captured: u64,
    /// Frames that were judged.
    pub judged: u64,
    /// Time spent on judging them.
    pub inference: Duration,
}

/// Frames a second, taken between two requests.
#[derive(Debug, Clone, Copy)]
struct Rates {
    since: Duration,
    counts: Counts,
    camera: f64,
    process: f64,
}

impl Rates {
    fn update(&mut self, counts: Counts, now: Duration) {
        let passed = now.saturating_sub(self.since);
        if passed < WINDOW {
            return;
        }
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / passed.as_secs_f64();
        self.camera = rate(counts.captured, self.counts.captured);
        self.process = rate(counts.judged, self.counts.judged);
        (self.since, self.counts) = (now, counts);
    }
}

/// Answers requests on a thread of its own, whose signs of life are counted in `beats`; gives the address that it listens on.
pub fn serve(
    address: SocketAddr,
    beats: Arc<AtomicU64>,
    counts: impl Fn() -> Counts + Send + 'static,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let own = listener.local_addr()?;
    let start = Instant::now();
    let mut rates = Rates {
        since: Duration::ZERO,
        counts: counts(),
        camera: 0.0,
        process: 0.0,
    };
    let answer_all = move || {
        loop {
            beats.fetch_add(1, Ordering::Relaxed);
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(LOOK);
                continue;
            };
            let counts = counts();
            rates.update(counts, start.elapsed());
            // A client that goes away early is nobody's trouble.
            let _ = answer(stream, &page(counts, &rates));
        }
    };
    thread::Builder::new().name("metrics".to_owned()).spawn(answer_all)?;
    Ok(own)
}

fn answer(mut stream: TcpStream, page: &str) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut buffer = [0; 512];
    while Instant::now() < end && request.len() < MAX_REQUEST && !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = end.saturating_duration_since(Instant::now());
        // A timeout of zero would be none.
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.read(&mut buffer)? {
            0 => break,
            count => request.extend_from_slice(&buffer[..count]),
        }
    }
    let (status, body) = if request.starts_with(b"GET /metrics ") {
        ("200 OK", page)
    } else {
        ("404 Not Found", "only GET /metrics\n")
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

fn page(counts: Counts, rates: &Rates) -> String {
    let mut page = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(&str, f64)]| {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (suffix, value) in values {
            let _ = writeln!(page, "{name}{suffix} {value}");
        }
    };
    let skipped = counts.captured.saturating_sub(counts.judged) as f64;
    let inference = [
        ("_sum", counts.inference.as_secs_f64()),
        ("_count", counts.judged as f64),
    ];
    let build = concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    metric(
        "edge_camera_fps",
        "gauge",
        "Frames a second from the source.",
        &[("", rates.camera)],
    );
    metric(
        "edge_process_fps",
        "gauge",
        "Judged frames a second.",
        &[("", rates.process)],
    );
    metric(
        "edge_frames_skipped_total",
        "counter",
        "Frames that were not judged.",
        &[("", skipped)],
    );
    metric(
        "edge_inference_seconds",
        "summary",
        "Time to judge a frame.",
        &inference,
    );
    metric("edge_build_info", "gauge", "The program.", &[(build, 1.0)]);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn every_metric_of_the_convention_is_there() {
        let counts = Counts {
            captured: 30,
            judged: 20,
            inference: Duration::from_millis(500),
        };
        let address = serve("127.0.0.1:0".parse().unwrap(), Arc::default(), move || counts).unwrap();
        let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        for expected in [
            "HTTP/1.1 200 OK\r\n",
            "\nedge_camera_fps 0\n",
            "\nedge_process_fps 0\n",
            "\n# TYPE edge_frames_skipped_total counter\nedge_frames_skipped_total 10\n",
            "\nedge_inference_seconds_sum 0.5\nedge_inference_seconds_count 20\n",
            "\nedge_build_info{version=\"",
        ] {
            assert!(answer.contains(expected), "{answer} lacks {expected}");
        }
        for request in ["GET / HTTP/1.1\r\n\r\n", "POST /metrics HTTP/1.1\r\n\r\n", "\r\n\r\n"] {
            assert!(ask(address, request).starts_with("HTTP/1.1 404"), "{request}");
        }
    }

    #[test]
    fn a_client_that_never_ends_its_request_is_let_go() {
        let beats = Arc::default();
        let address = serve("127.0.0.1:0".parse().unwrap(), Arc::clone(&beats), Counts::default).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut sent = 0;
        let mut buffer = [0; 64];
        // One byte after another, each in time; until the other side answers or closes.
        while stream.write_all(b"x").is_ok()
            && stream
                .read(&mut buffer)
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        {
            sent += 1;
            assert!(sent < 100, "the client is still listened to");
        }
        let before = beats.load(Ordering::Relaxed);
        while beats.load(Ordering::Relaxed) == before {
            thread::yield_now();
        }
    }

    #[test]
    fn rates_are_taken_between_requests_a_second_apart() {
        let mut rates = Rates {
            since: Duration::ZERO,
            counts: Counts::default(),
            camera: 0.0,
            process: 0.0,
        };
        let at = |captured, judged| Counts {
            captured,
            judged,
            inference: Duration::ZERO,
        };
        rates.update(at(60, 30), Duration::from_secs(2));
        assert_eq!((rates.camera, rates.process), (30.0, 15.0));
        rates.update(at(90, 90), Duration::from_millis(2500));
        assert_eq!((rates.camera, rates.process), (30.0, 15.0));
        rates.update(at(90, 90), Duration::from_secs(4));
        assert_eq!((rates.camera, rates.process), (15.0, 30.0));
    }
}
