//! `[source]`: where frames come from, and how.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use inference::picture::Unread;

use super::ranges;
use crate::service::{LONGEST_INTERVAL, WATCHDOG};
use crate::source::camera::Wanted;
use crate::source::network::{self, StreamConfig};
use crate::source::pixels::Pixels;
use crate::source::{Input, Repeat, rpicam};

/// The section `[source]`: the camera, file or stream.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawSource")]
pub struct SourceConfig {
    /// The camera, file or stream that frames come from.
    pub origin: Origin,
    /// At what pace frames are taken.
    pub pacing: Pacing,
    /// What comes after the last frame.
    pub repeat: Repeat,
    /// Frames a second at which picture files follow each other.
    pub fps: f32,
    /// What a camera is asked for, and what bare frames on standard input are.
    pub wanted: Wanted,
}

/// The kinds of sources that frames can come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A picture, a directory, a `.y4m` file, or a `.y4m` stream on standard input.
    Files(Input),
    /// A camera with a device file of V4L2.
    V4l2(PathBuf),
    /// A CSI camera, by this program.
    Rpicam(PathBuf),
    /// A camera of the network, by ffmpeg.
    Stream(StreamConfig),
    /// Bare frames or JPEG pictures on standard input.
    Piped(Pixels),
}

/// At what pace frames are taken from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// As fast as they can be judged; none is left out.
    Fast,
    /// At their own times, as from a camera; those that come too late are left out.
    Realtime,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    /// File, directory, camera, stream of the network, or standard input.
    #[schemars(length(min = 1))]
    uri: String,
    /// File with the user name of a stream on the first line and the password on the second.
    credentials_file: Option<PathBuf>,
    /// Whether frames of files are taken at their own times, which then must follow each other within 2 s.
    #[serde(default)]
    realtime: bool,
    /// Whether files begin again after the last frame.
    #[serde(default, rename = "loop")]
    repeat: bool,
    /// Frames a second of cameras and picture files.
    #[serde(default = "default_fps", deserialize_with = "ranges::fps")]
    #[schemars(range(min = 0.1, max = 1000.0))]
    fps: f32,
    /// Width that a camera is asked for, and of bare frames.
    #[serde(default = "default_width", deserialize_with = "ranges::side")]
    #[schemars(range(min = 16, max = 8192))]
    width: u32,
    /// Height that a camera is asked for, and of bare frames.
    #[serde(default = "default_height", deserialize_with = "ranges::side")]
    #[schemars(range(min = 16, max = 8192))]
    height: u32,
    /// How pixels are laid out.
    #[serde(default)]
    pixels: PixelsName,
}

/// How pixels are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PixelsName {
    /// As the camera likes it.
    #[default]
    Any,
    Yuyv,
    Grey,
    Nv12,
    Yuv420,
    Mjpeg,
}

impl PixelsName {
    fn pixels(self) -> Option<Pixels> {
        match self {
            Self::Any => None,
            Self::Yuyv => Some(Pixels::Yuyv),
            Self::Grey => Some(Pixels::Grey),
            Self::Nv12 => Some(Pixels::Nv12),
            Self::Yuv420 => Some(Pixels::Yu12),
            Self::Mjpeg => Some(Pixels::Mjpeg),
        }
    }
}

impl Origin {
    fn parse(uri: &str, pixels: Option<Pixels>) -> Result<Self, String> {
        if let Some(path) = uri.strip_prefix("v4l2:") {
            // Two slashes are a habit of addresses.
            if !path.starts_with('/') || path.starts_with("//") {
                return Err("`uri` must name the device, for example v4l2:/dev/video0".to_owned());
            }
            return Ok(Self::V4l2(path.into()));
        }
        if let Some(program) = uri.strip_prefix("rpicam:") {
            let program = if program.is_empty() { rpicam::PROGRAM } else { program };
            return Ok(Self::Rpicam(program.into()));
        }
        match uri.strip_prefix("stdin:") {
            Some("raw") => Ok(Self::Piped(pixels.unwrap_or(Pixels::Yu12))),
            Some("mjpeg") => Ok(Self::Piped(Pixels::Mjpeg)),
            None if network::is_stream(uri) => Self::stream(uri),
            Some(other) => Err(format!(
                "`uri` stdin:{other} must be stdin:raw or stdin:mjpeg; a y4m stream is `-`"
            )),
            None if uri.is_empty() => Err("`uri` must name a file, a directory, a camera or -".to_owned()),
            None => match foreign(uri) {
                Some(cure) => Err(format!("`uri` {cure}")),
                None => Ok(Self::Files(Input::parse(uri))),
            },
        }
    }

