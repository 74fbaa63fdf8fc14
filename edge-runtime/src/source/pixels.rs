//! From a camera's bytes to grey pixels.

use std::fmt;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use inference::jpeg::with_huffman_tables;
use inference::picture::{Picture, PictureError, check_size};

/// How a camera lays out its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    /// Luma and chroma in turn, two bytes a pixel.
    Yuyv,
    /// Luma alone, one byte a pixel.
    Grey,
    /// A luma plane, then chroma of a quarter of the size, interleaved.
    Nv12,
    /// A luma plane, then two chroma planes of a quarter of the size: `yuv420` of `rpicam-vid`.
    Yu12,
    /// Each frame is a JPEG picture.
    Mjpeg,
}

impl Pixels {
    /// Those that a V4L2 camera is asked for, best first: luma needs no decoding in any but the last.
    pub const CAMERA: [Self; 4] = [Self::Yuyv, Self::Grey, Self::Nv12, Self::Mjpeg];

    /// The four characters that V4L2 knows it by.
    pub fn fourcc(self) -> [u8; 4] {
        *match self {
            Self::Yuyv => b"YUYV",
            Self::Grey => b"GREY",
            Self::Nv12 => b"NV12",
            Self::Yu12 => b"YU12",
            Self::Mjpeg => b"MJPG",
        }
    }

    /// The name that a configuration gives it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Yuyv => "yuyv",
            Self::Grey => "grey",
            Self::Nv12 => "nv12",
            Self::Yu12 => "yuv420",
            Self::Mjpeg => "mjpeg",
        }
    }

    /// The layout with these four characters.
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        let all = [Self::Yuyv, Self::Grey, Self::Nv12, Self::Yu12, Self::Mjpeg];
        all.into_iter().find(|pixels| pixels.fourcc() == fourcc)
    }
}

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.fourcc()))
    }
}

/// What a camera really gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Four characters, known to us or not.
    pub fourcc: [u8; 4],
    /// Width of the frame, in pixels.
    pub width: usize,
    /// Height of the frame, in pixels.
    pub height: usize,
    /// Bytes from one row to the next of the first plane; 0 where rows have no gaps.
    pub stride: usize,
}

/// Why a format or a frame of it cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PixelsError {
    /// The layout is none of ours.
    #[error("the camera gives {0}; this program reads YUYV, GREY, NV12, YU12 and MJPG")]
    Unknown(String),
    /// The rows do not fit into the stride.
    #[error("the camera's rows are {stride} bytes apart, less than the {needed} of its {width} pixels")]
    Stride {
        /// Bytes from row to row.
        stride: usize,
        /// Least bytes that a row needs.
        needed: usize,
        /// Width of the frame, in pixels.
        width: usize,
    },
    /// A frame has other than the bytes that the format says.
    #[error("a frame of {got} bytes instead of {needed}")]
    Length {
        /// Number of bytes that came.
        got: usize,
        /// Bytes of a whole frame.
        needed: usize,
    },
    /// A JPEG picture of another size than the format says.
    #[error("a frame of {width} x {height} pixels that the camera did not announce")]
    Size {
        /// Width of the frame, in pixels.
        width: usize,
        /// Height of the frame, in pixels.
        height: usize,
    },
    /// A JPEG picture is damaged, or the size is none of a picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

/// A format whose numbers fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pixels: Pixels,
    width: usize,
    height: usize,
    stride: usize,
}

impl Layout {
    /// A reader for frames of a format, whose numbers are checked.
    ///
    /// # Errors
    ///
    /// When size and layout do not go together.
    pub fn new(format: Format) -> Result<Self, PixelsError> {
        let Format {
            fourcc,
            width,
            height,
            stride,
        } = format;
        let unknown = || PixelsError::Unknown(String::from_utf8_lossy(&fourcc).into_owned());
        let pixels = Pixels::from_fourcc(fourcc).ok_or_else(unknown)?;
        // Bounds the sums below as well.
        check_size(width as u64, height as u64)?;
        let needed = if pixels == Pixels::Yuyv { 2 * width } else { width };
        let stride = if stride == 0 { needed } else { stride };
        if pixels != Pixels::Mjpeg && (stride < needed || stride > 64 * needed) {
            return Err(PixelsError::Stride { stride, needed, width });
        }
        Ok(Self {
            pixels,
            width,
            height,
            stride,
        })
    }

