//! Takes the face detector's model out of the package of the `rustface` crate.
//!
//! The model belongs to that package and is not copied into this repository: cargo says where the
//! package lies, and the file goes to `OUT_DIR`, from where `face/cascade.rs` includes it. Tests take the package's photograph.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const PACKAGE: &str = "rustface";
const MODEL: &str = "model/seeta_fd_frontal_v1.0.bin";

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CASCADE").is_none() {
        return ExitCode::SUCCESS;
    }
    match copy_model() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot take {MODEL} out of the package of `{PACKAGE}`: {error}");
            ExitCode::FAILURE
        }
    }
}

fn copy_model() -> Result<(), Box<dyn Error>> {
    let package = package_dir()?;
    println!("cargo:rustc-env=DETECTOR_PACKAGE={}", package.display());
    let model = package.join(MODEL);
    println!("cargo:rerun-if-changed={}", model.display());
    let to = Path::new(&env::var("OUT_DIR")?).join("face_detector.bin");
    fs::copy(&model, &to).map_err(|error| format!("{}: {error}", model.display()))?;
    Ok(())
}

/// Where cargo keeps the package of the detector.
///
/// Asked of a package of its own that needs nothing else: asked of the workspace, cargo would want every
/// package of it at hand, the trainer's, too, which a build of the runtime does not fetch.
fn package_dir() -> Result<PathBuf, Box<dyn Error>> {
    let manifest_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let question = Path::new(&env::var("OUT_DIR")?).join("question");
    fs::create_dir_all(question.join("src"))?;
    fs::write(question.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[package]\nname = \"question\"\nedition = \"2024\"\n\n\
         [dependencies]\n{PACKAGE} = {{ version = \"*\", default-features = false }}\n\n[workspace]\n"
    );
    fs::write(question.join("Cargo.toml"), manifest)?;
    // The lock file says which version the workspace uses.
    if let Some(lock) = manifest_dir
        .ancestors()
        .map(|dir| dir.join("Cargo.lock"))
        .find(|lock| lock.exists())
    {
        fs::copy(lock, question.join("Cargo.lock"))?;
    }
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(question.join("Cargo.toml"))
        .current_dir(manifest_dir)
        .output()?;
    if !output.status.success() {
        return Err(format!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let manifest = metadata["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|package| package["name"] == PACKAGE))
        .and_then(|package| package["manifest_path"].as_str())
        .ok_or("`cargo metadata` does not name the package")?;
    let dir = Path::new(manifest).parent().ok_or("the package has no directory")?;
    Ok(dir.to_path_buf())
}