    fn stream(uri: &str) -> Result<Self, String> {
        let stream = StreamConfig {
            url: uri.to_owned(),
            credentials_file: None,
        };
        let authority = uri
            .split_once("://")
            .map(|(_, rest)| rest.split(['/', '?', '#']).next());
        if authority.flatten().is_some_and(|authority| authority.contains('@')) {
            return Err(
                "`uri` must name no user and password; `credentials_file` names a file that holds them".to_owned(),
            );
        }
        let plain = uri.chars().all(|c| c.is_ascii_graphic() && c != '\'');
        match stream.place() {
            Some((host, _)) if plain && !host.is_empty() => Ok(Self::Stream(stream)),
            _ => Err("`uri` must be an address such as rtsp://camera.local/live".to_owned()),
        }
    }

    /// Whether frames come when they come, and not from files.
    pub fn is_live(&self) -> bool {
        !matches!(self, Self::Files(Input::Path(_)))
    }

    /// Whether its frames have the configured size, or about that.
    pub fn has_size(&self) -> bool {
        !matches!(self, Self::Files(_) | Self::Piped(Pixels::Mjpeg))
    }

    /// A relative path starts from here.
    pub(super) fn beside(&mut self, dir: &Path) {
        if let Self::Files(Input::Path(path)) = self {
            *path = dir.join(&*path);
        }
        if let Self::Stream(StreamConfig {
            credentials_file: Some(path),
            ..
        }) = self
        {
            *path = dir.join(&*path);
        }
    }
}

/// What helps who names something that other programs read, and this one does not. The text itself is not told: there may
/// be a password in it.
fn foreign(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    match scheme.to_ascii_lowercase().as_str() {
        "file" => return Some("takes a file by its path alone, without file:".to_owned()),
        "libcamera" | "picamera" | "csi" => return Some("of a CSI camera is \"rpicam:\"".to_owned()),
        "v4l" | "usb" | "webcam" | "camera" => return Some("of a USB camera is \"v4l2:/dev/video0\"".to_owned()),
        "rtsp" | "http" | "https" => {
            return Some("of a stream is an address such as rtsp://camera.local/live".to_owned());
        }
        scheme if rest.starts_with("//") => {
            return Some(format!(
                "takes streams of rtsp:, http: and https: alone; for {scheme}: write \"-\", and start `ffmpeg -i ADDRESS -f \
                 yuv4mpegpipe -pix_fmt gray - | edge-runtime run`"
            ));
        }
        scheme if is_scheme(scheme) => {
            return Some(format!(
                "begins with {scheme}:, which is no kind of source: a file of such a name is written ./{scheme}:…; cameras are \
                 v4l2:, rpicam:, rtsp:// and http://"
            ));
        }
        _ => {}
    }
    if uri.parse::<u32>().is_ok() {
        return Some(format!("of a USB camera is \"v4l2:/dev/video{uri}\""));
    }
    if uri.starts_with("/dev/video") || uri.starts_with("/dev/v4l/") {
        return Some(format!("of a USB camera is \"v4l2:{uri}\""));
    }
    let extension = Path::new(uri).extension().and_then(|extension| extension.to_str());
    let kind = extension.and_then(Unread::of_extension)?;
    Some(format!("names {}, which cannot be read; {}", kind, kind.cure()))
}

/// Whether a text can be the scheme of an address; a single letter is not taken for one.
fn is_scheme(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-".contains(c);
    text.len() > 1 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(Input::Path(path)) => path.display().fmt(f),
            Self::Files(Input::Stdin) => f.write_str("a stream on standard input"),
            Self::Piped(pixels) => write!(f, "{pixels} frames on standard input"),
            Self::V4l2(path) => write!(f, "v4l2:{}", path.display()),
            Self::Rpicam(program) => write!(f, "rpicam:{}", program.display()),
            Self::Stream(stream) => f.write_str(&stream.url),
        }
    }
}

impl TryFrom<RawSource> for SourceConfig {
    type Error = String;

    fn try_from(raw: RawSource) -> Result<Self, Self::Error> {
        let pixels = raw.pixels.pixels();
        let mut origin = Origin::parse(&raw.uri, pixels)?;
        match (&mut origin, raw.credentials_file) {
            (_, None) => {}
            (Origin::Stream(stream), file) => stream.credentials_file = file,
            (_, Some(_)) => return Err("`credentials_file` is for streams such as rtsp://camera.local/live".to_owned()),
        }
        if origin.is_live() && (raw.realtime || raw.repeat) {
            let message =
                "`realtime` and `loop` are for files: standard input and cameras come once, at their own pace";
            return Err(message.to_owned());
        }
        let slowest = LONGEST_INTERVAL.as_secs_f32().recip();
        if raw.realtime && raw.fps < slowest {
            return Err(format!(
                "`fps` must be at least {slowest} with `realtime`: the service's watchdog ends a program that judges no frame \
                 for {} s",
                WATCHDOG.as_secs()
            ));
        }
        if matches!(origin, Origin::Rpicam(_)) && !raw.width.is_multiple_of(rpicam::WIDTH_STEP) {
            return Err(format!(
                "`width` must be a multiple of {} for rpicam:",
                rpicam::WIDTH_STEP
            ));
        }
        Ok(Self {
            origin,
            pacing: if raw.realtime { Pacing::Realtime } else { Pacing::Fast },
            repeat: if raw.repeat { Repeat::Forever } else { Repeat::Once },
            fps: raw.fps,
            wanted: Wanted {
                width: raw.width,
                height: raw.height,
                fps: raw.fps.round().max(1.0) as u32,
                pixels,
            },
        })
    }
}

