//! What a camera says it can give, and whether what is wanted of it is among that: pure.

use std::fmt::{self, Display, Write};

use super::camera::Wanted;
use super::pixels::Pixels;

/// The frames that a camera offers in one layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// V4L2's four characters of the layout.
    pub fourcc: [u8; 4],
    /// The sizes that it comes in.
    pub sizes: Vec<Size>,
}

/// Frames of one size, or of a range of sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// Widths on offer, in pixels.
    pub width: Steps,
    /// Heights on offer, in pixels.
    pub height: Steps,
    /// Frames a second; empty where the camera does not tell.
    pub rates: Vec<f32>,
}

/// Numbers from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// The smallest number of the range.
    pub from: u32,
    /// The largest number of the range.
    pub to: u32,
    /// From one to the next.
    pub step: u32,
}

/// What does not fit, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What does not fit, in a sentence.
    pub found: String,
    /// One sentence on what helps.
    pub cure: String,
}

impl Steps {
    /// A range of this number alone.
    pub fn one(number: u32) -> Self {
        Self {
            from: number,
            to: number,
            step: 1,
        }
    }

    /// Whether a number is among them.
    pub fn has(self, number: u32) -> bool {
        self.nearest(number) == number
    }

    fn nearest(self, number: u32) -> u32 {
        let within = number.clamp(self.from, self.to) - self.from;
        self.from + within - within % self.step.max(1)
    }
}

impl Size {
    fn has(&self, wanted: &Wanted) -> bool {
        self.width.has(wanted.width) && self.height.has(wanted.height)
    }

    /// Whether frames come as often as wanted, or more: those that nobody can judge are left out.
    fn keeps_up(&self, wanted: &Wanted) -> bool {
        self.rates.is_empty() || self.fastest() >= 0.99 * wanted.fps as f32
    }

    fn fastest(&self) -> f32 {
        self.rates.iter().copied().fold(0.0, f32::max)
    }

    fn nearest(&self, wanted: &Wanted) -> [u32; 2] {
        [self.width.nearest(wanted.width), self.height.nearest(wanted.height)]
    }
}

impl Offer {
    fn pixels(&self) -> Option<Pixels> {
        Pixels::from_fourcc(self.fourcc)
    }

    fn size(&self, wanted: &Wanted) -> Option<&Size> {
        self.sizes.iter().find(|size| size.has(wanted))
    }

    fn fits(&self, wanted: &Wanted) -> bool {
        self.size(wanted).is_some_and(|size| size.keeps_up(wanted))
    }
}

/// Whether the camera can give what is wanted; gives what it would be asked for, in words.
///
/// Of the layouts that are good enough the camera is asked for the first, as the source does it.
///
/// # Errors
///
/// What does not fit, and what helps.
pub fn fit(offers: &[Offer], wanted: &Wanted) -> Result<String, Misfit> {
    let order: Vec<Pixels> = wanted
        .pixels
        .map_or_else(|| Pixels::CAMERA.to_vec(), |pixels| vec![pixels]);
    let of = |pixels: Pixels| offers.iter().find(|offer| offer.pixels() == Some(pixels));
    let Some(offer) = order.iter().find_map(|pixels| of(*pixels)) else {
        return Err(unreadable(wanted));
    };
    let Wanted { width, height, fps, .. } = *wanted;
    let layout = text(offer.fourcc);
    if offer.fits(wanted) {
        return Ok(format!("{layout} {width}x{height} at {fps} a second is among them"));
    }
    let found = match offer.size(wanted) {
        Some(size) => format!(
            "{layout} {width}x{height} comes {} times a second, not {fps}",
            size.fastest()
        ),
        None => format!("{layout} {width}x{height} is not among them"),
    };
    // Another layout may have it all.
    let other = Pixels::CAMERA
        .into_iter()
        .find(|pixels| of(*pixels).is_some_and(|it| it.fits(wanted)));
    let cure = match (other, offer.size(wanted), nearest(offer, wanted)) {
        (Some(pixels), ..) => format!("set pixels = \"{}\"", pixels.key()),
        (None, Some(size), _) => format!("set fps = {}, or a smaller size", size.fastest().floor().max(1.0)),
        (None, None, Some([width, height])) => format!("set width = {width} and height = {height}"),
        (None, None, None) => "the camera names no size: try it with `edge-runtime run`".to_owned(),
    };
    Err(Misfit { found, cure })
}

fn unreadable(wanted: &Wanted) -> Misfit {
    match wanted.pixels {
        Some(pixels) => Misfit {
            found: format!("{pixels} is not among them"),
            cure: "leave `pixels` out".to_owned(),
        },
        None => Misfit {
            found: "none of them can be read".to_owned(),
            cure: "use another camera, or let a program write its frames to stdin:mjpeg".to_owned(),
        },
    }
}