    /// Bytes of a whole frame; 0 where each has its own length.
    pub fn frame_bytes(&self) -> usize {
        let luma = self.stride * self.height;
        match self.pixels {
            Pixels::Yuyv | Pixels::Grey => luma,
            Pixels::Nv12 => luma + self.stride * self.height.div_ceil(2),
            Pixels::Yu12 => luma + 2 * (self.stride.div_ceil(2) * self.height.div_ceil(2)),
            Pixels::Mjpeg => 0,
        }
    }

    /// Writes the luma of a frame into a picture. A frame that is too short or damaged is an error.
    ///
    /// # Errors
    ///
    /// When the frame is too short, or its JPEG picture is damaged.
    pub fn read(&self, bytes: &[u8], picture: &mut Picture) -> Result<(), PixelsError> {
        if self.pixels == Pixels::Mjpeg {
            return read_jpeg(bytes, Some((self.width, self.height)), picture);
        }
        let needed = self.frame_bytes();
        // The last row of a driver may lack its padding, and buffers are rounded up to pages.
        if bytes.len() + self.stride <= needed || bytes.len() > needed + needed / 2 + 65_536 {
            return Err(PixelsError::Length {
                got: bytes.len(),
                needed,
            });
        }
        let step = if self.pixels == Pixels::Yuyv { 2 } else { 1 };
        let short = PixelsError::Length {
            got: bytes.len(),
            needed,
        };
        let out = picture.rewrite(self.width, self.height)?;
        for (y, row) in out.chunks_exact_mut(self.width).enumerate() {
            let from = y * self.stride;
            let Some(line) = bytes.get(from..from + step * self.width) else {
                return Err(short);
            };
            if step == 1 {
                row.copy_from_slice(line);
            } else {
                for (value, pair) in row.iter_mut().zip(line.chunks_exact(2)) {
                    *value = pair[0];
                }
            }
        }
        Ok(())
    }
}

