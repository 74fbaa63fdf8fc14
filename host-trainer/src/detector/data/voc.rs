//! Pascal VOC: a file a picture with `filename`, `size`, and an `object` with `name`, `difficult` and `bndbox` for each
//! box. Every object is taken for a face, masked or not, but those called `person`, `body`, `head` or `helmet`.

use std::fs;
use std::path::{Path, PathBuf};

use xml::EventReader;
use xml::common::Position as _;
use xml::reader::XmlEvent;

use super::error::{checked, number};
use super::{Annotated, Annotations, Face, Kind, SetError, Wrong, held};
use crate::files;

/// Most elements within each other; the parser takes longer for each the deeper it lies.
const DEEPEST: usize = 64;

/// Objects that are larger than a face, or none.
const NO_FACES: [&str; 4] = ["person", "body", "head", "helmet"];

pub(super) fn read(folder: &Path) -> Result<Annotations, SetError> {
    let failed = |source| SetError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("xml")) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut found = Annotations::new();
    for path in paths {
        let text = files::read_text(&path).map_err(|source| SetError::Read {
            path: path.clone(),
            source,
        })?;
        let (name, annotated) = parse(&text).map_err(|(line, wrong)| SetError::Row {
            path: path.clone(),
            line,
            wrong,
        })?;
        if found.insert(name.clone(), annotated).is_some() {
            return Err(SetError::Row {
                path,
                line: 1,
                wrong: Wrong::Contradiction(name),
            });
        }
    }
    Ok(found)
}

/// What has been read of a file so far.
#[derive(Default)]
struct Reading {
    filename: String,
    size: [f32; 2],
    name: String,
    difficult: bool,
    corners: [Option<f32>; 4],
    faces: Vec<Face>,
}

/// Name of the picture and what is in it; an error comes with its line.
fn parse(text: &str) -> Result<(String, Annotated), (u64, Wrong)> {
    let mut reader = EventReader::from_str(text);
    let mut reading = Reading::default();
    let mut open: Vec<String> = Vec::new();
    loop {
        let event = reader.next();
        let line = reader.position().row + 1;
        let event = event.map_err(|error| (line, Wrong::Broken(error.msg().to_owned())))?;
        let taken = match event {
            XmlEvent::StartElement { name, .. } => {
                open.push(name.local_name);
                let deep = || Wrong::Broken(format!("more than {DEEPEST} elements lie within each other"));
                (open.len() <= DEEPEST).then_some(()).ok_or_else(deep)
            }
            XmlEvent::Characters(text) => reading.take(&open, text.trim()),
            XmlEvent::EndElement { name } => {
                open.pop();
                if name.local_name == "object" {
                    reading.close()
                } else {
                    Ok(())
                }
            }
            XmlEvent::EndDocument => return reading.finish().map_err(|wrong| (line, wrong)),
            _ => Ok(()),
        };
        taken.map_err(|wrong| (line, wrong))?;
    }
}

impl Reading {
    fn take(&mut self, open: &[String], text: &str) -> Result<(), Wrong> {
        let path: Vec<&str> = open.iter().skip(1).map(String::as_str).collect();
        match path.as_slice() {
            ["filename"] => text.clone_into(&mut self.filename),
            ["size", "width"] => self.size[0] = number("width", text)?,
            ["size", "height"] => self.size[1] = number("height", text)?,
            ["object", "name"] => text.clone_into(&mut self.name),
            ["object", "difficult"] => self.difficult = text == "1",
            ["object", "bndbox", corner] => {
                let place = ["xmin", "ymin", "xmax", "ymax"].iter().position(|name| name == corner);
                if let Some(place) = place {
                    self.corners[place] = Some(number(corner, text)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The end of an object.
    fn close(&mut self) -> Result<(), Wrong> {
        let corners = std::mem::take(&mut self.corners);
        let (name, difficult) = (std::mem::take(&mut self.name), std::mem::take(&mut self.difficult));
        if NO_FACES.contains(&name.to_lowercase().as_str()) {
            return Ok(());
        }
        let [Some(left), Some(top), Some(right), Some(bottom)] = corners else {
            return Err(Wrong::Lacks("bndbox with xmin, ymin, xmax, ymax"));
        };
        let bounds = checked([left, top, right, bottom], Some(self.size))?;
        let kind = if difficult { Kind::Ignore } else { Kind::Face };
        self.faces.push(Face {
            kind,
            bounds,
            points: None,
        });
        Ok(())
    }

    fn finish(self) -> Result<(String, Annotated), Wrong> {
        if self.filename.is_empty() {
            return Err(Wrong::Lacks("filename"));
        }
        if self.size.contains(&0.0) {
            return Err(Wrong::Lacks("size with width and height"));
        }
        let held = held("voc", &self.filename);
        let size = Some(self.size);
        Ok((
            self.filename,
            Annotated {
                source: "voc".to_owned(),
                held,
                size,
                faces: self.faces,
            },
        ))
    }
}