fn nearest(offer: &Offer, wanted: &Wanted) -> Option<[u32; 2]> {
    let distance = |[width, height]: &[u32; 2]| width.abs_diff(wanted.width) + height.abs_diff(wanted.height);
    offer.sizes.iter().map(|size| size.nearest(wanted)).min_by_key(distance)
}

/// All offers in words: what can be read with its sizes and rates, the rest by name.
pub fn describe(offers: &[Offer]) -> String {
    let (readable, others): (Vec<_>, Vec<_>) = offers.iter().partition(|offer| offer.pixels().is_some());
    let mut words: Vec<String> = readable.iter().map(ToString::to_string).collect();
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|offer| text(offer.fourcc)).collect();
        words.push(format!("not readable: {}", names.join(" ")));
    }
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join("; ")
    }
}

impl Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self.fourcc))?;
        self.sizes.iter().enumerate().try_for_each(|(at, size)| {
            f.write_str(if at == 0 { " " } else { ", " })?;
            size.fmt(f)
        })
    }
}

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)?;
        let mut rates = self.rates.iter().map(|rate| (rate * 100.0).round() / 100.0);
        let Some(first) = rates.next() else { return Ok(()) };
        write!(f, " ({first}")?;
        rates.try_for_each(|rate| write!(f, " {rate}"))?;
        f.write_char(')')
    }
}

impl Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}", self.from)
        } else {
            write!(f, "[{}-{}]", self.from, self.to)
        }
    }
}

fn text(fourcc: [u8; 4]) -> String {
    String::from_utf8_lossy(&fourcc).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32, rates: &[f32]) -> Size {
        Size {
            width: Steps::one(width),
            height: Steps::one(height),
            rates: rates.to_vec(),
        }
    }

    /// What many USB cameras say: large pictures come fast only as JPEG.
    fn usb() -> Vec<Offer> {
        vec![
            Offer {
                fourcc: *b"MJPG",
                sizes: vec![size(1280, 720, &[30.0, 15.0]), size(640, 480, &[30.0])],
            },
            Offer {
                fourcc: *b"YUYV",
                sizes: vec![size(640, 480, &[30.0, 7.5]), size(1280, 720, &[5.0])],
            },
            Offer {
                fourcc: *b"H264",
                sizes: vec![],
            },
        ]
    }

    fn wanted(width: u32, height: u32, fps: u32, pixels: Option<Pixels>) -> Wanted {
        Wanted {
            width,
            height,
            fps,
            pixels,
        }
    }

    #[test]
    fn offers_are_told_with_sizes_and_rates() {
        assert_eq!(
            describe(&usb()),
            "MJPG 1280x720 (30 15), 640x480 (30); YUYV 640x480 (30 7.5), 1280x720 (5); not readable: H264"
        );
        assert_eq!(describe(&[]), "nothing");
    }

    #[test]
    fn what_is_among_them_is_found() {
        for (wanted, expected) in [
            (wanted(640, 480, 10, None), "YUYV 640x480 at 10 a second is among them"),
            (
                wanted(1280, 720, 15, Some(Pixels::Mjpeg)),
                "MJPG 1280x720 at 15 a second is among them",
            ),
        ] {
            assert_eq!(fit(&usb(), &wanted).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not_has_a_cure_that_helps() {
        for (wanted, found, cure) in [
            (
                wanted(1280, 720, 15, None),
                "YUYV 1280x720 comes 5 times a second, not 15",
                "set pixels = \"mjpeg\"",
            ),
            (
                wanted(800, 600, 10, None),
                "YUYV 800x600 is not among them",
                "set width = 640 and height = 480",
            ),
            (
                wanted(640, 480, 60, None),
                "YUYV 640x480 comes 30 times a second, not 60",
                "set fps = 30, or a smaller size",
            ),
            (
                wanted(640, 480, 10, Some(Pixels::Nv12)),
                "NV12 is not among them",
                "leave `pixels` out",
            ),
        ] {
            let misfit = fit(&usb(), &wanted).unwrap_err();
            assert_eq!((misfit.found.as_str(), misfit.cure.as_str()), (found, cure));
        }
        let misfit = fit(&usb()[2..], &wanted(640, 480, 10, None)).unwrap_err();
        assert_eq!(misfit.found, "none of them can be read");
    }

    #[test]
    fn ranges_have_the_sizes_on_their_steps() {
        let range = |from, to, step| Steps { from, to, step };
        let offers = [Offer {
            fourcc: *b"NV12",
            sizes: vec![Size {
                width: range(32, 640, 16),
                height: range(32, 480, 2),
                rates: vec![],
            }],
        }];
        assert_eq!(describe(&offers), "NV12 [32-640]x[32-480]");
        assert!(fit(&offers, &wanted(320, 240, 200, None)).is_ok());
        let misfit = fit(&offers, &wanted(330, 241, 10, None)).unwrap_err();
        assert_eq!(misfit.cure, "set width = 320 and height = 240");
        let misfit = fit(&offers, &wanted(1280, 720, 10, None)).unwrap_err();
        assert_eq!(misfit.cure, "set width = 640 and height = 480");
    }
}