fn default_fps() -> f32 {
    10.0
}

fn default_width() -> u32 {
    640
}

fn default_height() -> u32 {
    480
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    fn source(section: &str) -> Result<SourceConfig, String> {
        let text = format!("schema = 1\n[source]\n{section}\n");
        Config::parse(&text)
            .map(|config| config.source)
            .map_err(|place| place.to_string())
    }

    #[test]
    fn uri_says_where_frames_come_from() {
        for (uri, expected) in [
            ("clip.y4m", Origin::Files(Input::Path("clip.y4m".into()))),
            ("-", Origin::Files(Input::Stdin)),
            ("v4l2:/dev/video0", Origin::V4l2("/dev/video0".into())),
            ("rpicam:", Origin::Rpicam("rpicam-vid".into())),
            ("rpicam:/opt/vid", Origin::Rpicam("/opt/vid".into())),
            ("stdin:raw", Origin::Piped(Pixels::Yu12)),
            ("stdin:mjpeg", Origin::Piped(Pixels::Mjpeg)),
            (
                "rtsp://camera.local/live",
                Origin::Stream(StreamConfig {
                    url: "rtsp://camera.local/live".to_owned(),
                    credentials_file: None,
                }),
            ),
        ] {
            assert_eq!(source(&format!("uri = \"{uri}\"")).unwrap().origin, expected);
        }
        let config = source("uri = \"stdin:raw\"\npixels = \"nv12\"\nwidth = 320\nheight = 200\nfps = 7.5").unwrap();
        assert_eq!(config.origin, Origin::Piped(Pixels::Nv12));
        let wanted = config.wanted;
        assert_eq!((wanted.width, wanted.height, wanted.fps), (320, 200, 8));
    }

    #[test]
    fn slow_files_are_taken_at_their_own_times_only_as_far_as_the_watchdog_is_fed() {
        for (section, good) in [
            ("realtime = true\nfps = 0.5", true),
            ("realtime = true\nfps = 0.49", false),
            ("realtime = false\nfps = 0.1", true),
        ] {
            let parsed = source(&format!("uri = \"slides\"\n{section}"));
            assert_eq!(parsed.is_ok(), good, "{parsed:?}");
        }
    }

    #[test]
    fn what_only_other_programs_read_is_refused_with_the_cure() {
        for (uri, expected) in [
            ("rtsp://user:secret@10.0.0.9/live", "`credentials_file`"),
            ("http:///stream.mjpg", "an address such as"),
            ("srt://user:secret@camera/live", "ffmpeg -i ADDRESS"),
            ("RTMP://camera/live", "for rtmp:"),
            ("libcamera:", "is \\\"rpicam:\\\""),
            ("/dev/video0", "is \\\"v4l2:/dev/video0\\\""),
            ("v4l:/dev/video0", "v4l2:"),
            ("0", "is \\\"v4l2:/dev/video0\\\""),
            ("camera:0", "v4l2:/dev/video0"),
            ("rtsp:camera/live", "rtsp://camera.local/live"),
            ("gphoto:usb", "no kind of source"),
            ("file:///srv/clip.y4m", "by its path"),
            ("clip.MP4", "ffmpeg -i IN"),
            ("photo.heic", "heif-convert"),
        ] {
            let error = source(&format!("uri = \"{uri}\"")).unwrap_err();
            let expected = expected.replace('\\', "");
            assert!(error.contains(&expected), "{error} does not speak of {expected}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (section, expected) in [
            ("uri = \"\"", "`uri` must"),
            ("uri = \"v4l2:\"", "v4l2:/dev/video0"),
            ("uri = \"v4l2://dev/video0\"", "v4l2:/dev/video0"),
            ("uri = \"v4l2:video0\"", "v4l2:/dev/video0"),
            ("uri = \"stdin:h264\"", "stdin:raw or stdin:mjpeg"),
            ("uri = \"v4l2:/dev/video0\"\nloop = true", "for files"),
            ("uri = \"rpicam:\"\nrealtime = true", "for files"),
            ("uri = \"rpicam:\"\nwidth = 650", "multiple of 64"),
            ("uri = \"rtsp://camera/\"\nloop = true", "for files"),
            ("uri = \"-\"\ncredentials_file = \"login\"", "is for streams"),
            ("uri = \"slides\"\nrealtime = true\nfps = 0.49", "watchdog ends"),
            ("uri = \"v4l2:/dev/video0\"\nwidth = 0", "`width`"),
            ("uri = \"v4l2:/dev/video0\"\npixels = \"h264\"", "`pixels`"),
        ] {
            let error = source(section).unwrap_err();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
    }
}
