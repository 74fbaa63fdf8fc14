//! A directory of pictures without annotations: none shows a face.

use std::fs;
use std::path::Path;

use super::{Gray, Photo, SetError};
use crate::data::left_out::LeftOut;
use crate::files;

/// All pictures of a directory, in the order of their names, without a box. Directories in it are not looked into; what is
/// left out is told.
///
/// # Errors
/// [`SetError::Read`] where directory or file cannot be read, [`SetError::Picture`] where one is no picture, and
/// [`SetError::Empty`] where there is none.
pub fn pictures(folder: &Path) -> Result<Vec<Photo>, SetError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| SetError::Read { path, source }
    };
    let (mut photos, mut left_out) = (Vec::new(), LeftOut::default());
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if !left_out.takes(&path, folder) {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = files::read(&path).map_err(failed(&path))?;
        let (gray, scale) = match Gray::decode(&bytes) {
            Ok(decoded) => decoded,
            Err(source) => return Err(SetError::Picture { name, source }),
        };
        photos.push(Photo {
            name,
            source: String::new(),
            scale,
            held: true,
            faces: Vec::new(),
            pyramid: gray.pyramid(),
        });
    }
    if let Some(left_out) = left_out.told() {
        tracing::warn!(about = left_out, "{}: {left_out}", folder.display());
    }
    if photos.is_empty() {
        return Err(SetError::Empty {
            path: folder.to_owned(),
        });
    }
    photos.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(photos)
}
