//! Which address gives what.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE, RETRY_AFTER, SET_COOKIE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use durable::open_regular;
use futures_util::stream::unfold;
use jiff::civil::Date;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::access::Entry;
use super::files::page;
use super::hub::Hub;
use super::live::{Feed, Live};
use super::media::{Media, range};
use super::requests::{Guard, MAX_BODY, Peer, check};
use crate::switches::Switch;

/// Bytes of a file that are read at a time.
const CHUNK: usize = 64 * 1024;

/// Most bytes of a message that a program may send over a WebSocket; none of them is read.
const MAX_HEARD: usize = 1024;

/// What the handlers work with.
pub(super) struct App {
    pub(super) hub: Arc<Hub>,
    pub(super) live: Arc<Live>,
    pub(super) guard: Arc<Guard>,
    pub(super) media: Media,
    /// The words of the visitor's page, as JSON.
    pub(super) words: Bytes,
    /// Held while counts are read: whoever asks again and again keeps one processor busy at most.
    pub(super) counting: Mutex<()>,
}

/// All routes of the pages that `run` serves.
pub(super) fn router(app: App) -> Router {
    let pages = Router::new()
        .route("/", get(async || page("index.html")))
        .route("/operator", get(async || page("operator.html")))
        .route("/media/{name}", get(media))
        .route("/api/counts", get(counts))
        .route("/api/pause", post(pause))
        .route("/api/mute", post(mute))
        .route("/api/update", post(update))
        .route("/api/session", post(session));
    guarded(pages.merge(live()), Router::new(), app)
}

/// What every set of pages has: its files, and the live data.
fn live() -> Router<Arc<App>> {
    Router::new()
        .route("/assets/{*name}", get(async |Path(name): Path<String>| page(&name)))
        .route("/words.json", get(words))
        .route("/api/snapshot", get(snapshot))
        .route("/api/events", get(events))
        .route("/api/socket", get(socket))
}

/// The pages of somebody else who shows live data: one at the root, and more that they answer themselves.
pub(super) fn other(root: &'static str, more: Router, app: App) -> Router {
    let routes = Router::new().route("/", get(async move || page(root)));
    guarded(routes.merge(live()), more, app)
}

/// All routes behind the checks that every request has to pass.
fn guarded(routes: Router<Arc<App>>, more: Router, app: App) -> Router {
    let guard = Arc::clone(&app.guard);
    routes
        .with_state(Arc::new(app))
        .merge(more)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(guard, check))
}

async fn words(State(app): State<Arc<App>>) -> Response {
    ([(CONTENT_TYPE, "application/json")], app.words.clone()).into_response()
}

async fn snapshot(State(app): State<Arc<App>>) -> Response {
    let snapshot = app.hub.snapshot();
    match snapshot.and_then(|snapshot| serde_json::to_string(&snapshot).ok()) {
        Some(snapshot) => ([(CONTENT_TYPE, "application/json")], snapshot).into_response(),
        None => later("the kiosk is starting\n"),
    }
}

/// What was counted since the day in `?since=2026-11-27`, or since ever.
async fn counts(State(app): State<Arc<App>>, uri: Uri) -> Response {
    let Ok(since) = since(uri.query()) else {
        return (StatusCode::BAD_REQUEST, "ask for a day, as in ?since=2026-11-27\n").into_response();
    };
    let Some(counted) = app.hub.counted() else {
        let none = "nobody is counted: add [counts] to the configuration\n";
        return (StatusCode::NOT_FOUND, none).into_response();
    };
    let _turn = app.counting.lock().await;
    match spawn_blocking(move || counted(since)).await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Ok(Err(why)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The day that a query asks for; the only thing that it may say.
fn since(query: Option<&str>) -> Result<Option<Date>, ()> {
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Ok(None);
    };
    let day = query.strip_prefix("since=").ok_or(())?;
    day.parse().map(Some).map_err(drop)
}

fn later(why: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "2")], why).into_response()
}

/// A place for a viewer; `None` when all are taken.
fn follow(app: &App, peer: &Peer) -> Option<Feed> {
    let feed = app.live.follow(peer.is_own())?;
    peer.stays();
    Some(feed)
}

