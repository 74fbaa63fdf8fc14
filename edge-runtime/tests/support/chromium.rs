//! A headless Chromium that shows pages and tells what it sees, by its own protocol (CDP).

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use super::until;

/// Whether tests that lack a tool fail.
fn is_required() -> bool {
    std::env::var_os("REQUIRE_ALL").is_some_and(|value| value == "1")
}

/// One window.
pub(crate) struct Chromium {
    child: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    sent: u64,
    /// Addresses that were asked for.
    pub(crate) requests: Vec<String>,
    /// What the page complained of.
    pub(crate) complaints: Vec<String>,
    _profile: TempDir,
}

impl Chromium {
    /// Opens a window of this size; `None`, said loudly, where there is no Chromium: the program named by CHROMIUM, or
    /// `chromium` on the path.
    pub(crate) fn open(width: u32, height: u32) -> Option<Self> {
        let mut window = Self::moving(width, height)?;
        let still = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
        window.call("Emulation.setEmulatedMedia", &still);
        Some(window)
    }

    /// For somebody who did not ask for reduced motion.
    pub(crate) fn moving(width: u32, height: u32) -> Option<Self> {
        let program = std::env::var_os("CHROMIUM").unwrap_or_else(|| OsString::from("chromium"));
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new(&program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
            ])
            .args(["--remote-debugging-port=0", "--lang=en"])
            // Nothing but this machine can be reached, however a page names it.
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            assert!(!is_required(), "there is no {}", program.display());
            eprintln!("SKIPPED: there is no {}", program.display());
            return None;
        };
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let place = lines.map_while(Result::ok).find_map(|line| {
            let place = line.strip_prefix("DevTools listening on ")?;
            Some(place.to_owned())
        });
        let place = place.unwrap();
        let address = place.trim_start_matches("ws://").split('/').next().unwrap();
        let stream = MaybeTlsStream::Plain(TcpStream::connect(address).unwrap());
        let socket = tungstenite::client(place.as_str(), stream).unwrap().0;
        let mut window = Self {
            child,
            socket,
            session: None,
            sent: 0,
            requests: Vec::new(),
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = window.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = window.call("Target.attachToTarget", &attach);
        window.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Network.enable", "Log.enable"] {
            window.call(domain, &json!({}));
        }
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        window.call("Emulation.setDeviceMetricsOverride", &size);
        Some(window)
    }

    pub(crate) fn go(&mut self, address: &str) {
        self.call("Page.navigate", &json!({"url": address}));
    }

    /// Runs a script in every page before its own.
    pub(crate) fn before_pages(&mut self, script: &str) {
        self.call("Page.addScriptToEvaluateOnNewDocument", &json!({"source": script}));
    }

    /// Sends a header more with every request.
    pub(crate) fn send_header(&mut self, name: &str, value: &str) {
        self.call("Network.setExtraHTTPHeaders", &json!({"headers": {name: value}}));
    }

    /// Presses the middle of the element of this id, as a finger or a mouse does.
    pub(crate) fn press(&mut self, id: &str) {
        let middle = format!(
            "(e => (e.scrollIntoView({{block: 'center', behavior: 'instant'}}), \
             (b => [b.x + b.width / 2, b.y + b.height / 2])(e.getBoundingClientRect())))(document.getElementById('{id}'))"
        );
        let middle = self.value(&middle);
        for kind in ["mousePressed", "mouseReleased"] {
            let touch = json!({"type": kind, "x": middle[0], "y": middle[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", &touch);
        }
    }

    /// Lets pages take this for the machine's time zone.
    pub(crate) fn set_zone(&mut self, zone: &str) {
        self.call("Emulation.setTimezoneOverride", &json!({"timezoneId": zone}));
    }

    /// What the window shows, as a WebP file, good enough that nobody sees a loss.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", &json!({"format": "webp", "quality": 90}));
        super::base64::decode(answer["data"].as_str().unwrap().as_bytes())
    }

    /// Shows a page that comes from nowhere.
    pub(crate) fn show(&mut self, html: &str) {
        let frame = self.call("Page.getFrameTree", &json!({}))["frameTree"]["frame"]["id"].clone();
        self.call("Page.setDocumentContent", &json!({"frameId": frame, "html": html}));
    }

    /// What a printer would get, as PDF, on paper of the size that the page names.
    pub(crate) fn printed(&mut self) -> Vec<u8> {
        let answer = self.call(
            "Page.printToPDF",
            &json!({"preferCSSPageSize": true, "printBackground": true}),
        );
        super::base64::decode(answer["data"].as_str().unwrap().as_bytes())
    }

    /// The value of an expression of the page, promises awaited.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let ask = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &ask);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression of the page is true.
    pub(crate) fn until(&mut self, expression: &str) {
        until(expression, || self.value(&format!("Boolean({expression})")) == true);
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.sent += 1;
        let mut message = json!({"id": self.sent, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.socket.send(Message::text(message.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["id"] == self.sent {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let address = params["request"]["url"].as_str().unwrap();
                self.requests.push(address.to_owned());
            }
            Some("Runtime.exceptionThrown") => self.complaints.push(params["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"].to_string());
            }
            _ => {}
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
