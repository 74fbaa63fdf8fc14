//! Counts for Prometheus, over HTTP on the loopback.
//!
//! The text form 0.0.4 of <https://prometheus.io/docs/instrumenting/exposition_formats/>; anything but
//! `GET /metrics` is not found.

mod clients;
#[cfg(test)]
mod fuzz;

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clients::Clients;

/// Shortest time over which rates are taken.
const WINDOW: Duration = Duration::from_secs(1);

/// Counts since the start of the program, which only grow.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Frames that came from the source.
    pub captured: u64,
    /// Frames that were judged, with a face or without.
    pub judged: u64,
    /// Time spent on judging them.
    pub inference: Duration,
    /// Searches for faces, whatever they found.
    pub searches: u64,
    /// Time spent on these searches.
    pub find: Duration,
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

/// Answers requests on a thread of its own, with `more` in the same form below; its signs of life are counted in `beats`; gives the address that it listens on.
///
/// # Errors
///
/// When the address cannot be listened on, or the thread cannot be started.
pub fn serve(
    address: SocketAddr,
    beats: Arc<AtomicU64>,
    counts: impl Fn() -> Counts + Send + 'static,
    more: impl Fn() -> String + Send + 'static,
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
    let mut clients = Clients::of(listener);
    let answer_all = move || {
        loop {
            beats.fetch_add(1, Ordering::Relaxed);
            clients.serve(Instant::now(), |request| {
                let counts = counts();
                rates.update(counts, start.elapsed());
                answer(request, &(page(counts, &rates) + &more()))
            });
        }
    };
    thread::Builder::new().name("metrics".to_owned()).spawn(answer_all)?;
    Ok(own)
}

fn answer(request: &[u8], page: &str) -> Vec<u8> {
    let (status, body) = if !is_for_this_machine(request) {
        // A page of the network that a browser of this machine shows, under a name that leads here.
        ("403 Forbidden", "only for this machine\n")
    } else if request.starts_with(b"GET /metrics ") {
        ("200 OK", page)
    } else {
        ("404 Not Found", "only GET /metrics\n")
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Whether the host that a request names, if it does, is this machine.
fn is_for_this_machine(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let hosts = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
    });
    hosts.into_iter().all(|host| is_own(&host))
}

/// Whether a host is a name of this machine, with or without a port.
fn is_own(host: &str) -> bool {
    let is_port = |rest: &str| {
        let digits = rest.strip_prefix(':').unwrap_or(rest);
        rest.is_empty() || (digits.len() < rest.len() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.split_once(']').filter(|(_, rest)| is_port(rest));
        return address.is_some_and(|(ip, _)| ip.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback()));
    }
    let (name, rest) = host.split_at(host.find(':').unwrap_or(host.len()));
    let is_name = name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback());
    is_name && is_port(rest)
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
    let find = [("_sum", counts.find.as_secs_f64()), ("_count", counts.searches as f64)];
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
    metric("edge_find_seconds", "summary", "Time to search for faces.", &find);
    metric("edge_build_info", "gauge", "The program.", &[(build, 1.0)]);
    page
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

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
            searches: 7,
            find: Duration::from_millis(250),
        };
        let address = serve(
            "127.0.0.1:0".parse().unwrap(),
            Arc::default(),
            move || counts,
            || "edge_more 1\n".to_owned(),
        )
        .unwrap();
        let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9464\r\n\r\n");
        for expected in [
            "HTTP/1.1 200 OK\r\n",
            "\nedge_camera_fps 0\n",
            "\nedge_process_fps 0\n",
            "\n# TYPE edge_frames_skipped_total counter\nedge_frames_skipped_total 10\n",
            "\nedge_inference_seconds_sum 0.5\nedge_inference_seconds_count 20\n",
            "\nedge_find_seconds_sum 0.25\nedge_find_seconds_count 7\n",
            "\nedge_build_info{version=\"",
            "\nedge_more 1\n",
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
        let address = serve(
            "127.0.0.1:0".parse().unwrap(),
            Arc::clone(&beats),
            Counts::default,
            String::new,
        )
        .unwrap();
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
    fn names_that_lead_here_from_elsewhere_are_refused() {
        for (host, good) in [
            ("Host: localhost:9464", true),
            ("host: 127.0.0.1", true),
            ("Host: [::1]:9464", true),
            ("Accept: */*", true),
            ("Host: evil.example:9464", false),
            ("Host: 192.168.1.5", false),
            ("Host: localhost.evil.example", false),
            ("Host: localhost\r\nHost: evil.example", false),
            ("Host:", false),
            ("Host: [localhost", false),
            ("Host: [localhost]", false),
            ("Host: [::1].evil.example", false),
            ("Host: localhost:9464.evil.example", false),
        ] {
            let request = format!("GET /metrics HTTP/1.1\r\n{host}\r\n\r\n");
            let answer = answer(request.as_bytes(), "");
            assert_eq!(answer.starts_with(b"HTTP/1.1 200"), good, "{host}");
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
            ..Counts::default()
        };
        rates.update(at(60, 30), Duration::from_secs(2));
        assert_eq!((rates.camera, rates.process), (30.0, 15.0));
        rates.update(at(90, 90), Duration::from_millis(2500));
        assert_eq!((rates.camera, rates.process), (30.0, 15.0));
        rates.update(at(90, 90), Duration::from_secs(4));
        assert_eq!((rates.camera, rates.process), (15.0, 30.0));
    }
}
