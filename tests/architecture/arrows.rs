//! The crates, their floors, and what each may need.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What a crate of the workspace may need to be built. Its own tests may use more, of lower floors.
pub(crate) struct Crate {
    pub(crate) name: &'static str,
    /// It needs crates of lower floors alone.
    floor: u32,
    /// Of the workspace.
    ours: &'static [&'static str],
    /// Of others.
    libraries: &'static [&'static str],
}

/// Helps tests, and stands on every floor for them alone.
const TESTING: &str = "testing";

/// Gives the libraries of all builds the same features.
const FEATURES: &str = "workspace-hack";

/// Every crate of the workspace.
pub(crate) const CRATES: [Crate; 13] = [
    Crate {
        name: FEATURES,
        floor: 0,
        ours: &[],
        libraries: &[
            "base64",
            "bytemuck",
            "clap",
            "either",
            "futures-core",
            "getrandom",
            "half",
            "hashbrown",
            "libc",
            "num-complex",
            "num-traits",
            "once_cell",
            "rand",
            "rustix",
            "serde",
            "serde_core",
            "serde_json",
            "smallvec",
            "syn",
        ],
    },
    Crate {
        name: "shared-model",
        floor: 1,
        ours: &[],
        libraries: &["heapless", "libm", "serde"],
    },
    Crate {
        name: "diagnostics",
        floor: 1,
        ours: &[],
        libraries: &["rustix", "thiserror", "tracing", "tracing-subscriber"],
    },
    Crate {
        name: "kernels",
        floor: 1,
        ours: &[],
        libraries: &["rustix", "thiserror"],
    },
    Crate {
        name: "onnx",
        floor: 1,
        ours: &[FEATURES],
        libraries: &["prost"],
    },
    Crate {
        name: "inference",
        floor: 2,
        ours: &["kernels", "onnx", "shared-model", FEATURES],
        libraries: &[
            "clap",
            "image",
            "prost",
            "schemars",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tract-core",
            "tract-onnx",
            "zune-jpeg",
        ],
    },
    Crate {
        name: "durable",
        floor: 2,
        ours: &[],
        libraries: &["crc32fast", "rustix", "thiserror"],
    },
    Crate {
        name: "vision",
        floor: 3,
        ours: &["inference", "shared-model", FEATURES],
        libraries: &["heapless", "image", "rustface", "serde", "serde_json", "thiserror"],
    },
    Crate {
        name: "update",
        floor: 3,
        ours: &["durable", "inference", "shared-model", FEATURES],
        libraries: &[
            "minisign-verify",
            "rustix",
            "rustls",
            "rustls-native-certs",
            "serde",
            "serde_json",
            "sha2",
            "tar",
            "thiserror",
            "ureq",
        ],
    },
    Crate {
        name: TESTING,
        floor: 3,
        ours: &["inference", "onnx", "shared-model", FEATURES],
        libraries: &["bolero", "heapless", "proptest", "prost", "serde_json", "sha2"],
    },
    Crate {
        name: "edge-runtime",
        floor: 4,
        ours: &[
            "diagnostics",
            "durable",
            "inference",
            "kernels",
            "shared-model",
            "update",
            "vision",
            FEATURES,
        ],
        libraries: &[
            "anyhow",
            "axum",
            "base64",
            "clap",
            "clap_complete",
            "clap_mangen",
            "csv",
            "font8x8",
            "futures-util",
            "getrandom",
            "gpiocdev",
            "heapless",
            "hyper",
            "hyper-util",
            "image",
            "jiff",
            "jpeg-encoder",
            "nix",
            "ring",
            "rosc",
            "rppal",
            "rumqttc-v4-next",
            "rustix",
            "rustls",
            "rustls-native-certs",
            "schemars",
            "sd-notify",
            "serde",
            "serde_json",
            "signal-hook",
            "strsim",
            "subtle",
            "thiserror",
            "tokio",
            "tokio-io-timeout",
            "tokio-rustls",
            "toml",
            "tracing",
            "ureq",
            "v4l",
            "zune-jpeg",
        ],
    },
    Crate {
        name: "host-trainer",
        floor: 4,
        ours: &[
            "diagnostics",
            "durable",
            "inference",
            "kernels",
            "onnx",
            "shared-model",
            "update",
            "vision",
            FEATURES,
        ],
        libraries: &[
            "anyhow",
            "base64",
            "burn",
            "burn-onnx",
            "clap",
            "crc32c",
            "csv",
            "ctrlc",
            "faer",
            "flate2",
            "heapless",
            "image",
            "indicatif",
            "mimalloc",
            "minisign",
            "plotters",
            "prost",
            "pulp",
            "rand",
            "rayon",
            "ruzstd",
            "serde",
            "serde_json",
            "sha2",
            "tar",
            "thiserror",
            "tokio",
            "toml",
            "tracing",
            "xml-rs",
            "zip",
        ],
    },
    Crate {
        name: "integration-tests",
        floor: 5,
        ours: &[],
        libraries: &[],
    },
];

