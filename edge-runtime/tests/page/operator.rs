//! The operator's page in Chromium: its buttons do what they say.

use std::process::Stdio;

use super::{kiosk, start, visit};
use crate::support::chromium::Chromium;
use crate::support::http::get;
use crate::support::until;
use crate::update::kiosk::{Kiosk, stop};

#[test]
fn nothing_on_the_visitors_page_leads_to_the_operators() {
    let Some(mut window) = Chromium::open(800, 480) else {
        return;
    };
    let world = kiosk("");
    visit(&world, |address| {
        window.go(&format!("http://{address}/"));
        window.until("document.getElementById('word')?.textContent");
        let ways =
            "document.querySelectorAll('a, area, form, button, input, select, iframe, [tabindex], [onclick]').length";
        assert_eq!(window.value(ways), 0);
        let files: Vec<String> = window
            .requests
            .iter()
            .filter(|it| it.contains("/assets/"))
            .cloned()
            .collect();
        let scripts = files.iter().filter(|it| it.rsplit('.').next() == Some("js"));
        for script in scripts.clone() {
            let path = script.split_once(&address.to_string()).unwrap().1;
            let text = get(address, path).text();
            assert!(!text.contains("/operator") && !text.contains("location"), "{path}");
        }
        assert!(scripts.count() >= 4, "{files:?}");
    });
}

#[test]
fn an_operator_pauses_and_mutes_the_kiosk_by_a_touch() {
    let Some(mut window) = Chromium::open(390, 844) else {
        return;
    };
    let world = kiosk("");
    visit(&world, |address| {
        window.go(&format!("http://{address}/operator"));
        window.until("document.querySelectorAll('#parts li').length >= 5");
        for switch in ["pause", "mute"] {
            for on in [true, false] {
                window.press(switch);
                window.until(&format!(
                    "document.getElementById('{switch}').getAttribute('aria-pressed') === '{on}'"
                ));
                assert_eq!(get(address, "/api/snapshot").json()["switches"][switch], on, "{switch}");
            }
        }
        let wide = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(window.value(wide), true);
        assert!(window.complaints.is_empty(), "{:?}", window.complaints);
    });
}

#[test]
fn an_operator_installs_a_bundle_by_a_touch_once_the_question_is_answered_with_yes() {
    let Some(mut window) = Chromium::open(390, 844) else {
        return;
    };
    let kiosk = Kiosk::new();
    kiosk.configure("channel = \"channel\"\ncheck_interval_s = 1\n[page]\nlisten = \"127.0.0.1:0\"\n");
    kiosk.publish(&kiosk.archive(2, |_| ()), 2, 1);
    let (child, address) = start(&kiosk, Stdio::null());
    // No at first, and yes from then on.
    window.before_pages("window.asked = []; window.confirm = (question) => asked.push(question) > 1;");
    window.go(&format!("http://{address}/operator"));
    window.until("document.getElementById('install')?.textContent === 'Install bundle 2' && !install.hidden");
    window.press("install");
    window.until("asked.length === 1");
    assert_eq!(get(address, "/api/snapshot").json()["update"]["in_progress"], false);
    assert_eq!(kiosk.installed(), None);
    window.press("install");
    until("it works and stays", || kiosk.installed() == Some(2));
    window.until("document.getElementById('install').hidden && asked.length === 2");
    window.until("document.getElementById('update-words').textContent === 'No newer bundle is known.'");
    assert!(window.complaints.is_empty(), "{:?}", window.complaints);
    stop(child);
}

/// Keeps back one answer of a snapshot, once `hold` is true, and notes what the button of the pause says.
const HELD: &str = "
window.hold = false;
window.looks = 0;
window.said = [];
const ask = window.fetch;
window.fetch = async (...what) => {
  const answer = await ask(...what);
  if (what[0] !== '/api/snapshot') return answer;
  if (!window.hold) return window.looks++, answer;
  window.hold = false;
  return new Promise((done) => { window.release = () => done(answer); });
};
addEventListener('DOMContentLoaded', () => {
  const pause = document.getElementById('pause');
  new MutationObserver(() => said.push(pause.getAttribute('aria-pressed'))).observe(pause, { attributes: true });
});";

#[test]
fn an_answer_that_comes_late_does_not_turn_a_button_back() {
    let Some(mut window) = Chromium::open(390, 844) else {
        return;
    };
    let world = kiosk("");
    visit(&world, |address| {
        window.before_pages(HELD);
        window.go(&format!("http://{address}/operator"));
        window.until("document.querySelectorAll('#parts li').length >= 5");
        window.value("window.hold = true");
        window.until("window.release");
        window.press("pause");
        window.until("document.getElementById('pause').getAttribute('aria-pressed') === 'true'");
        window.value("said.length = looks = 0; release()");
        // By then the late answer was dealt with.
        window.until("looks >= 2 && said.length >= 2");
        let said = window.value("said");
        let said = said.as_array().unwrap();
        assert!(said.iter().all(|it| it == "true"), "{said:?}");
    });
}
