//! Which crate may know which, and which file of it.

mod arrows;
mod modules;

use std::fs;
use std::path::Path;

use crate::support::programs::{metadata, root};

use arrows::{CRATES, Package, packages, reached};

#[test]
fn each_crate_needs_only_what_it_may() {
    let wrong: Vec<String> = packages(&metadata()).iter().flat_map(arrows::wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_arrow_is_found() {
    let package = |needs: &str| Package {
        needs: vec![needs.to_owned()],
        ..Package::named("inference")
    };
    assert!(arrows::wrong(&package("kernels")).is_empty());
    for needs in ["vision", "edge-runtime", "host-trainer", "rumqttc", "testing"] {
        let wrong = arrows::wrong(&package(needs));
        assert_eq!(wrong.len(), 1, "{needs}: {wrong:?}");
    }
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    let packages = packages(&metadata);
    let runtime = packages
        .iter()
        .filter(|package| Path::new(&package.path).starts_with(root().join("edge-runtime")));
    let runtime: Vec<&str> = runtime.map(|package| package.name.as_str()).collect();
    assert!(runtime.len() > 6, "{runtime:?}");
    for name in runtime {
        let reached = reached(&metadata, name);
        let training = reached.iter().find(|n| n.starts_with("burn") || *n == "host-trainer");
        assert_eq!(training, None, "{name} needs a training library");
    }
    assert!(reached(&metadata, "edge-runtime").contains("tract-core"));
    let trainer = reached(&metadata, "host-trainer");
    assert!(
        trainer.contains("inference") && !trainer.contains("edge-runtime"),
        "{trainer:?}"
    );
    for (contract, library) in [
        ("shared-model", "heapless"),
        ("kernels", "rustix"),
        ("durable", "crc32fast"),
    ] {
        let reached = reached(&metadata, contract);
        let ours: Vec<&str> = CRATES
            .iter()
            .map(|own| own.name)
            .filter(|own| reached.contains(*own))
            .collect();
        assert!(
            ours == [contract] && reached.contains(library),
            "{contract}: {reached:?}"
        );
    }
}

#[test]
fn only_kernels_may_say_unsafe() {
    for package in packages(&metadata()) {
        for file in &package.roots {
            let forbids = fs::read_to_string(file).unwrap().contains("#![forbid(unsafe_code)]");
            assert_eq!(forbids, package.name != "kernels", "{file}");
        }
    }
}

#[test]
fn no_circle_of_files() {
    let packages = packages(&metadata());
    assert_eq!(packages.len(), CRATES.len());
    for package in packages {
        let circles = modules::circles(&Path::new(&package.path).join("src"));
        assert!(circles.is_empty(), "{}:\n{}", package.name, circles.join("\n"));
    }
}
