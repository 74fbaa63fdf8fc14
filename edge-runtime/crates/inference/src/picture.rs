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
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Some(Self::Film),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => Some(Self::Film),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand {
                [b'h', b'e', b'i' | b'v', ..] | [b'm', b'i' | b's', b'f', b'1', ..] | [b'a', b'v', b'i', ..] => {
                    Some(Self::Heif)
                }
                _ => Some(Self::Film),
            },
            _ => None,
        }
    }

    /// What helps.
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

    /// The grey pixels.
    pub fn gray(&self) -> Result<GrayView<'_>, PictureError> {
        GrayView::new(&self.gray, self.width, self.height).map_err(PictureError::Size)
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
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
mod tests {
    use super::*;
    use image::codecs::png::PngEncoder;
    use image::{ExtendedColorType, ImageEncoder};
    use testing::shared_data;

    fn png(data: &[u8], width: u32, height: u32, kind: ExtendedColorType) -> Vec<u8> {
        let mut file = Vec::new();
        PngEncoder::new(&mut file)
            .write_image(data, width, height, kind)
            .unwrap();
        file
    }

    fn pixels(file: &[u8]) -> Vec<u8> {
        Picture::decode(file).unwrap().gray
    }

    #[test]
    fn colours_become_bt601_luma() {
        let rgb = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
        let file = png(&rgb, 2, 2, ExtendedColorType::Rgb8);
        // 255 x 0.299, 0.587, 0.114, rounded.
        assert_eq!(pixels(&file), [76, 150, 29, 255]);
        assert_eq!(Picture::decode(&file).unwrap().to_rgb().into_raw(), rgb);
    }

    #[test]
    fn rewriting_takes_the_new_size_and_drops_the_colours() {
        let mut picture = Picture::decode(&png(&[9, 9, 9], 1, 1, ExtendedColorType::Rgb8)).unwrap();
        picture.rewrite(3, 2).unwrap().copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(picture, Picture::from_gray(vec![1, 2, 3, 4, 5, 6], 3, 2).unwrap());
        assert!(picture.rewrite(0, 2).is_err());
        let padded = GrayView::with_stride(&[1, 2, 99, 3, 4], 2, 2, 3).unwrap();
        picture.copy_gray(padded).unwrap();
        assert_eq!(picture, Picture::from_gray(vec![1, 2, 3, 4], 2, 2).unwrap());
        assert!(Picture::default().gray().is_err());
    }

    #[test]
    fn sixteen_bits_are_scaled_to_eight() {
        let wide: Vec<u8> = [0u16, 257, 32896, 65535].iter().flat_map(|v| v.to_ne_bytes()).collect();
        assert_eq!(pixels(&png(&wide, 2, 2, ExtendedColorType::L16)), [0, 1, 128, 255]);
    }

    #[test]
    fn reads_binary_and_plain_pgm() {
        assert_eq!(pixels(b"P5\n# note\n2 1\n255\n\x07\xf0"), [7, 240]);
        assert_eq!(pixels(b"P2\n2 1\n255\n7 240\n"), [7, 240]);
        assert_eq!(pixels(b"P5\n2 1\n65535\n\x80\x80\xff\xff"), [128, 255]);
    }

    #[test]
    fn truncated_files_are_errors() {
        let noise: Vec<u8> = (0..64u32 * 64)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut pgm = b"P5 64 64 255\n".to_vec();
        pgm.extend(&noise);
        for file in [png(&noise, 64, 64, ExtendedColorType::L8), pgm] {
            assert!(Picture::decode(&file).is_ok());
            for length in [0, 1, 3, 9, 40, file.len() / 2, file.len() * 9 / 10] {
                assert!(Picture::decode(&file[..length]).is_err(), "{length} of {}", file.len());
            }
        }
    }

    #[test]
    fn refuses_sizes_beyond_the_limit_before_taking_memory() {
        for file in ["P5 100000 100000 255\n", "P2 4294967295 4294967295 255\n"] {
            assert!(Picture::decode(file.as_bytes()).is_err(), "{file}");
        }
        assert!(matches!(
            Picture::decode(b"P5 100000 100000 255\n"),
            Err(PictureError::TooLarge { width: 100_000, .. })
        ));
        assert!(Picture::from_gray(Vec::new(), 1 << 40, 1 << 40).is_err());
        assert!(Picture::from_gray(vec![0; 5], 2, 3).is_err());
        assert!(Picture::from_gray(Vec::new(), 0, 0).is_err());
    }

    #[test]
    fn refuses_what_is_no_picture() {
        for file in [
            &b""[..],
            b"GIF89a",
            b"BM",
            b"RIFF\0\0\0\0WEBP",
            b"P",
            b"P5",
            b"YUV4MPEG2 W2 H2\n",
        ] {
            assert!(Picture::decode(file).is_err(), "{file:?}");
        }
    }

    #[test]
    fn bmp_gif_and_webp_are_read_and_their_halves_are_not() {
        let grey = [10, 200, 60, 60, 200, 10];
        let rgb: Vec<u8> = grey.iter().flat_map(|value| [*value; 3]).collect();
        let (mut bmp, mut gif, mut webp) = (Vec::new(), Vec::new(), Vec::new());
        image::codecs::bmp::BmpEncoder::new(&mut bmp)
            .write_image(&rgb, 3, 2, ExtendedColorType::Rgb8)
            .unwrap();
        image::codecs::gif::GifEncoder::new(&mut gif)
            .encode(&rgb, 3, 2, ExtendedColorType::Rgb8)
            .unwrap();
        image::codecs::webp::WebPEncoder::new_lossless(&mut webp)
            .write_image(&rgb, 3, 2, ExtendedColorType::Rgb8)
            .unwrap();
        for (kind, file) in [("bmp", bmp), ("gif", gif), ("webp", webp)] {
            assert_eq!(pixels(&file), grey, "{kind}");
            assert!(EXTENSIONS.contains(&kind));
            assert!(Picture::decode(&file[..file.len() / 2]).is_err(), "half of {kind}");
        }
    }

    #[test]
    fn what_is_known_and_not_read_is_named_with_its_cure() {
        for (file, expected) in [
            (
                &b"\0\0\0\x18ftypheic\0\0\0\0mif1"[..],
                "HEIC cannot be read; make it a JPEG",
            ),
            (b"\0\0\0\x18ftypavif", "HEIC"),
            (b"\0\0\0\x18ftypisom", "a film cannot be read; make it a stream"),
            (b"\x1a\x45\xdf\xa3\0", "a film"),
            (b"RIFF\0\0\0\0AVI LIST", "a film"),
            (b"II*\0", "TIFF cannot be read; make it a PNG"),
            (b"MM\0*", "TIFF"),
        ] {
            let error = Picture::decode(file).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} does not speak of {expected}");
        }
    }

    #[test]
    fn photographs_decode_and_their_halves_do_not() {
        let Some(dir) = shared_data("photos") else { return };
        let mut count = 0;
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                continue;
            }
            let file = std::fs::read(&path).unwrap();
            let picture = Picture::decode(&file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(picture.width() > 100 && picture.gray().is_ok());
            assert!(
                Picture::decode(&file[..file.len() / 2]).is_err(),
                "half of {}",
                path.display()
            );
            count += 1;
        }
        assert!(count >= 20, "{count} photographs");
    }
}
