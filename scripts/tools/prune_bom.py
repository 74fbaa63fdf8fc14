"""Leaves in a CycloneDX bill of materials only what is really built.

usage: cargo tree --prefix none --format '{p}' … | prune_bom.py BOM.json

cargo-cyclonedx goes by `cargo metadata`, which also names packages of optional features that nobody turned on. `cargo tree`
knows the features. The file is written in place.
"""

import json
import sys


def built(lines):
    """Name and version of each package of `cargo tree`, whose lines look like `serde v1.0.229 (proc-macro)`."""
    return {(name, version.removeprefix("v")) for name, version, *_ in (line.split() for line in lines if line.strip())}


def main():
    path = sys.argv[1]
    wanted = built(sys.stdin)
    if not wanted:
        sys.exit("prune_bom: cargo tree named no package")
    with open(path, encoding="utf-8") as file:
        bom = json.load(file)
    kept = [part for part in bom["components"] if (part["name"], part["version"]) in wanted]
    missing = wanted - {(part["name"], part["version"]) for part in kept}
    own = bom["metadata"]["component"]
    missing.discard((own["name"], own["version"]))
    if missing:
        sys.exit(f"prune_bom: {path} lacks {sorted(missing)}")
    refs = {part["bom-ref"] for part in kept} | {own["bom-ref"]}
    bom["components"] = kept
    bom["dependencies"] = [
        {**entry, "dependsOn": [ref for ref in entry.get("dependsOn", []) if ref in refs]}
        for entry in bom["dependencies"]
        if entry["ref"] in refs
    ]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(bom, file, indent=1)
        file.write("\n")
    print(len(kept))


main()