/// A crate as cargo knows it.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder.
    pub(crate) path: String,
    /// Direct dependencies of the product and its build script, optional ones included.
    pub(crate) needs: Vec<String>,
    /// Those of its tests.
    pub(crate) test_needs: Vec<String>,
    /// First files of libraries and programs.
    pub(crate) roots: Vec<String>,
}

impl Package {
    /// One that needs nothing.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: String::new(),
            needs: Vec::new(),
            test_needs: Vec::new(),
            roots: Vec::new(),
        }
    }

    fn of(package: &Value) -> Self {
        let dependencies = |tests: bool| {
            let all = package["dependencies"].as_array().unwrap().iter();
            all.filter(move |dependency| (dependency["kind"] == "dev") == tests)
                .map(|dependency| text(&dependency["name"]))
                .collect()
        };
        let targets = package["targets"].as_array().unwrap().iter();
        let roots = targets.filter(|target| {
            target["kind"] == serde_json::json!(["lib"]) || target["kind"] == serde_json::json!(["bin"])
        });
        let manifest = text(&package["manifest_path"]);
        Self {
            name: text(&package["name"]),
            path: manifest.trim_end_matches("Cargo.toml").to_owned(),
            needs: dependencies(false),
            test_needs: dependencies(true),
            roots: roots.map(|target| text(&target["src_path"])).collect(),
        }
    }
}

/// The crates of the workspace.
pub(crate) fn packages(metadata: &Value) -> Vec<Package> {
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| package["source"].is_null())
        .map(Package::of)
        .collect()
}

fn known(name: &str) -> Option<&'static Crate> {
    CRATES.iter().find(|own| own.name == name)
}

/// What a crate needs and may not.
pub(crate) fn wrong(package: &Package) -> Vec<String> {
    let Some(own) = known(&package.name) else {
        return vec![format!("{} stands on no floor: give it one in this test", package.name)];
    };
    let tested = package
        .test_needs
        .iter()
        .filter(|name| known(name).is_some_and(|other| other.floor >= own.floor && other.name != TESTING));
    let tested = tested.map(|name| format!("tests of {} use {name}, which is not below it", own.name));
    let built = package.needs.iter().filter(|name| match known(name) {
        Some(other) => other.floor >= own.floor || !own.ours.contains(&other.name),
        None => !own.libraries.contains(&name.as_str()),
    });
    let built = built.map(|name| format!("{} may not need {name}", own.name));
    tested.chain(built).collect()
}

/// Names of everything that a package of the workspace needs to be built, itself included.
pub(crate) fn reached(metadata: &Value, package: &str) -> BTreeSet<String> {
    let list = |value: &Value| value.as_array().unwrap().clone();
    let names: BTreeMap<String, String> = list(&metadata["packages"])
        .iter()
        .map(|p| (text(&p["id"]), text(&p["name"])))
        .collect();
    let nodes: BTreeMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let named = names.iter().filter(|(_, name)| *name == package);
    let mut open: Vec<String> = named.map(|(id, _)| id.clone()).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !found.insert(names[&id].clone()) {
            continue;
        }
        for dependency in list(&nodes[&id]["deps"]) {
            let kinds = list(&dependency["dep_kinds"]);
            // Tests may use what the crate itself may not.
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                open.push(text(&dependency["pkg"]));
            }
        }
    }
    found
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
