//! Which crate may know which.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::programs::metadata;

/// Names of everything that a package of the workspace needs to be built, itself included.
fn needs(package: &str) -> BTreeSet<String> {
    let metadata = metadata();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let names: BTreeMap<String, String> = list(&metadata["packages"])
        .iter()
        .map(|p| (text(&p["id"]), text(&p["name"])))
        .collect();
    let nodes: BTreeMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let mut open: Vec<String> = names
        .iter()
        .filter(|(_, name)| *name == package)
        .map(|(id, _)| id.clone())
        .collect();
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

#[test]
fn dependencies_point_one_way() {
    let runtime = needs("edge-runtime");
    assert!(runtime.contains("tract-core") && runtime.contains("shared-model"));
    let training: Vec<&String> = runtime
        .iter()
        .filter(|n| n.starts_with("burn") || *n == "host-trainer")
        .collect();
    assert!(training.is_empty(), "the runtime needs {training:?}");

    let contract = needs("shared-model");
    let allowed = ["shared-model", "heapless", "libm", "serde"];
    let ours: Vec<&String> = contract
        .iter()
        .filter(|n| n.starts_with("edge") || n.starts_with("host"))
        .collect();
    assert!(
        ours.is_empty() && allowed.iter().all(|name| contract.contains(*name)),
        "{contract:?}"
    );
}
