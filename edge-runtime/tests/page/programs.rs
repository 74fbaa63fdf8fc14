//! The data for programs, as a browser's own WebSocket reads it.

use serde_json::Value;

use super::{kiosk, visit};
use crate::support::chromium::Chromium;
use crate::support::http::get;
use crate::support::until;

/// Listens until a frame's faces have come, and on until a pause has ended the verdict; gives the last of each message.
const LISTEN: &str = "new Promise((done, fail) => {
    const socket = new WebSocket(`ws://${location.host}/api/socket`);
    const heard = {};
    let paused = false;
    socket.onerror = () => fail(new Error('no WebSocket'));
    socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        heard[message.event] = message.data;
        if (heard.snapshot && heard.faces && !paused) {
            paused = true;
            delete heard.state;
            fetch('/api/pause', { method: 'POST', body: 'ON' });
        } else if (paused && heard.state?.emotion === 'unknown') {
            socket.close();
            done(heard);
        }
    };
})";

/// Whether a WebSocket of the page that is open may connect.
fn connects(window: &mut Chromium, address: std::net::SocketAddr) -> Value {
    window.value(&format!(
        "new Promise((done) => {{
            const socket = new WebSocket('ws://{address}/api/socket');
            socket.onopen = () => done(true);
            socket.onerror = () => done(false);
        }})"
    ))
}

#[test]
fn a_browsers_own_websocket_tells_what_the_pages_are_told() {
    let Some(mut window) = Chromium::open(800, 480) else {
        return;
    };
    let world = kiosk("");
    visit(&world, |address| {
        // Only a verdict that has begun ends with the pause.
        until("a verdict has begun", || {
            get(address, "/api/snapshot").json()["state"]["emotion"] != "unknown"
        });
        window.go(&format!("http://{address}/"));
        window.until("document.getElementById('word')");
        let heard = window.value(LISTEN);
        assert_eq!(heard["snapshot"]["classes"].as_array().unwrap().len(), 6);
        assert_eq!(heard["faces"]["faces"][0]["keypoints"].as_array().unwrap().len(), 15);
        // In the very fields of the line on standard output.
        let lines = world.told("out").into_iter().rev();
        let mut lines = lines.map(|line| serde_json::from_str::<Value>(line.strip_prefix("out ").unwrap()).unwrap());
        let own = |line: &Value| line["sequence"] == heard["state"]["sequence"];
        let line = lines.find(own).unwrap();
        for (name, value) in line.as_object().unwrap() {
            let told = &heard["state"][name];
            // To a browser, 0.0 is 0.
            assert!(
                told == value || told.as_f64() == value.as_f64(),
                "{name}: {heard} {line}"
            );
        }
        assert!(window.complaints.is_empty(), "{:?}", window.complaints);
    });
}

#[test]
fn a_page_from_elsewhere_gets_no_websocket() {
    let Some(mut window) = Chromium::open(800, 480) else {
        return;
    };
    let world = kiosk("");
    visit(&world, |address| {
        assert_eq!(connects(&mut window, address), false);
        window.go(&format!("http://{address}/"));
        window.until("document.getElementById('word')");
        assert_eq!(connects(&mut window, address), true);
    });
}
