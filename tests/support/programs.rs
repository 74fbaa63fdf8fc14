//! Runs the workspace's programs, which `cargo build --workspace` has put beside the test binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The bundle whose figures are asked for: the one that BUNDLE names, or the default one.
pub(crate) fn measured_bundle() -> PathBuf {
    std::env::var_os("BUNDLE").map_or_else(|| root().join("edge-runtime/models/default"), PathBuf::from)
}

/// What cargo knows of the workspace and its dependencies, for this machine's platform.
pub(crate) fn metadata() -> serde_json::Value {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ]);
    serde_json::from_str(&run(command.current_dir(root()), 0).out).unwrap()
}

/// A program of the workspace.
pub(crate) fn program(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --workspace`, or ./scripts/test",
        path.display()
    );
    Command::new(path)
}

/// Runs to the end; the exit code must be `code`.
pub(crate) fn run(command: &mut Command, code: i32) -> Ran {
    let output = command.output().unwrap();
    let ran = Ran::new(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{}", ran.errors);
    ran
}

/// What a program printed.
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Ran {
    fn new(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            out: text(&output.stdout),
            errors: text(&output.stderr),
        }
    }

    /// The JSON lines on stdout.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
