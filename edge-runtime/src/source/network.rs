//! A camera of the network, read by `ffmpeg` as a child: `rtsp://…` or `http://…`.
//!
//! The address and the password reach the child by its standard input, as a script of ffmpeg's: what stands on a command
//! line can be read by everybody on the machine.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::authority::host_and_port;

use super::camera::{CameraError, Driver, Wanted};
use super::pixels::{Format, Pixels};
use super::program::FrameProgram;

/// The program on the search path.
pub const PROGRAM: &str = "ffmpeg";

/// A stream begins with a whole picture, and some cameras send one every few seconds.
const FIRST: Duration = Duration::from_secs(15);

/// How long a stream may be silent: networks stutter.
const STALL: Duration = Duration::from_secs(2);

/// Ways to a camera, and what ffmpeg needs for them.
const PROTOCOLS: &str = "pipe,fd,http,https,httpproxy,tcp,tls,rtsp,rtp,udp,crypto";

/// A stream, and who may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamConfig {
    /// Its address, without user and password.
    pub url: String,
    /// File with the user name on the first line and the password on the second.
    pub credentials_file: Option<PathBuf>,
}

impl StreamConfig {
    /// Host and port of its address; `None` where it names none, or there is no port to guess.
    pub fn place(&self) -> Option<(String, u16)> {
        let (scheme, rest) = self.url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let usual = match scheme.to_ascii_lowercase().as_str() {
            "rtsp" => 554,
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let (host, port) = host_and_port(authority)?;
        Some((host.to_owned(), port.unwrap_or(usual)))
    }

    /// The address as ffmpeg is given it.
    ///
    /// # Errors
    /// Credentials that cannot be read.
    pub fn address(&self) -> io::Result<String> {
        let Some(path) = &self.credentials_file else {
            return Ok(self.url.clone());
        };
        let (user, password) = credentials(path)?;
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("rtsp", &self.url));
        Ok(format!("{scheme}://{}:{}@{rest}", escaped(&user), escaped(&password)))
    }
}

/// Whether an address is one of a stream that this program reads.
pub fn is_stream(uri: &str) -> bool {
    let scheme = uri.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| ["rtsp", "http", "https"].contains(&scheme.as_str()))
}

fn credentials(path: &Path) -> io::Result<(String, String)> {
    let text = durable::read_text(path)?;
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
    match (lines.next(), lines.next(), lines.next()) {
        (Some(user), Some(password), None) if !user.is_empty() => Ok((user.to_owned(), password.to_owned())),
        _ => Err(io::Error::other(
            "it must hold the user name on the first line and the password on the second",
        )),
    }
}

/// Every sign that means something in an address, or in a script of ffmpeg's, by its number.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// A child that writes the frames of a stream.
pub struct Network {
    config: StreamConfig,
    wanted: Wanted,
    program: PathBuf,
    running: FrameProgram,
}

impl Network {
    /// A camera whose program is not started yet.
    pub fn new(config: &StreamConfig, wanted: Wanted) -> Self {
        Self::by(Path::new(PROGRAM), config, wanted)
    }

    /// Read by another program with ffmpeg's options.
    pub fn by(program: &Path, config: &StreamConfig, wanted: Wanted) -> Self {
        Self {
            config: config.clone(),
            wanted,
            program: program.to_path_buf(),
            running: FrameProgram::default(),
        }
    }

    fn format(&self) -> Format {
        let width = self.wanted.width as usize;
        Format {
            fourcc: Pixels::Grey.fourcc(),
            width,
            height: self.wanted.height as usize,
            stride: width,
        }
    }

    /// Frames keep their proportions: what lacks is black.
    fn command(&self) -> Command {
        let Wanted { width, height, fps, .. } = self.wanted;
        let filter =
            format!("fps={fps},scale={width}:{height}:force_original_aspect_ratio=decrease,pad={width}:{height}:-1:-1");
        let mut command = Command::new(&self.program);
        command
            .args([
                "-nostdin",
                "-hide_banner",
                "-loglevel",
                "error",
                "-fflags",
                "nobuffer",
                "-flags",
                "low_delay",
            ])
            .args([
                "-f",
                "concat",
                "-safe",
                "0",
                "-protocol_whitelist",
                PROTOCOLS,
                "-i",
                "pipe:0",
            ])
            .args(["-an", "-vf", &filter, "-pix_fmt", "gray", "-f", "rawvideo", "-"]);
        command
    }
}

