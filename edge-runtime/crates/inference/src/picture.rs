//! Pictures in memory and the image files they come from: PNG, JPEG, BMP, GIF, WebP and the PNM family.
//!
//! The networks and the detector see grey; the colours are kept for those who draw on the picture.
//! Files are told apart by their first bytes, not by their names. A damaged or truncated file is an
//! error; sizes are checked before memory is taken for them.

use std::fmt;
use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::pnm::PnmDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageResult, RgbImage};
use shared_model::image::{GrayView, SizeError};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::jpeg::with_huffman_tables;

/// Most pixels that a picture may have.
pub const MAX_PIXELS: u64 = 64 << 20;

/// Extensions of the files that are taken from a directory, in lower case.
pub const EXTENSIONS: [&str; 12] = [
    "bmp", "gif", "jfif", "jpe", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "webp",
];

/// Most files that a message about a directory names; the others are counted.
pub const NAMED: usize = 10;

/// A picture: grey, 8 bits a pixel, with the colours it had.
///
/// The default has no pixels; it is memory for [`Picture::rewrite`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Picture {
    gray: Vec<u8>,
    width: usize,
    height: usize,
    color: Option<RgbImage>,
}

/// Why a picture cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PictureError {
    /// The first bytes are those of no known format.
    #[error("decode picture: neither PNG nor JPEG nor PNM, BMP, GIF or WebP")]
    Format,
    /// A kind that is known, and not read.
    #[error("decode picture: {} cannot be read; {}", .0, .0.cure())]
    Unread(Unread),
    /// The picture is larger than [`MAX_PIXELS`].
    #[error("decode picture: {width} x {height} pixels are more than the limit of {MAX_PIXELS}; scale it down")]
    TooLarge {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
    /// The file is damaged, truncated, or uses what the decoder does not support.
    #[error("decode {format} picture: {reason}")]
    Damaged {
        /// Which format.
        format: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// The size does not fit the data.
    #[error("read picture: {0}")]
    Size(SizeError),
}

/// What people take for a picture, and this program does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// HEIC or AVIF: what telephones write.
    Heif,
    /// TIFF.
    Tiff,
    /// A film: MP4, `QuickTime`, Matroska, `WebM` or AVI.
    Film,
}

impl Unread {
    /// What a name says that it is; `None` for any other.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "heic" | "heif" | "hif" | "avif" => Some(Self::Heif),
            "tif" | "tiff" | "dng" => Some(Self::Tiff),
            "mp4" | "m4v" | "mov" | "3gp" | "mkv" | "webm" | "avi" | "mpg" | "mpeg" | "wmv" | "h264" | "h265" => {
                Some(Self::Film)
            }
            _ => None,
        }
    }

    /// What the first bytes of a file say that it is.
    fn of_content(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some(Self::Tiff),
            [0x1a, 0x45, 0xdf, 0xa3, ..] | [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => {
                Some(Self::Film)
            }
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand {
                [b'h', b'e', b'i' | b'v', ..] | [b'm', b'i' | b's', b'f', b'1', ..] | [b'a', b'v', b'i', ..] => {
                    Some(Self::Heif)
                }
                _ => Some(Self::Film),
            },
            _ => None,
        }
    }

    /// What a person can do about it, as an end of a message.
    pub fn cure(self) -> &'static str {
        match self {
            Self::Heif => "make it a JPEG: `heif-convert IN OUT.jpg`",
            Self::Tiff => "make it a PNG: `convert IN OUT.png`",
            Self::Film => "make it a stream: `ffmpeg -i IN -pix_fmt yuv420p OUT.y4m`",
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heif => "HEIC",
            Self::Tiff => "TIFF",
            Self::Film => "a film",
        })
    }
}

