//! `edge-runtime bench --outputs`: how soon receivers on this machine are told, and what they cost a frame.

#[cfg(feature = "webhook")]
use std::fs;
use std::io;
#[cfg(feature = "webhook")]
use std::io::{Read, Write};
#[cfg(feature = "webhook")]
use std::net::TcpListener;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
#[cfg(feature = "webhook")]
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use edge_runtime::sink::outlet::Outlet;
use edge_runtime::sink::{FrameFacts, SignalSink, osc, udp};
use inference::bundle::Bundle;
use inference::{Crops, Predictor};
use shared_model::Text;
use shared_model::emotion::ClassSet;
use shared_model::image::{GrayView, SIDE};
use shared_model::message::{Face, FaceLine, State, Verdict};
use vision::stats::Stats;

use super::failure::{Failure, code, io_code};
use super::write_line;

/// Messages of each kind whose way is timed.
const MESSAGES: usize = 300;

/// Frames with a receiver, and as many without.
const FRAMES: usize = 100;

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells how soon receivers are told, then what each that behaves badly does to a frame.
pub(super) fn main(bundle: &Bundle) -> Result<(), Failure> {
    let classes = bundle.manifest().classes.clone();
    write_line("from the verdict, or the judged frame, to the receiver, in milliseconds")?;
    latency("osc", &classes, |target| {
        osc::start(osc::OscConfig { target }, &classes)
    })?;
    latency("udp", &classes, |target| {
        udp::start(udp::UdpConfig { target }, &classes)
    })?;
    write_line("a frame with a receiver that behaves badly, and without; p99 in milliseconds")?;
    let mut frame = Frame::new(bundle)?;
    for (name, bad) in receivers().map_err(failed)? {
        let outlet = (bad.start)(&classes, bad.target).map_err(failed)?;
        costs(name, &mut frame, outlet)?;
        drop(bad.held);
    }
    #[cfg(feature = "webhook")]
    for (name, target, held) in servers().map_err(failed)? {
        let dir = Scratch::new().map_err(failed)?;
        costs(name, &mut frame, webhook(&classes, target, &dir)?)?;
        drop(held);
    }
    Ok(())
}

fn failed(error: io::Error) -> Failure {
    Failure::new(io_code(&error), error)
}

/// Times states and frames on their way to a receiver that takes them at once.
fn latency(
    name: &str,
    classes: &ClassSet,
    start: impl FnOnce(SocketAddr) -> io::Result<Outlet>,
) -> Result<(), Failure> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    receiver.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let mut outlet = start(receiver.local_addr().map_err(failed)?).map_err(failed)?;
    let stats = Stats::default();
    let mut buffer = vec![0; 65_536];
    for kind in ["verdicts", "frames"] {
        let mut times = Vec::with_capacity(MESSAGES);
        for number in 0..MESSAGES as u64 {
            let sent = Instant::now();
            if kind == "verdicts" {
                outlet.show(&state(number))?;
            } else {
                tell(&mut outlet, classes, &stats, number)?;
            }
            receiver.recv(&mut buffer).map_err(failed)?;
            times.push(sent.elapsed());
            // As frames come: the thread waits for news again.
            thread::sleep(Duration::from_millis(2));
        }
        let [p50, p95] = [0.50, 0.95].map(|share| milliseconds(percentile(&mut times, share)));
        write_line(&format!(
            "  {name} {kind}: p50 {p50:.3}, p95 {p95:.3} ({MESSAGES} messages)"
        ))?;
    }
    outlet.close()?;
    Ok(())
}

/// A frame's work: both networks on a pattern.
struct Frame {
    predictor: Predictor,
    classes: ClassSet,
    stats: Stats,
    number: u64,
}

impl Frame {
    fn new(bundle: &Bundle) -> Result<Self, Failure> {
        let mut predictor = Predictor::load(bundle)?;
        let pixels: Vec<u8> = (0..SIDE * SIDE).map(|at| (at % SIDE * (at / SIDE)) as u8).collect();
        let picture = GrayView::new(&pixels, SIDE, SIDE);
        let picture = picture.map_err(|error| Failure::new(code::INTERNAL, anyhow::anyhow!("{error:?}")))?;
        predictor.crop(picture, &Crops::both(picture.bounds()))?;
        Ok(Self {
            predictor,
            classes: bundle.manifest().classes.clone(),
            stats: Stats::default(),
            number: 0,
        })
    }

    /// Judges once, and tells the outlet where there is one: gives how long all of it took, and the telling.
    fn take(&mut self, outlet: Option<&mut Outlet>) -> Result<[Duration; 2], Failure> {
        let start = Instant::now();
        self.predictor.run()?;
        let judged = Instant::now();
        self.number += 1;
        if let Some(outlet) = outlet {
            tell(outlet, &self.classes, &self.stats, self.number)?;
            outlet.show(&state(self.number))?;
            outlet.beat()?;
        }
        Ok([start.elapsed(), judged.elapsed()])
    }
}

