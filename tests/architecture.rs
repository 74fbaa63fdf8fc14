//! Which crate may know which, and which file of it.

mod arrows;
mod modules;

use std::collections::BTreeSet;
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

/// A sink may have its protocol in more files, which nobody else sees.
#[test]
fn every_sink_meets_the_rest_of_the_program_in_one_file() {
    let sinks = root().join("edge-runtime/src/sink");
    let names = fs::read_dir(&sinks).unwrap().map(|entry| entry.unwrap().path());
    let names: BTreeSet<String> = names
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut found = Vec::new();
    for name in names {
        let inside = fs::read_dir(sinks.join(&name)).into_iter().flatten();
        let files = inside.map(|entry| entry.unwrap().path());
        let texts = files
            .chain([sinks.join(&name).with_extension("rs")])
            .filter(|path| path.is_file());
        let texts = texts.filter(|path| !path.ends_with("tests.rs"));
        let texts: Vec<String> = texts.map(|path| fs::read_to_string(path).unwrap()).collect();
        let doors = texts.iter().filter(|text| {
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            code.contains(" SignalSink for ") || code.contains(" Recipient for ")
        });
        match doors.count() {
            0 => continue,
            1 => found.push(name.clone()),
            more => panic!("{name}: {more} files"),
        }
        let is_open = texts.iter().flat_map(|text| text.lines()).any(|line| {
            let module = line.trim_start().split_once("mod ");
            module.is_some_and(|(before, _)| before.starts_with("pub"))
        });
        assert!(!is_open, "{name}: a part of it can be named from outside");
    }
    let expected = [
        "gpio", "lines", "mqtt", "osc", "outlet", "serial", "udp", "webhook", "when",
    ];
    assert_eq!(found, expected);
}
