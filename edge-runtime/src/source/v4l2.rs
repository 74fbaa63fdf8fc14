//! A V4L2 camera: the only place that knows the `v4l` library.
//!
//! That library blocks forever unless told otherwise, hands out whole buffers instead of the bytes in use,
//! gives a buffer back twice after a timeout, and panics where a driver fails while it is left. So every
//! wait has a limit, what the driver says is passed on to be checked, any error ends in `close`, and
//! panics are caught.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use v4l::buffer::{Flags, Type};
use v4l::capability::Flags as Abilities;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, FourCC, Fraction};

use super::camera::{CameraError, Driver, Wanted};
use super::offers::{Offer, Size, Steps};
use super::pixels::{Format, Pixels};

/// Buffers that the driver fills in turn.
const BUFFERS: u32 = 4;

/// `poll(2)`: there is data to read.
const POLLIN: i16 = 1;

/// How long the driver may take for the first frame.
const FIRST: Duration = Duration::from_secs(2);

/// `errno` of a device that was unplugged.
const ENODEV: i32 = 19;

/// A camera behind a device file.
pub struct V4l2 {
    path: PathBuf,
    name: String,
    wanted: Wanted,
    stream: Option<Stream<'static>>,
    /// The first frame came while the device was opened.
    first: Option<Vec<u8>>,
}

impl V4l2 {
    /// A camera that is not opened yet.
    pub fn new(path: &Path, wanted: Wanted) -> Self {
        Self {
            path: path.to_path_buf(),
            name: format!("v4l2:{}", path.display()),
            wanted,
            stream: None,
            first: None,
        }
    }
}

/// Runs a step of the library; a panic becomes an error.
fn caught<T>(step: &'static str, run: impl FnOnce() -> Result<T, CameraError>) -> Result<T, CameraError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(CameraError::Panic { step }))
}

impl Driver for V4l2 {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self) -> Result<Format, CameraError> {
        let (path, wanted) = (&self.path, &self.wanted);
        let (format, stream) = caught("open camera", || {
            let device = Device::with_path(path).map_err(CameraError::io("open camera"))?;
            let format = negotiate(&device, wanted)?;
            let stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS);
            Ok((format, stream.map_err(CameraError::io("ask camera for buffers"))?))
        })?;
        let stream = self.stream.insert(stream);
        stream.set_timeout(FIRST);
        let mut bytes = Vec::new();
        match next(stream, &mut bytes) {
            Ok(()) => self.first = Some(bytes),
            Err(CameraError::Marked) => {}
            Err(error) => return Err(error),
        }
        Ok(format)
    }

    fn wait(&mut self, limit: Duration, bytes: &mut Vec<u8>) -> Result<bool, CameraError> {
        if let Some(first) = self.first.take() {
            *bytes = first;
            return Ok(true);
        }
        let stream = self.stream.as_mut().ok_or(CameraError::Panic { step: "capture" })?;
        let handle = stream.handle();
        let ready = caught("wait for camera", || {
            let millis = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
            handle.poll(POLLIN, millis).map_err(CameraError::io("wait for camera"))
        })?;
        if ready == 0 {
            return Ok(false);
        }
        stream.set_timeout(limit);
        next(stream, bytes).map(|()| true)
    }

    fn close(&mut self) {
        self.first = None;
        let Some(mut stream) = self.stream.take() else { return };
        let stopped = catch_unwind(AssertUnwindSafe(|| stream.stop()));
        match stopped {
            Ok(Err(error)) if error.raw_os_error() != Some(ENODEV) => {
                // Dropped, it would panic twice over and end the program. The device stays busy, which the next
                // attempts tell, until a supervisor starts the program again.
                mem::forget(stream);
            }
            // Whatever its drop has to say, the device is left.
            _ => drop(catch_unwind(AssertUnwindSafe(|| drop(stream)))),
        }
    }
}

/// What the camera of a device file says it can give. Rates of a range of sizes are those of the size that is wanted, or of
/// the largest.
///
/// # Errors
///
/// When the device cannot be opened or asked.
pub fn offers(path: &Path, wanted: &Wanted) -> Result<Vec<Offer>, CameraError> {
    caught("ask camera what it offers", || {
        let device = Device::with_path(path).map_err(CameraError::io("open camera"))?;
        captures(&device)?;
        let formats = device.enum_formats();
        let formats = formats.map_err(CameraError::io("ask camera for its formats"))?;
        let offer = |fourcc: FourCC| Offer {
            fourcc: fourcc.repr,
            sizes: sizes(&device, fourcc, wanted),
        };
        Ok(formats.into_iter().map(|format| offer(format.fourcc)).collect())
    })
}