impl Picture {
    /// Decodes a file, turned upright as its EXIF orientation says.
    ///
    /// Grey is BT.601 luma, 0.299 R + 0.587 G + 0.114 B; 16 bits are scaled to 8; transparency is
    /// ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, PictureError> {
        let image = match bytes {
            [0x89, b'P', b'N', b'G', ..] => decode_with("PNG", PngDecoder::new(Cursor::new(bytes))),
            [b'P', b'1'..=b'7', ..] => decode_with("PNM", PnmDecoder::new(Cursor::new(bytes))),
            [0xff, 0xd8, ..] => decode_jpeg(bytes),
            [b'B', b'M', ..] => decode_with("BMP", BmpDecoder::new(Cursor::new(bytes))),
            [b'G', b'I', b'F', b'8', ..] => decode_with("GIF", GifDecoder::new(Cursor::new(bytes))),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
                decode_with("WebP", WebPDecoder::new(Cursor::new(bytes)))
            }
            _ => Err(Unread::of_content(bytes).map_or(PictureError::Format, PictureError::Unread)),
        }?;
        Ok(Self::from_image(image))
    }

    /// A grey picture of `width` x `height` pixels, row by row.
    pub fn from_gray(data: Vec<u8>, width: usize, height: usize) -> Result<Self, PictureError> {
        check_size(width as u64, height as u64)?;
        if data.len() != width * height {
            return Err(PictureError::Size(SizeError));
        }
        Ok(Self {
            gray: data,
            width,
            height,
            color: None,
        })
    }

    /// Makes this a grey picture of `width` x `height` pixels and gives them, row by row, to be written;
    /// what they hold is left over from before. Takes no memory where there is enough.
    pub fn rewrite(&mut self, width: usize, height: usize) -> Result<&mut [u8], PictureError> {
        check_size(width as u64, height as u64)?;
        self.color = None;
        self.gray.resize(width * height, 0);
        (self.width, self.height) = (width, height);
        Ok(&mut self.gray)
    }

    /// Becomes a grey copy of a picture; takes no memory where there is enough.
    pub fn copy_gray(&mut self, picture: GrayView<'_>) -> Result<(), PictureError> {
        let width = picture.width();
        let pixels = self.rewrite(width, picture.height())?;
        for (y, row) in pixels.chunks_exact_mut(width).enumerate() {
            row.copy_from_slice(picture.row(y));
        }
        Ok(())
    }

    /// The grey pixels, 0 to 255, row by row.
    ///
    /// # Errors
    /// A side that is 0, or above what a view may have.
    pub fn gray(&self) -> Result<GrayView<'_>, PictureError> {
        GrayView::new(&self.gray, self.width, self.height).map_err(PictureError::Size)
    }

    /// Width of the picture in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height of the picture in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// A copy in colour to draw on; grey where the picture had no colours.
    pub fn to_rgb(&self) -> RgbImage {
        let grey = || {
            let data = self.gray.iter().flat_map(|value| [*value; 3]).collect();
            // Three bytes a pixel of the same picture: the size fits.
            RgbImage::from_raw(self.width as u32, self.height as u32, data).unwrap_or_default()
        };
        self.color.clone().unwrap_or_else(grey)
    }

    fn from_image(image: DynamicImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let (gray, color) = if image.color().has_color() {
            let color = image.into_rgb8();
            (luma(&color), Some(color))
        } else {
            (image.into_luma8().into_raw(), None)
        };
        Self {
            gray,
            width,
            height,
            color,
        }
    }
}

/// BT.601 luma, rounded.
fn luma(color: &RgbImage) -> Vec<u8> {
    let weigh = |pixel: &image::Rgb<u8>| {
        let [r, g, b] = pixel.0.map(u32::from);
        ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
    };
    color.pixels().map(weigh).collect()
}

/// Refuses what is empty, and more pixels than a picture may have.
pub fn check_size(width: u64, height: u64) -> Result<(), PictureError> {
    if width == 0 || height == 0 {
        return Err(PictureError::Size(SizeError));
    }
    if width.checked_mul(height).is_none_or(|pixels| pixels > MAX_PIXELS) {
        return Err(PictureError::TooLarge { width, height });
    }
    Ok(())
}

fn decode_with<D: ImageDecoder>(format: &'static str, decoder: ImageResult<D>) -> Result<DynamicImage, PictureError> {
    let damaged = |error: image::ImageError| PictureError::Damaged {
        format,
        reason: error.to_string(),
    };
    let mut decoder = decoder.map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(u64::from(width), u64::from(height))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn decode_jpeg(bytes: &[u8]) -> Result<DynamicImage, PictureError> {
    let damaged = |reason: String| PictureError::Damaged { format: "JPEG", reason };
    let bytes = &*with_huffman_tables(bytes);
    // Lenient decoding gives a grey bar for what is missing of a truncated file, and says nothing.
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| damaged(error.to_string()))?;
    let info = decoder.info().ok_or_else(|| damaged("no header".to_owned()))?;
    check_size(u64::from(info.width), u64::from(info.height))?;
    let space = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(space));
    let pixels = decoder.decode().map_err(|error| damaged(error.to_string()))?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    let image = match space {
        ColorSpace::Luma => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
    };
    let mut image = image.ok_or_else(|| damaged("its size does not fit its pixels".to_owned()))?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    image.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(image)
}

#[cfg(test)]
mod tests;
