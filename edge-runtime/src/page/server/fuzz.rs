//! Requests at random: whatever comes, the server lives, lets nobody in, and changes nothing.

use std::fs;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::pin::Pin;

use testing::bolero::check;
use testing::fuzz::{Answers, DRAWN};
use tokio::net::UnixStream;
use tokio::task::yield_now;
use update::Offer;

use super::*;
use crate::page::hub::{About, PageContext};
use crate::sink::updates::Updates;
use crate::switches::{Switch, Switches};

/// Longest wait for a part of an answer: streams never end.
const WAIT: Duration = Duration::from_millis(20);

/// How often everything else has its turn before an answer is late.
const TURNS: usize = 20;

/// Most of an answer that is read.
const LONGEST: usize = 64 * 1024;

/// The kiosk's own name.
const OWN: &str = "127.0.0.1:8380";

/// Stands for that name in the corpus.
const HOST: &str = "{host}";

const TOKEN: &str = "00112233445566778899aabbccddeeff";

/// What only this machine and those who have the token may see: a part of the state, and of a file.
const CLOSED: [&str; 2] = ["start-number-17", "Hello, visitor!"];

/// A kiosk with everything that pages may show.
fn kiosk(dir: &Path) -> PageConfig {
    fs::write(dir.join("token"), TOKEN).unwrap();
    fs::create_dir(dir.join("media")).unwrap();
    fs::write(dir.join("media/happy.txt"), CLOSED[1]).unwrap();
    fs::write(dir.join("media/happy.png"), [7; 1000]).unwrap();
    PageConfig {
        listen: OWN.parse().unwrap(),
        token_file: Some(dir.join("token")),
        media: Some(dir.join("media")),
        ..PageConfig::default()
    }
}

/// What orders would change.
#[derive(Default)]
struct Commands {
    switches: Arc<Switches>,
    updates: Arc<Updates>,
}

impl Commands {
    fn attach(&self, hub: &Hub) {
        self.updates.set_offer(Offer {
            installed: 1,
            latest: 2,
            in_progress: false,
        });
        hub.attach(PageContext {
            about: About {
                boot: CLOSED[0].to_owned(),
                ..About::default()
            },
            switches: Arc::clone(&self.switches),
            updates: Some(Arc::clone(&self.updates)),
            frames: Box::new(Default::default),
            parts: Box::new(Vec::new),
            outbox: Box::new(|| None),
            today: Box::new(|| None),
            counted: Some(Arc::new(|since| Ok(format!("{{\"since\":\"{since:?}\"}}")))),
            left: None,
            checks: Arc::new(Vec::new),
        });
    }

    fn came(&self) -> bool {
        self.updates.take_request() || Switch::ALL.iter().any(|switch| self.switches.is_on(*switch))
    }
}

/// What comes back until the end, or until nothing comes.
async fn exchange(router: Router, from: &str, request: &[u8]) -> Vec<u8> {
    let (mut near, far) = UnixStream::pair().unwrap();
    let peer = Peer {
        address: from.parse().unwrap(),
        secure: false,
        follows: Arc::default(),
    };
    let mut served = tokio::spawn(super::answer(limited(far, LIVE.patience), peer, router));
    assert_eq!(near.try_write(request).unwrap(), request.len());
    let mut back = Vec::new();
    for _ in 0..TURNS {
        yield_now().await;
        take_more(&near, &mut back);
    }
    // Files are read on another thread.
    if back.is_empty() && request.windows(6).any(|part| part == b"/media") {
        let _ = timeout(WAIT, near.readable()).await;
    }
    poll_fn(|context| Pin::new(&mut near).poll_shutdown(context))
        .await
        .unwrap();
    while back.len() < LONGEST && matches!(timeout(WAIT, near.readable()).await, Ok(Ok(()))) {
        if take_more(&near, &mut back) {
            break;
        }
    }
    drop(near);
    // What panicked goes on panicking. A stream with another request behind it ends at its next event, which takes seconds.
    match timeout(WAIT, &mut served).await {
        Ok(ended) => ended.unwrap(),
        Err(_) => served.abort(),
    }
    back
}

