//! Servers of webhooks, viewers of the pages, and brokers: those at the other end of a connection.

use std::any::Any;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use durable::outbox::Shelf;
use edge_runtime::page::PageServer;
use edge_runtime::page::settings::PageConfig;
use edge_runtime::sink::SignalSink;
use edge_runtime::sink::mqtt::{Broker, Counting, MqttContext, MqttSink};
use edge_runtime::sink::settings::{Discovery, MqttConfig, OutboxConfig};
use edge_runtime::sink::webhook::{self, WebhookConfig};
use edge_runtime::switches::Switches;
use serde_json::Map;
use shared_model::Text;
use shared_model::emotion::ClassSet;

use super::manner::{HOSTILE, Manner, SLOW, Started, Stop, listen};

/// Chunks of nonsense in a connection, before its time is over anyway.
const CHUNKS: usize = 2000;

/// Viewers at a time.
const VIEWERS: usize = 8;

/// A directory of one receiver.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("edge-runtime-bench-{}", std::process::id()));
        fs::create_dir(&dir)?;
        Ok(Self(dir))
    }

    fn outbox(&self) -> OutboxConfig {
        OutboxConfig {
            dir: self.0.join("outbox"),
            max_events: 1000,
            max_bytes: 1 << 20,
            sync_every: Duration::from_secs(1),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is small, and named after this program.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A sink that posts to a server.
pub(super) fn webhook(target: SocketAddr, classes: &ClassSet) -> io::Result<Started<Box<dyn Any>>> {
    let dir = Scratch::new()?;
    let secret_file = dir.0.join("secret");
    fs::write(&secret_file, "a secret of this measurement alone")?;
    let config = WebhookConfig {
        url: format!("http://{target}/"),
        secret_file,
        ca_file: None,
        outbox: dir.outbox(),
    };
    let receiver = webhook::Receiver::read(&config).map_err(io::Error::other)?;
    let outlet = webhook::start(&config, receiver, classes, &Shelf::default()).map_err(io::Error::other)?;
    Ok((Box::new(outlet), Box::new(dir)))
}

/// A server that takes posts, over a connection that stays open.
pub(super) struct Posts {
    server: TcpListener,
    stream: Option<TcpStream>,
}

impl Posts {
    pub(super) fn new(server: TcpListener) -> Self {
        Self { server, stream: None }
    }
}

/// Waits for a whole request, and takes it.
pub(super) fn request(posts: &mut Posts) -> io::Result<()> {
    loop {
        let mut stream = match posts.stream.take() {
            Some(stream) => stream,
            None => posts.server.accept()?.0,
        };
        // The other side has ended a connection that it kept.
        if !read_request(&mut stream)? {
            continue;
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
        posts.stream = Some(stream);
        return Ok(());
    }
}

fn read_request(stream: &mut TcpStream) -> io::Result<bool> {
    let head = read_head(stream)?;
    if head.is_empty() {
        return Ok(false);
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(true)
}

/// Reads up to the empty line; nothing where the other side has ended.
fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(String::new());
        }
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

pub(super) fn bad_webhook(manner: Manner, classes: &ClassSet) -> io::Result<Started<Box<dyn Any>>> {
    let (target, server) = listen(manner, move |stream| {
        // Whatever was asked for.
        let _ = stream.read(&mut [0; 4096]);
        match manner {
            Manner::Slow => drip(stream, b"HTTP/1.1 204 No Content\r\n\r\n"),
            _ => babble(stream, b"HTTP/1.1 200 OK\r\nx-nonsense: "),
        }
    })?;
    let (sink, dir) = webhook(target, classes)?;
    Ok((sink, Box::new((dir, server))))
}

/// Byte for byte, with pauses.
fn drip(stream: &mut TcpStream, text: &[u8]) {
    for byte in text {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(SLOW);
    }
}

/// A beginning, and no end.
fn babble(stream: &mut TcpStream, beginning: &[u8]) {
    let mut good = stream.write_all(beginning).is_ok();
    for _ in 0..CHUNKS {
        good = good && stream.write_all(&[b'x'; 1024]).is_ok();
        if !good {
            return;
        }
        thread::sleep(HOSTILE);
    }
}

/// The pages on a free port.
pub(super) fn pages(classes: &ClassSet) -> io::Result<Started<PageServer>> {
    let config = PageConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        ..PageConfig::default()
    };
    let server = PageServer::start(&config).map_err(io::Error::other)?;
    Ok((Box::new(server.hub().sink(classes)), server))
}

/// A viewer, over a WebSocket.
pub(super) fn follow(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    write!(
        stream,
        "GET /api/socket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )?;
    let head = read_head(&mut stream)?;
    if head.starts_with("HTTP/1.1 101") {
        return Ok(stream);
    }
    Err(io::Error::other("the pages take no viewer"))
}

pub(super) fn bad_viewers(manner: Manner, classes: &ClassSet) -> io::Result<Started<Box<dyn Any>>> {
    let (sink, server) = pages(classes)?;
    let (address, stop) = (server.address(), Stop::new());
    if manner == Manner::Dead {
        // They come and go at once.
        stop.repeat(Duration::from_millis(20), move || {
            // All places may be taken.
            let _ = follow(address);
            true
        });
        return Ok((sink, Box::new((stop, server))));
    }
    let viewers = (0..VIEWERS).map(|_| follow(address)).collect::<io::Result<Vec<_>>>()?;
    match manner {
        Manner::Slow => {
            for mut viewer in viewers {
                stop.repeat(SLOW, move || viewer.read(&mut [0; 1]).is_ok());
            }
            Ok((sink, Box::new((stop, server))))
        }
        Manner::Hostile => {
            for viewer in viewers {
                let mut viewer = Some(viewer);
                stop.repeat(Duration::from_millis(10), move || {
                    let wrote = viewer.as_mut().is_some_and(|it| it.write_all(&[0xff; 256]).is_ok());
                    if !wrote {
                        viewer = follow(address).ok();
                    }
                    true
                });
            }
            Ok((sink, Box::new((stop, server))))
        }
        Manner::Dead | Manner::Full => Ok((sink, Box::new((stop, viewers, server)))),
    }
}

pub(super) fn bad_broker(manner: Manner, classes: &ClassSet) -> io::Result<Started<Box<dyn Any>>> {
    let (address, server) = listen(manner, move |stream| {
        let _ = stream.read(&mut [0; 4096]);
        match manner {
            Manner::Slow => drip(stream, &[0x20, 2, 0, 0]),
            // It takes the device, and then sends what is no packet.
            _ => babble(stream, &[0x20, 2, 0, 0, 0xf0]),
        }
    })?;
    let (sink, dir) = mqtt(address, classes)?;
    Ok((sink, Box::new((dir, server))))
}

/// A sink that tells a broker.
pub(super) fn mqtt(address: SocketAddr, classes: &ClassSet) -> io::Result<Started<Box<dyn Any>>> {
    let dir = Scratch::new()?;
    let config = MqttConfig {
        host: address.ip().to_string(),
        port: address.port(),
        device: "bench".to_owned(),
        name: "bench".to_owned(),
        credentials_file: None,
        tls: None,
        discovery: Discovery::Announce,
        discovery_prefix: "homeassistant".to_owned(),
        support_url: None,
        stats_every: Duration::from_secs(1),
        outbox: dir.outbox(),
    };
    let context = MqttContext {
        switches: std::sync::Arc::<Switches>::default(),
        updates: None,
        counting: Counting::Off,
        shelf: Shelf::default(),
        former_dirs: Vec::new(),
        hardware: None,
        stats: Box::new(Map::new),
        fault: Box::new(|_| {}),
        alive: Box::new(|| {}),
    };
    let broker = Broker::read(&config).map_err(io::Error::other)?;
    let sink = MqttSink::start(&broker, &Text::new(), classes, context).map_err(io::Error::other)?;
    Ok((Box::new(Ending(sink)), Box::new(dir)))
}

/// A broker that was bad to the last takes no farewell, which is no failure of the measurement.
struct Ending(MqttSink);

impl SignalSink for Ending {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn show(&mut self, state: &shared_model::message::State) -> Result<(), edge_runtime::sink::SinkError> {
        // A full inbox leaves the state out.
        let _ = self.0.show(state);
        Ok(())
    }

    fn flush(&mut self) {
        self.0.flush();
    }

    fn close(&mut self) -> Result<(), edge_runtime::sink::SinkError> {
        let _ = self.0.close();
        Ok(())
    }
}
