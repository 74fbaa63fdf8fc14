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