/// Compares frames with and without a receiver, in turn: what else goes on on this machine meets both.
fn costs(name: &str, frame: &mut Frame, mut outlet: Outlet) -> Result<(), Failure> {
    let (mut with, mut without, mut telling) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..FRAMES {
        without.push(frame.take(None)?[0]);
        let [whole, told] = frame.take(Some(&mut outlet))?;
        with.push(whole);
        telling.push(told);
    }
    let status = outlet.status();
    let left_out = status.dropped.load(std::sync::atomic::Ordering::Relaxed);
    outlet.close()?;
    let usual = milliseconds(percentile(&mut telling, 0.50));
    let [with, without, telling] =
        [&mut with, &mut without, &mut telling].map(|times| milliseconds(percentile(times, 0.99)));
    let change = 100.0 * (with / without.max(f64::MIN_POSITIVE) - 1.0);
    write_line(&format!(
        "  {name}: without {without:.3}, with {with:.3} ({change:+.1} %), of which telling p50 {usual:.4}, p99 {telling:.4} \
         ({FRAMES} frames each; {left_out} verdicts left out)"
    ))
}

/// Starts an outlet that sends to a target.
type Start = fn(&ClassSet, SocketAddr) -> io::Result<Outlet>;

/// A receiver that behaves badly, and what keeps it.
struct Bad {
    target: SocketAddr,
    start: Start,
    held: Option<UdpSocket>,
}

fn receivers() -> io::Result<Vec<(&'static str, Bad)>> {
    let osc: Start = |classes, target| osc::start(osc::OscConfig { target }, classes);
    let udp: Start = |classes, target| udp::start(udp::UdpConfig { target }, classes);
    let bad = |start: Start, reads: bool| -> io::Result<Bad> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Bad {
            target: socket.local_addr()?,
            start,
            // A socket that nobody reads is full soon; one that is gone refuses.
            held: reads.then_some(socket),
        })
    };
    Ok(vec![
        ("osc, nobody listens", bad(osc, false)?),
        ("osc, nobody reads", bad(osc, true)?),
        ("udp, nobody listens", bad(udp, false)?),
        ("udp, nobody reads", bad(udp, true)?),
    ])
}

/// A directory of this run's own.
#[cfg(feature = "webhook")]
struct Scratch(PathBuf);

#[cfg(feature = "webhook")]
impl Scratch {
    fn new() -> io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("edge-runtime-bench-{}", std::process::id()));
        fs::create_dir(&dir)?;
        Ok(Self(dir))
    }
}

#[cfg(feature = "webhook")]
impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is small, and named after this program.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that behaves badly, and what keeps it.
#[cfg(feature = "webhook")]
type Server = (&'static str, SocketAddr, Option<TcpListener>);

#[cfg(feature = "webhook")]
fn servers() -> io::Result<Vec<Server>> {
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    // It takes connections into its queue, and no word.
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let hostile = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = hostile.local_addr()?;
    thread::spawn(move || babble(&hostile));
    Ok(vec![
        ("webhook, nobody listens", gone, None),
        ("webhook, nobody answers", mute.local_addr()?, Some(mute)),
        ("webhook, answers without end", address, None),
    ])
}

/// Answers with a header that never ends.
#[cfg(feature = "webhook")]
fn babble(server: &TcpListener) {
    while let Ok((mut stream, _)) = server.accept() {
        // Whatever was asked for.
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 500 No\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    }
}

#[cfg(feature = "webhook")]
fn webhook(classes: &ClassSet, target: SocketAddr, dir: &Scratch) -> Result<Outlet, Failure> {
    use edge_runtime::sink::settings::OutboxConfig;
    use edge_runtime::sink::webhook::{self, WebhookConfig};

    let secret_file = dir.0.join("secret");
    fs::write(&secret_file, "a secret of this measurement alone").map_err(failed)?;
    let config = WebhookConfig {
        url: format!("http://{target}/"),
        secret_file,
        ca_file: None,
        outbox: OutboxConfig {
            dir: dir.0.join("outbox"),
            max_events: 1000,
            max_bytes: 1 << 20,
            sync_every: Duration::from_secs(1),
        },
    };
    Ok(webhook::start(&config, classes)?)
}

fn state(sequence: u64) -> State {
    State {
        boot: Text::new(),
        sequence,
        time_ms: 0,
        emotion: Verdict::Uncertain,
        confidence: 0.0,
        face: true,
        reason: None,
    }
}

/// Tells a frame with one face.
fn tell(outlet: &mut Outlet, classes: &ClassSet, stats: &Stats, number: u64) -> Result<(), Failure> {
    use shared_model::emotion::Scores;
    use shared_model::image::Rect;
    use shared_model::keypoints::{COUNT, Keypoints};

    let line = FaceLine {
        input: "bench",
        frame: number,
        time_ms: Some(number),
        face: Some(Face {
            bounds: Rect {
                x: 0.0,
                y: 0.0,
                w: 96.0,
                h: 96.0,
            },
            id: Some(1),
            reject_reason: None,
            classes,
            scores: Scores::from_logits(&vec![0.0; classes.len()], 1.0).unwrap_or_default(),
            // Not a face, but as much work.
            keypoints: Keypoints(std::array::from_fn(|at| [(at * at % COUNT) as f32, at as f32])),
        }),
    };
    outlet.frame(&line)?;
    outlet.measured(&FrameFacts {
        number,
        time_ms: number,
        width: 96,
        height: 96,
        light: 0.5,
        counting: Some(1),
        stats,
    })?;
    Ok(())
}

fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let at = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1);
    times.get(at).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