fn full() -> Response {
    later("too many viewers\n")
}

async fn events(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>) -> Response {
    match follow(&app, &peer) {
        Some(feed) => {
            let kind = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
            (kind, Body::from_stream(feed.events())).into_response()
        }
        None => full(),
    }
}

async fn socket(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>, upgrade: WebSocketUpgrade) -> Response {
    match follow(&app, &peer) {
        Some(feed) => upgrade
            .max_message_size(MAX_HEARD)
            .max_frame_size(MAX_HEARD)
            .on_upgrade(|socket| feed.talk(socket)),
        None => full(),
    }
}

async fn pause(State(app): State<Arc<App>>, order: Bytes) -> Response {
    switch(&app, Switch::Pause, &order)
}

async fn mute(State(app): State<Arc<App>>, order: Bytes) -> Response {
    switch(&app, Switch::Mute, &order)
}

fn switch(app: &App, switch: Switch, order: &[u8]) -> Response {
    if app.hub.set(switch, order) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        (StatusCode::BAD_REQUEST, "send ON or OFF\n").into_response()
    }
}

async fn update(State(app): State<Arc<App>>, order: Bytes) -> Response {
    if app.hub.update(&order) {
        StatusCode::ACCEPTED.into_response()
    } else {
        (
            StatusCode::CONFLICT,
            "there is nothing to install, or it is under way\n",
        )
            .into_response()
    }
}

/// Gives the cookie for the token.
async fn session(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>, token: Bytes) -> Response {
    match app.guard.access.enter(app.hub.now(), peer.address.ip(), &token) {
        Entry::Open => {
            let cookie = app.guard.access.cookie(peer.secure);
            (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
        }
        Entry::Wrong => (StatusCode::FORBIDDEN, "that is not the token\n").into_response(),
        Entry::Later(wait) => {
            let seconds = wait.as_secs() + 1;
            let retry = [(RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, retry, "too many tokens were wrong\n").into_response()
        }
    }
}

async fn media(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let not_here = || (StatusCode::NOT_FOUND, "not here\n").into_response();
    let Some((path, kind)) = app.media.file(&name) else {
        return not_here();
    };
    let path = path.to_path_buf();
    let opened = spawn_blocking(move || open_regular(&path).and_then(|file| Ok((file.metadata()?.len(), file))));
    let Ok(Ok((length, file))) = opened.await else {
        return not_here();
    };
    let asked = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let (status, (from, count)) = match asked.and_then(|header| range(header, length)) {
        None => (StatusCode::OK, (0, length)),
        Some(Ok(part)) => (StatusCode::PARTIAL_CONTENT, part),
        Some(Err(())) => {
            let whole = [(CONTENT_RANGE, format!("bytes */{length}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, whole).into_response();
        }
    };
    let mut answer = (status, part_of(file, from, count)).into_response();
    let answered = answer.headers_mut();
    answered.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answered.insert(CONTENT_LENGTH, HeaderValue::from(count));
    answered.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {from}-{}/{length}", from + count - 1);
        if let Ok(part) = HeaderValue::from_str(&part) {
            answered.insert(CONTENT_RANGE, part);
        }
    }
    answer
}

/// Bytes of a file, a piece at a time, so that a long film takes little memory.
fn part_of(file: File, from: u64, count: u64) -> Body {
    let pieces = unfold((Some(file), from, count), |(file, from, left)| async move {
        let mut file = file.filter(|_| left > 0)?;
        let read = spawn_blocking(move || {
            let mut piece = vec![0; CHUNK.min(left as usize)];
            file.seek(SeekFrom::Start(from))?;
            let count = file.read(&mut piece)?;
            piece.truncate(count);
            Ok((file, piece))
        });
        let read: Result<(File, Vec<u8>), std::io::Error> = read.await.unwrap_or_else(|error| Err(error.into()));
        match read {
            Ok((_, piece)) if piece.is_empty() => None,
            Ok((file, piece)) => {
                let count = piece.len() as u64;
                Some((Ok(Bytes::from(piece)), (Some(file), from + count, left - count)))
            }
            Err(error) => Some((Err(error), (None, from, 0))),
        }
    });
    Body::from_stream(pieces)
}