/// Decodes the luma of a JPEG picture of a stream, strictly: a truncated one is an error, not half grey.
pub(super) fn read_jpeg(bytes: &[u8], size: Option<(usize, usize)>, picture: &mut Picture) -> Result<(), PixelsError> {
    let damaged = |reason: String| PictureError::Damaged { format: "JPEG", reason };
    if !bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9]) {
        return Err(damaged("it has no end".to_owned()).into());
    }
    let bytes = &*with_huffman_tables(bytes);
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| damaged(error.to_string()))?;
    let info = decoder.info().ok_or_else(|| damaged("no header".to_owned()))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    if size.is_some_and(|size| size != (width, height)) {
        return Err(PixelsError::Size { width, height });
    }
    let out = picture.rewrite(width, height)?;
    if decoder.output_buffer_size() != Some(out.len()) {
        return Err(damaged("its colours cannot be made grey".to_owned()).into());
    }
    Ok(decoder.decode_into(out).map_err(|error| damaged(error.to_string()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(pixels: Pixels, width: usize, height: usize, stride: usize) -> Layout {
        let fourcc = pixels.fourcc();
        Layout::new(Format {
            fourcc,
            width,
            height,
            stride,
        })
        .unwrap()
    }

    fn luma(layout: Layout, bytes: &[u8]) -> Result<Vec<u8>, PixelsError> {
        let mut picture = Picture::default();
        layout.read(bytes, &mut picture)?;
        let view = picture.gray()?;
        Ok((0..view.height()).flat_map(|y| view.row(y).to_vec()).collect())
    }

    #[test]
    fn luma_is_taken_from_each_layout_and_its_padding_left_out() {
        let cases: [(Pixels, usize, &[u8]); 6] = [
            (Pixels::Grey, 0, &[1, 2, 3, 4]),
            (Pixels::Grey, 3, &[1, 2, 99, 3, 4, 99]),
            (Pixels::Yuyv, 0, &[1, 99, 2, 99, 3, 99, 4, 99]),
            (Pixels::Yuyv, 6, &[1, 99, 2, 99, 99, 99, 3, 99, 4, 99, 99, 99]),
            (Pixels::Nv12, 0, &[1, 2, 3, 4, 99, 99]),
            (Pixels::Yu12, 0, &[1, 2, 3, 4, 99, 99]),
        ];
        for (pixels, stride, bytes) in cases {
            let layout = layout(pixels, 2, 2, stride);
            assert_eq!(layout.frame_bytes(), bytes.len(), "{pixels}");
            assert_eq!(luma(layout, bytes).unwrap(), [1, 2, 3, 4], "{pixels} {stride}");
        }
    }

    #[test]
    fn frames_of_another_length_are_refused() {
        let layout = layout(Pixels::Grey, 64, 48, 0);
        for (length, good) in [
            (0, false),
            (64 * 47, false),
            (64 * 48, true),
            (64 * 48 + 4096, true),
            (900_000, false),
        ] {
            assert_eq!(luma(layout, &vec![7; length]).is_ok(), good, "{length} bytes");
        }
    }

    #[test]
    fn formats_that_make_no_sense_are_refused() {
        let good = Format {
            fourcc: *b"YUYV",
            width: 64,
            height: 48,
            stride: 128,
        };
        assert!(Layout::new(good).is_ok());
        for bad in [
            Format {
                fourcc: *b"H264",
                ..good
            },
            Format { fourcc: [0; 4], ..good },
            Format { stride: 64, ..good },
            Format {
                stride: usize::MAX,
                ..good
            },
            Format { width: 0, ..good },
            Format {
                height: 1 << 40,
                ..good
            },
        ] {
            assert!(Layout::new(bad).is_err(), "{bad:?}");
        }
        let unknown = Layout::new(Format {
            fourcc: *b"H264",
            ..good
        })
        .unwrap_err();
        assert!(unknown.to_string().contains("H264"));
    }

    #[test]
    fn fourcc_names_its_layout() {
        for pixels in [Pixels::Yuyv, Pixels::Grey, Pixels::Nv12, Pixels::Yu12, Pixels::Mjpeg] {
            assert_eq!(Pixels::from_fourcc(pixels.fourcc()), Some(pixels));
        }
        assert_eq!(Pixels::Mjpeg.to_string(), "MJPG");
    }

    #[test]
    fn jpeg_frames_without_huffman_tables_are_read() {
        let (mut bare, mut whole) = (Picture::default(), Picture::default());
        let layout = layout(Pixels::Mjpeg, 32, 24, 0);
        layout.read(&testing::jpeg::without_tables(), &mut bare).unwrap();
        layout.read(&testing::jpeg::gradient(), &mut whole).unwrap();
        assert_eq!(bare, whole);
    }

    #[test]
    fn jpeg_frames_are_read_whole_or_not_at_all() {
        let file = testing::jpeg::gradient();
        let mut picture = Picture::default();
        read_jpeg(&file, Some((32, 24)), &mut picture).unwrap();
        assert_eq!((picture.width(), picture.height()), (32, 24));
        let whole = Picture::decode(&file).unwrap();
        let (whole, luma) = (whole.gray().unwrap(), picture.gray().unwrap());
        for y in 0..24 {
            let pairs = whole.row(y).iter().zip(luma.row(y));
            assert!(pairs.into_iter().all(|(a, b)| a.abs_diff(*b) <= 2), "row {y}");
        }
        assert!(matches!(
            read_jpeg(&file, Some((32, 25)), &mut picture),
            Err(PixelsError::Size { width: 32, height: 24 })
        ));
        for length in 0..file.len() - 2 {
            assert!(
                read_jpeg(&file[..length], None, &mut picture).is_err(),
                "{length} bytes"
            );
        }
    }
}