/// Takes what is there; says whether that was all.
fn take_more(stream: &UnixStream, all: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.try_read(&mut buffer) {
            Ok(0) => return true,
            Ok(count) => all.extend(&buffer[..count]),
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

/// What must hold for every answer; its status, if there is one.
fn sound(request: &[u8], answer: &[u8]) -> Option<u16> {
    if answer.is_empty() {
        return None;
    }
    let shown = || format!("{}\n{}", request.escape_ascii(), answer.escape_ascii());
    assert!(answer.starts_with(b"HTTP/1."), "{}", shown());
    let whole = String::from_utf8_lossy(answer);
    let status = whole.get(9..12).and_then(|status| status.parse().ok());
    let status: u16 = status.unwrap_or_else(|| panic!("{}", shown()));
    assert!(status < 500 || status == 503, "{}", shown());
    let head = whole.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
    // What the library refuses itself has no headers of ours, and no body.
    let is_ours = ![400, 408, 414, 431, 505].contains(&status);
    assert!(
        !is_ours || head.contains("content-security-policy: default-src 'none'"),
        "{}",
        shown()
    );
    assert!(
        !head.contains("access-control-") && !head.contains("set-cookie"),
        "{}",
        shown()
    );
    let named = String::from_utf8_lossy(request).to_ascii_lowercase();
    let is_called = ["localhost", "127.", "[::"].iter().any(|name| named.contains(name));
    assert!(status >= 400 || is_called, "{}", shown());
    assert!(
        ["root:x:", TOKEN].iter().all(|secret| !whole.contains(secret)),
        "{}",
        shown()
    );
    Some(status)
}

/// A request with the kiosk's name in it.
fn fill(template: &[u8]) -> Vec<u8> {
    let (mut request, mut rest) = (Vec::new(), template);
    while let Some(at) = rest.windows(HOST.len()).position(|part| part == HOST.as_bytes()) {
        request.extend(&rest[..at]);
        request.extend(OWN.as_bytes());
        rest = &rest[at + HOST.len()..];
    }
    request.extend(rest);
    request
}

#[test]
fn whatever_is_asked_the_server_lives_lets_nobody_in_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (app, orders) = (app(&kiosk(dir.path())).unwrap(), AssertUnwindSafe(Commands::default()));
    orders.attach(&app.hub);
    let (live, router) = (AssertUnwindSafe(Arc::clone(&app.live)), AssertUnwindSafe(router(app)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = AssertUnwindSafe(runtime.unwrap());
    let answers = Answers::default();
    check!(name = "http")
        .with_iterations(DRAWN)
        .for_each(|template: &[u8]| {
            let request = fill(template);
            // Orders of the kiosk's own page are obeyed; that is tested elsewhere.
            let named = String::from_utf8_lossy(&request).to_ascii_lowercase();
            if named.contains("origin") && named.contains(OWN) && named.contains("post") {
                return;
            }
            let live = Arc::clone(&live);
            runtime.block_on(async {
                let pump = tokio::spawn(async move { live.pump(Instant::now()).await });
                let answer = exchange(router.clone(), "127.0.0.1:40000", &request).await;
                if let Some(status) = sound(&request, &answer) {
                    answers.count(&if status < 400 { Ok(()) } else { Err(status) });
                }
                let answer = exchange(router.clone(), "192.0.2.1:40000", &request).await;
                sound(&request, &answer);
                let text = String::from_utf8_lossy(&answer);
                assert!(
                    CLOSED.iter().all(|closed| !text.contains(closed)),
                    "{}",
                    request.escape_ascii()
                );
                pump.abort();
            });
            assert!(!orders.came(), "{}", request.escape_ascii());
        });
    answers.were_of_both_kinds();
}
