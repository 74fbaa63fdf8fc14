//! The source: whether a first frame could come.

use std::env;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::Finding;
use crate::config::{Origin, Pacing, SourceConfig};
use crate::service::LONGEST_INTERVAL;
use crate::source::network::{self, StreamConfig};
use crate::source::{Files, Frame, FrameSource, Input, Next, Repeat};

/// All that is wrong with it.
pub(super) fn check(config: &SourceConfig) -> Vec<Finding> {
    if let Origin::Stream(stream) = &config.origin {
        let found = [on_the_search_path(Path::new(network::PROGRAM), FFMPEG), login(stream)];
        let wrong: Vec<Finding> = found.into_iter().filter_map(Result::err).map(bad).collect();
        if !wrong.is_empty() {
            return wrong;
        }
    }
    let found = match &config.origin {
        Origin::Files(Input::Path(path)) => film(path, config),
        // A stream was looked at above.
        Origin::Files(Input::Stdin) | Origin::Piped(_) | Origin::Stream(_) => Ok(()),
        Origin::V4l2(path) => device(path),
        Origin::Rpicam(program) => on_the_search_path(program, RPICAM),
    };
    vec![found.map_or_else(bad, |()| Finding::good("source", config.origin.to_string()))]
}

fn bad((why, cure): Misfit) -> Finding {
    Finding::bad("source", why, cure)
}

type Misfit = (String, &'static str);

/// Reads the first frame, as `run` would.
fn film(path: &Path, config: &SourceConfig) -> Result<(), Misfit> {
    let cure = "name a picture, a directory of pictures, or a .y4m or .mjpeg file as `source.uri`";
    if path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        // What is read from a pipe is gone.
        return Ok(());
    }
    let mut files = Files::new(vec![Input::Path(path.to_path_buf())], Repeat::Once, 0);
    if config.pacing == Pacing::Realtime {
        files = files.no_slower_than(LONGEST_INTERVAL);
    }
    let (mut frame, mut first) = (Frame::default(), None);
    loop {
        match files.read(&mut frame) {
            Ok(Next::Frame) => return Ok(()),
            Ok(Next::Nothing) => {}
            Ok(Next::End) => {
                let why = first.unwrap_or_else(|| format!("{}: not a single frame", path.display()));
                return Err((why, cure));
            }
            Err(error) => {
                first.get_or_insert(error.to_string());
            }
        }
    }
}

fn device(path: &Path) -> Result<(), Misfit> {
    let shown = path.display();
    if !cfg!(feature = "camera") {
        let why = format!("{shown}: this program was built without cameras");
        return Err((why, "build it with `--features camera`, or use rpicam: or a pipe"));
    }
    let is_device = path.metadata().map(|metadata| metadata.file_type().is_char_device());
    match is_device {
        Ok(true) if access(path, Access::READ_OK | Access::WRITE_OK).is_ok() => Ok(()),
        Ok(true) => Err((format!("{shown}: no permission"), "add the user to the group video")),
        Ok(false) => Err((format!("{shown} is no device"), "`ls /dev/video*` shows what is there")),
        Err(error) => Err((
            format!("{shown}: {error}"),
            "plug it in; `ls /dev/video*` shows what is there",
        )),
    }
}

const RPICAM: &str = "`sudo apt-get install rpicam-apps-lite`, or name the program in `source.uri`";
const FFMPEG: &str = "`sudo apt-get install ffmpeg`: it reads streams of the network";

/// Whether user and password can be read.
fn login(stream: &StreamConfig) -> Result<(), Misfit> {
    let shown = |path: &PathBuf| path.display().to_string();
    let file = stream.credentials_file.as_ref().map(shown).unwrap_or_default();
    let cure = "mend the file that `source.credentials_file` names";
    stream
        .address()
        .map(drop)
        .map_err(|error| (format!("{file}: {error}"), cure))
}

fn on_the_search_path(program: &Path, cure: &'static str) -> Result<(), Misfit> {
    let runs = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    let path = env::var_os("PATH").unwrap_or_default();
    let found = if program.components().count() > 1 {
        runs(program)
    } else {
        env::split_paths(&path).any(|dir| runs(&dir.join(program)))
    };
    if found {
        return Ok(());
    }
    Err((format!("{}: there is no such program", program.display()), cure))
}
