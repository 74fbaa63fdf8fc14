//! Every page in each of its moods: names and contrast as WCAG AA wants them, and no request that leaves the kiosk.

use std::fs;
use std::net::SocketAddr;

use super::aim;
use super::{address, kiosk};
use crate::support::chromium::Chromium;
use crate::support::http::post;

/// A page in a window.
struct View {
    path: &'static str,
    size: [u32; 2],
    /// What a proxy would add: whoever sends it is asked for the token.
    from_elsewhere: bool,
    /// When the page is as it will stay.
    ready: &'static str,
}

const fn view(path: &'static str, size: [u32; 2], ready: &'static str) -> View {
    View {
        path,
        size,
        from_elsewhere: false,
        ready,
    }
}

const WALL: [u32; 2] = [1920, 1080];
const TOUCH: [u32; 2] = [800, 480];
const UPRIGHT: [u32; 2] = [1080, 1920];
const PHONE: [u32; 2] = [390, 844];

const JUDGED: &str = "document.body?.dataset.phase === 'show' || document.body?.dataset.phase === 'unsure'";
const WORDS: &str = "document.getElementById('word')?.textContent";
const PAUSED: &str = "document.body?.dataset.phase === 'paused'";
const PARTS: &str = "document.querySelectorAll('#parts li').length >= 5";
const SIGN_IN: &str = "document.querySelector('#form .note')?.textContent";
const AIMED: &str = "document.querySelectorAll('#meters dt').length === 3";

const RUNNING: [View; 5] = [
    view("/", WALL, JUDGED),
    view("/", UPRIGHT, JUDGED),
    view("/", TOUCH, WORDS),
    view("/operator", PHONE, PARTS),
    View {
        from_elsewhere: true,
        ..view("/operator", PHONE, SIGN_IN)
    },
];
const IN_A_PAUSE: [View; 3] = [
    view("/", WALL, PAUSED),
    view("/", UPRIGHT, PAUSED),
    view("/operator", PHONE, PARTS),
];
const AIMING: [View; 2] = [view("/", WALL, AIMED), view("/", PHONE, AIMED)];

/// Opens a view; `None`, said loudly, without Chromium.
fn open(address: SocketAddr, view: &View) -> Option<Chromium> {
    let mut window = Chromium::open(view.size[0], view.size[1])?;
    if view.from_elsewhere {
        window.send_header("X-Forwarded-For", "192.168.1.9");
    }
    window.go(&format!("http://{address}{}", view.path));
    window.until(view.ready);
    Some(window)
}

/// Shows every view of a kiosk that runs, that is paused, and that is aimed.
fn every_view(mut test: impl FnMut(SocketAddr, &View)) {
    let world = kiosk("");
    let mut running = |address| {
        for view in &RUNNING {
            test(address, view);
        }
        post(address, "/api/pause", "ON", "");
        for view in &IN_A_PAUSE {
            test(address, view);
        }
        // Nothing is left of it for whoever aims.
        post(address, "/api/pause", "OFF", "");
    };
    world.run(|world| running(address(world))).unwrap();
    let aiming = aim::start(&world);
    for view in &AIMING {
        test(aiming.address, view);
    }
}

#[test]
fn contrast_and_names_satisfy_wcag_aa() {
    let Ok(axe) = std::env::var("AXE") else {
        return testing::skip("AXE names no axe.min.js of axe-core; scripts/test gets it");
    };
    let axe = fs::read_to_string(axe).unwrap();
    every_view(|address, view| {
        let Some(mut window) = open(address, view) else {
            return;
        };
        window.value(&format!("{axe}; true"));
        let run = "axe.run({runOnly: ['wcag2a', 'wcag2aa']}).then(r => r.violations.map(v => v.id + ' ' + v.nodes.map(n => n.html)))";
        let violations = window.value(run);
        let [width, height] = view.size;
        assert_eq!(
            violations,
            serde_json::json!([]),
            "{} {width}x{height} {}",
            view.path,
            view.ready
        );
    });
}

#[test]
fn no_request_leaves_the_kiosk_and_nothing_breaks_the_content_policy() {
    every_view(|address, view| {
        let Some(mut window) = open(address, view) else {
            return;
        };
        let own = format!("http://{address}/");
        window.value("1");
        let is_own = |request: &str| {
            ["data:", "blob:", "about:blank", &own]
                .iter()
                .any(|own| request.starts_with(own))
        };
        let elsewhere: Vec<&String> = window.requests.iter().filter(|request| !is_own(request)).collect();
        assert!(window.requests.len() > 5 && elsewhere.is_empty(), "{elsewhere:?}");
        // That somebody has to sign in is an answer of 401, which browsers write down as an error.
        let refused = |complaint: &&String| view.from_elsewhere && complaint.contains("401");
        let complaints: Vec<&String> = window.complaints.iter().filter(|it| !refused(it)).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
    });
}
