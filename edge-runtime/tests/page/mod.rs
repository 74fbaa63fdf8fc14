//! The pages, over real connections: what they give, to whom, and what a viewer costs.

mod aim;
mod attacks;
mod axe;
mod browser;
#[cfg(all(feature = "mqtt", feature = "webhook"))]
mod checks;
mod counts;
mod greeting;
mod load;
mod media;
mod motion;
mod notice;
mod operator;
mod programs;
mod references;
mod safety;
mod tls;
mod verdicts;
mod viewers;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::daemon::world::World;
use crate::support::http::get;
use crate::support::until;
use crate::update::kiosk::Kiosk;

/// A kiosk with pages, on a free port of the loopback, and ten frames a second; `more` is added to `[page]`.
pub(crate) fn kiosk(more: &str) -> World {
    let world = World::new(&format!("[page]\nlisten = \"127.0.0.1:0\"\n{more}"));
    reconfigure(&world, "loop = true", "loop = true\nrealtime = true");
    // A pause outlasts the test elsewhere.
    reconfigure(
        &world,
        "bundle = \"factory\"",
        "bundle = \"factory\"\nstate = \"state\"",
    );
    world
}

/// Changes what its configuration says.
pub(crate) fn reconfigure(world: &World, from: &str, to: &str) {
    let path = world.kiosk.path("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Where its pages are, once they are served and the first state is known.
pub(crate) fn address(world: &World) -> SocketAddr {
    world.until_seen("info pages: ", 1);
    world.until_seen("out", 1);
    let told = world.told("info pages: http://");
    let place = told[0].strip_prefix("info pages: http://").unwrap();
    place.trim_end_matches('/').parse().unwrap()
}

/// Starts the program itself, which says what it says into the file `log`, and gives its pages' place once a state is known.
pub(crate) fn start(kiosk: &Kiosk, stdout: Stdio) -> (Child, SocketAddr) {
    let mut program = kiosk.program("run");
    let log = kiosk.path("log");
    let said = fs::File::create(&log).unwrap();
    let child = program.stdout(stdout).stderr(said).spawn().unwrap();
    let mut place = None;
    until("the pages are served", || {
        let said = fs::read_to_string(&log).unwrap();
        let rest = said.split_once("pages: http://").map(|(_, rest)| rest.to_owned());
        place = rest.filter(|rest| rest.contains('\n'));
        place.is_some()
    });
    let place = place.unwrap();
    let address = place.lines().next().unwrap().trim_end_matches('/').parse().unwrap();
    until("the first state", || get(address, "/api/snapshot").status == 200);
    (child, address)
}

/// The files in a folder and in those in it.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] });
    files.collect()
}

#[test]
fn no_file_of_the_pages_can_name_a_picture() {
    let files = files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page"));
    let sources: Vec<_> = files
        .iter()
        .filter(|file| file.extension().is_some_and(|it| it == "rs"))
        .collect();
    assert!(sources.len() > 15);
    for file in sources {
        let text = fs::read_to_string(file).unwrap();
        for name in [
            "inference::",
            "GrayView",
            "crate::source",
            "crate::aim",
            "crate::pipeline",
            "Picture",
            "image::Rgb",
        ] {
            assert!(!text.contains(name), "{} names {name}", file.display());
        }
    }
}

/// Runs the kiosk beside a test of its pages.
pub(crate) fn visit(world: &World, test: impl FnOnce(SocketAddr)) {
    world.run(|world| test(address(world))).unwrap();
}