/// None where the driver does not tell.
fn sizes(device: &Device, fourcc: FourCC, wanted: &Wanted) -> Vec<Size> {
    let sizes = device.enum_framesizes(fourcc).unwrap_or_default();
    let steps = |from, to, step| Steps { from, to, step };
    let size = |size: FrameSizeEnum| {
        let (width, height) = match size {
            FrameSizeEnum::Discrete(it) => (Steps::one(it.width), Steps::one(it.height)),
            FrameSizeEnum::Stepwise(it) => (
                steps(it.min_width, it.max_width, it.step_width),
                steps(it.min_height, it.max_height, it.step_height),
            ),
        };
        let side = |steps: Steps, wanted: u32| if steps.has(wanted) { wanted } else { steps.to };
        let (w, h) = (side(width, wanted.width), side(height, wanted.height));
        Size {
            width,
            height,
            rates: rates(device, fourcc, w, h),
        }
    };
    sizes.into_iter().map(|it| size(it.size)).collect()
}

fn rates(device: &Device, fourcc: FourCC, width: u32, height: u32) -> Vec<f32> {
    let rate = |interval: Fraction| interval.denominator as f32 / interval.numerator.max(1) as f32;
    let intervals = device.enum_frameintervals(fourcc, width, height).unwrap_or_default();
    let rates = intervals.into_iter().flat_map(|it| match it.interval {
        FrameIntervalEnum::Discrete(interval) => vec![rate(interval)],
        FrameIntervalEnum::Stepwise(it) => vec![rate(it.min), rate(it.max)],
    });
    rates.collect()
}

/// Whether the device gives frames at all.
fn captures(device: &Device) -> Result<(), CameraError> {
    let abilities = device
        .query_caps()
        .map_err(CameraError::io("ask camera what it can"))?
        .capabilities;
    if abilities.contains(Abilities::VIDEO_CAPTURE | Abilities::STREAMING) {
        return Ok(());
    }
    let message = "the device gives no frames; a CSI camera is read with uri = \"rpicam:\"";
    Err(CameraError::Unfit(message.to_owned()))
}

/// Sets size, layout and rate; gives what the driver made of it.
fn negotiate(device: &Device, wanted: &Wanted) -> Result<Format, CameraError> {
    captures(device)?;
    let choices: &[Pixels] = match &wanted.pixels {
        Some(pixels) => std::slice::from_ref(pixels),
        None => &Pixels::CAMERA,
    };
    let mut given = None;
    for pixels in choices {
        let fourcc = FourCC::new(&pixels.fourcc());
        let asked = v4l::Format::new(wanted.width, wanted.height, fourcc);
        let format = device
            .set_format(&asked)
            .map_err(CameraError::io("set format of camera"))?;
        given = Some(format);
        if format.fourcc == fourcc {
            break;
        }
    }
    // Some drivers have no rate to set; frames then come as they come.
    let _ = device.set_params(&Parameters::with_fps(wanted.fps));
    let given = given.ok_or_else(|| CameraError::Unfit("no layout to ask for".to_owned()))?;
    if let Some(pixels) = wanted.pixels
        && given.fourcc.repr != pixels.fourcc()
    {
        let message = format!(
            "the camera gives {} where {pixels} was asked for; leave `pixels` out",
            given.fourcc
        );
        return Err(CameraError::Unfit(message));
    }
    Ok(Format {
        fourcc: given.fourcc.repr,
        width: given.width as usize,
        height: given.height as usize,
        stride: given.stride as usize,
    })
}

/// Copies the used bytes of the next frame.
fn next(stream: &mut Stream<'static>, bytes: &mut Vec<u8>) -> Result<(), CameraError> {
    caught("capture", || {
        let (buffer, meta) = CaptureStream::next(stream).map_err(CameraError::io("capture"))?;
        if meta.flags.contains(Flags::ERROR) {
            return Err(CameraError::Marked);
        }
        let used = (meta.bytesused as usize).min(buffer.len());
        bytes.clear();
        bytes.extend_from_slice(&buffer[..used]);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted {
        width: 640,
        height: 480,
        fps: 15,
        pixels: None,
    };

    #[test]
    fn what_is_no_camera_is_an_error_and_can_be_tried_and_closed_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [Path::new("/dev/null"), Path::new("/nonexistent"), file.path()] {
            let mut camera = V4l2::new(path, WANTED);
            for _ in 0..3 {
                assert!(camera.open().is_err(), "{}", path.display());
                camera.close();
            }
            assert!(camera.wait(Duration::ZERO, &mut Vec::new()).is_err());
            assert!(offers(path, &WANTED).is_err());
        }
    }
}
