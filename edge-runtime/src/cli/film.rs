//! An annotated film and its contact sheet.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use edge_runtime::annotate::Annotation;
use edge_runtime::source::Frame;
use image::imageops::{replace, thumbnail};
use image::{Rgb, RgbImage};
use shared_model::message::Face;

use super::failure::{Failure, code, io_code};

/// Pictures on the sheet: every so many frames one, doubled when it is full.
const PICTURES: usize = 60;
/// Width of a picture on the sheet in pixels.
const WIDTH: u32 = 320;
/// Number of pictures beside each other.
const COLUMNS: usize = 5;

/// Writes `NAME.y4m` and, at the end, `NAME-sheet.png`.
pub(super) struct Film {
    path: PathBuf,
    sheet: PathBuf,
    out: Option<BufWriter<File>>,
    size: (u32, u32),
    pictures: Vec<RgbImage>,
    /// Frames from one picture of the sheet to the next.
    step: u64,
    frames: u64,
}

impl Film {
    /// Files of this input's name in a directory.
    pub(super) fn create(dir: &Path, input: &OsStr) -> Result<Self, Failure> {
        fs::create_dir_all(dir).map_err(|error| write_error(dir, &error))?;
        let stem = Path::new(input)
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let stem = stem.filter(|_| input != "-").unwrap_or_else(|| "stdin".to_owned());
        Ok(Self {
            path: dir.join(format!("{stem}-track.y4m")),
            sheet: dir.join(format!("{stem}-sheet.png")),
            out: None,
            size: (0, 0),
            pictures: Vec::new(),
            step: 1,
            frames: 0,
        })
    }

    /// Draws the faces of a frame.
    pub(super) fn frame<'a>(&mut self, frame: &Frame, faces: impl Iterator<Item = Face<'a>>) -> Result<(), Failure> {
        let mut annotation = Annotation::new(&frame.picture);
        faces.for_each(|face| annotation.draw(&face));
        let image = annotation.image();
        self.write(image).map_err(|error| write_error(&self.path, &error))?;
        if self.frames.is_multiple_of(self.step) {
            if self.pictures.len() == PICTURES {
                let mut even = [true, false].into_iter().cycle();
                self.pictures.retain(|_| even.next() == Some(true));
                self.step *= 2;
            }
            if self.frames.is_multiple_of(self.step) {
                let height = (WIDTH * image.height() / image.width()).max(1);
                self.pictures.push(thumbnail(image, WIDTH, height));
            }
        }
        self.frames += 1;
        Ok(())
    }

    /// Writes the sheet; says where everything is.
    pub(super) fn finish(mut self) -> Result<String, Failure> {
        if let Some(out) = &mut self.out {
            out.flush().map_err(|error| write_error(&self.path, &error))?;
        }
        let height = self.pictures.iter().map(RgbImage::height).max().unwrap_or(1);
        let rows = self.pictures.len().div_ceil(COLUMNS).max(1) as u32;
        let mut sheet = RgbImage::new(WIDTH * COLUMNS as u32, height * rows);
        for (at, picture) in self.pictures.iter().enumerate() {
            let (x, y) = (at % COLUMNS * WIDTH as usize, at / COLUMNS * height as usize);
            replace(&mut sheet, picture, x as i64, y as i64);
        }
        sheet.save(&self.sheet).map_err(|error| Failure::new(code::IO, error))?;
        Ok(format!("{} and {}", self.path.display(), self.sheet.display()))
    }

    fn write(&mut self, image: &RgbImage) -> io::Result<()> {
        let (width, height) = image.dimensions();
        if self.out.is_none() {
            let mut out = BufWriter::new(File::create(&self.path)?);
            writeln!(out, "YUV4MPEG2 W{width} H{height} F15:1 Ip A1:1 C444 XCOLORRANGE=FULL")?;
            (self.out, self.size) = (Some(out), (width, height));
        }
        let Some(out) = self.out.as_mut().filter(|_| self.size == (width, height)) else {
            // Pictures of another size have no place in the film; the sheet has them.
            return Ok(());
        };
        out.write_all(b"FRAME\n")?;
        for plane in 0..3 {
            let plane: Vec<u8> = image.pixels().map(|pixel| yuv(*pixel)[plane]).collect();
            out.write_all(&plane)?;
        }
        Ok(())
    }
}

/// BT.601 in full range, as JPEG has it.
fn yuv(Rgb([r, g, b]): Rgb<u8>) -> [u8; 3] {
    let [r, g, b] = [r, g, b].map(f32::from);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    [y, 128.0 + (b - y) * 0.564, 128.0 + (r - y) * 0.713].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

fn write_error(path: &Path, error: &io::Error) -> Failure {
    Failure::new(io_code(error), anyhow::anyhow!("write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_runtime::source::{Files, FrameSource, Input, Next, Repeat};
    use inference::picture::Picture;

    #[test]
    fn film_can_be_read_again_and_the_sheet_holds_at_most_its_number_of_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let mut film = Film::create(dir.path(), OsStr::new("clip.y4m")).unwrap();
        let frame = Frame {
            picture: Picture::from_gray(vec![77; 64 * 36], 64, 36).unwrap(),
            ..Frame::default()
        };
        for _ in 0..150 {
            film.frame(&frame, std::iter::empty()).unwrap();
        }
        assert!(
            (38..=PICTURES).contains(&film.pictures.len()),
            "{}",
            film.pictures.len()
        );
        film.finish().unwrap();
        let path = dir.path().join("clip-track.y4m");
        let (mut again, mut count) = (Frame::default(), 0);
        let mut source = Files::new(vec![Input::Path(path)], Repeat::Once, 1);
        while source.read(&mut again).unwrap() == Next::Frame {
            assert_eq!(again.picture, frame.picture);
            count += 1;
        }
        assert_eq!(count, 150);
        assert!(dir.path().join("clip-sheet.png").is_file());
    }

    #[test]
    fn grey_has_no_colour() {
        assert_eq!(yuv(Rgb([90; 3])), [90, 128, 128]);
        assert_eq!(yuv(Rgb([255, 0, 0])), [76, 85, 255]);
    }
}