/// Reads one frame of a stream as `run` would: after how long it came, or `None` if it did not come within the 15 seconds that
/// `run` waits.
///
/// # Errors
/// A stream that cannot be read, such as one that wants another password.
pub fn first_frame(config: &StreamConfig, wanted: Wanted) -> Result<Option<Duration>, CameraError> {
    let mut network = Network::new(config, wanted);
    let start = Instant::now();
    network.open()?;
    let has_come = network.wait(FIRST, &mut Vec::new())?;
    Ok(has_come.then(|| start.elapsed()))
}

/// Names the stream to ffmpeg. RTSP goes over TCP: a lost datagram would spoil all frames up to the next whole one.
fn script(address: &str) -> String {
    let transport = if address.starts_with("rtsp") {
        "option rtsp_transport tcp\n"
    } else {
        ""
    };
    format!("ffconcat version 1.0\nfile '{address}'\n{transport}")
}

impl Driver for Network {
    fn name(&self) -> &str {
        &self.config.url
    }

    fn open(&mut self) -> Result<Format, CameraError> {
        let format = self.format();
        let address = self
            .config
            .address()
            .map_err(CameraError::io("read credentials_file"))?;
        self.running
            .start(self.command(), format, script(&address).as_bytes())?;
        Ok(format)
    }

    fn wait(&mut self, limit: Duration, bytes: &mut Vec<u8>) -> Result<bool, CameraError> {
        self.running.wait(limit, bytes)
    }

    fn close(&mut self) {
        self.running.close();
    }

    fn patience(&self) -> [Duration; 2] {
        [FIRST, STALL]
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn stream(url: &str) -> StreamConfig {
        StreamConfig {
            url: url.to_owned(),
            credentials_file: None,
        }
    }

    #[test]
    fn a_place_is_host_and_port() {
        for (url, host, port) in [
            ("rtsp://camera.local/live", "camera.local", 554),
            ("rtsp://10.0.0.9:8554/live?x=a:b", "10.0.0.9", 8554),
            ("http://camera", "camera", 80),
            ("HTTPS://[fe80::1]:8443/", "fe80::1", 8443),
            ("http://[::1]/a", "::1", 80),
        ] {
            assert_eq!(stream(url).place(), Some((host.to_owned(), port)), "{url}");
        }
        assert_eq!(stream("http://camera:x/").place(), None);
    }

    #[test]
    fn user_and_password_go_into_the_address_whatever_they_are_made_of() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("login");
        let with = StreamConfig {
            credentials_file: Some(file.clone()),
            ..stream("rtsp://camera/live")
        };
        fs::write(&file, "us'er\np@ss /w\u{f6}rd\n").unwrap();
        let address = with.address().unwrap();
        assert_eq!(address, "rtsp://us%27er:p%40ss%20%2Fw%C3%B6rd@camera/live");
        assert!(script(&address).contains("option rtsp_transport tcp\n"));
        fs::write(&file, "user\n").unwrap();
        assert!(
            with.address()
                .unwrap_err()
                .to_string()
                .contains("password on the second")
        );
    }

    #[test]
    fn the_child_gets_the_address_by_its_standard_input_alone() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("fake");
        // A frame of 16x16 pixels, then what it was told, on standard error.
        let text = "head -c 256 /dev/zero\ncat >&2\necho \"arguments: $*\" >&2\n";
        testing::write_script(&program, text);
        let wanted = Wanted {
            width: 16,
            height: 16,
            fps: 5,
            pixels: None,
        };
        let mut network = Network::by(&program, &stream("http://camera/a.mjpeg"), wanted);
        network.open().unwrap();
        let mut bytes = Vec::new();
        assert!(network.wait(Duration::from_secs(20), &mut bytes).unwrap());
        assert_eq!(bytes.len(), 256);
        let ended = loop {
            match network.wait(Duration::from_secs(20), &mut bytes) {
                Ok(_) => {}
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            ended.contains("arguments: ") && ended.contains("fps=5,scale=16:16"),
            "{ended}"
        );
        assert!(!ended.contains("camera"), "{ended}");
    }
}
