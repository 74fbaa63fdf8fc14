//! A headless browser, and a server that notes what it asks for.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// What a browser made of a page.
pub(crate) struct Shown {
    /// The document after loading, as HTML.
    pub(crate) document: String,
    /// Paths that the browser asked the page's server for.
    pub(crate) requests: Vec<String>,
}

/// Shows a page in Chromium, 1000 x 1600 pixels, and writes what is seen to `screenshot`.
///
/// `None` where there is no Chromium: the program named by CHROMIUM, or `chromium` on the path.
pub(crate) fn show(page: &[u8], screenshot: &Path, folder: &Path) -> Option<Shown> {
    let browser = std::env::var_os("CHROMIUM").unwrap_or_else(|| OsString::from("chromium"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, done) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let document = thread::scope(|scope| {
        scope.spawn(|| serve(&listener, page, &requests, &done));
        let url = format!("http://{address}/report.html");
        let mut picture = OsString::from("--screenshot=");
        picture.push(screenshot);
        let size = OsString::from("--window-size=1000,1600");
        let document = browse(&browser, folder, &[OsString::from("--dump-dom"), OsString::from(&url)]);
        if document.is_some() {
            browse(&browser, folder, &[picture, size, OsString::from(&url)]);
        }
        done.store(true, Ordering::Relaxed);
        // Wakes the server up, to see that it is done.
        TcpStream::connect(address).unwrap();
        document
    })?;
    Some(Shown {
        document,
        requests: requests.into_inner().unwrap(),
    })
}

/// Gives the page to whoever asks for anything.
fn serve(listener: &TcpListener, page: &[u8], requests: &Mutex<Vec<String>>, done: &AtomicBool) {
    thread::scope(|scope| {
        while let Ok((stream, _)) = listener.accept() {
            if done.load(Ordering::Relaxed) {
                return;
            }
            // Browsers open connections ahead of use; each gets a thread, so that none blocks another.
            scope.spawn(move || answer(&stream, page, requests));
        }
    });
}

fn answer(mut stream: &TcpStream, page: &[u8], requests: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    if let Some(path) = first.split(' ').nth(1) {
        requests.lock().unwrap().push(path.to_owned());
    }
    lines.find(String::is_empty);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    // A browser that goes away in between has asked; that is all that counts.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(page));
}

/// What the browser prints; `None` if it is not there.
fn browse(browser: &OsString, folder: &Path, arguments: &[OsString]) -> Option<String> {
    let profile = tempfile::tempdir_in(folder).unwrap();
    let mut user = OsString::from("--user-data-dir=");
    user.push(profile.path());
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--virtual-time-budget=2000",
        ])
        // Nothing but the page's server can be reached, however the page names it.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(user)
        .args(arguments)
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}
