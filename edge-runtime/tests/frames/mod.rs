//! Frames stay in the memory of the device: neither files nor sockets get them.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A stream of grey frames, small enough to be read within a second.
fn clip(path: &Path) {
    let mut stream = b"YUV4MPEG2 W96 H96 F10:1 Cmono\n".to_vec();
    for frame in 0..12u8 {
        stream.extend(b"FRAME\n");
        stream.extend((0..96 * 96u32).map(|at| (at as u8).wrapping_mul(31) ^ frame));
    }
    fs::write(path, stream).unwrap();
}

/// System calls of a run over the clip, one a line; `None`, loudly, where there is no strace.
fn traced(mode: &str) -> Option<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let (config, log) = (dir.path().join("config.toml"), dir.path().join("calls"));
    clip(&dir.path().join("clip.y4m"));
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
    let text = format!(
        "schema = 1\nbundle = \"{}\"\n[source]\nuri = \"clip.y4m\"\n[face]\nmode = \"{mode}\"\n[sink]\nstdout = \"faces\"\n",
        bundle.display()
    );
    fs::write(&config, text).unwrap();
    let mut strace = Command::new("strace");
    strace
        .args([
            "-f",
            "-qq",
            "-s",
            "64",
            "-e",
            "trace=file,network,write,writev,pwrite64,sendfile,splice",
            "-o",
        ])
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_edge-runtime"))
        .args(["run", "--config"])
        .arg(&config);
    let output = match strace.output() {
        Ok(output) => output,
        Err(error) => {
            testing::skip(&format!(
                "frames stay in memory: strace: {error}: `apt-get install strace`"
            ));
            return None;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("ptrace") && said.contains("Operation not permitted") {
        testing::skip(&format!("frames stay in memory: strace may not trace here: {said}"));
        return None;
    }
    assert!(output.status.success(), "{said}");
    assert!(said.contains("judged 12"), "{said}");
    Some(fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn frames_reach_neither_disk_nor_network() {
    for mode in ["whole", "detect"] {
        let Some(calls) = traced(mode) else { return };
        assert!(
            calls.iter().any(|call| call.contains("clip.y4m")),
            "the trace sees the files that are read"
        );
        let is = |call: &str, name: &str| call.contains(&format!(" {name}("));
        for call in &calls {
            for network in ["socket", "connect", "bind", "sendto", "sendmsg", "sendfile", "splice"] {
                assert!(!is(call, network), "{call}");
            }
            let opens = is(call, "openat") || is(call, "open") || is(call, "creat");
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "creat("]
                .iter()
                .any(|flag| call.contains(flag));
            assert!(!(opens && writes), "{call}");
            let out = ["write", "writev", "pwrite64"].iter().any(|name| is(call, name));
            // Standard output and standard error: JSON lines and counts, in text.
            assert!(!out || call.contains("(1, ") || call.contains("(2, "), "{call}");
            if out {
                assert!(!call.contains("\\377") && !call.contains("\\0"), "no text: {call}");
            }
            for change in [
                "mkdir",
                "mkdirat",
                "rename",
                "renameat",
                "renameat2",
                "unlink",
                "truncate",
            ] {
                assert!(!is(call, change), "{call}");
            }
        }
    }
}
