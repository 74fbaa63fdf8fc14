//! The thread that serves: takes connections, limits what each may cost, and ends with the program.

use std::collections::BTreeMap;
use std::io;
use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use super::access::{Access, Hosts, read_token};
use super::connections::Connections;
use super::content::{language, media, words};
use super::error::PageError;
use super::hub::Hub;
use super::live::{LIVE, Live};
use super::media::Media;
use super::message::Page;
use super::requests::{Guard, Peer};
use super::routes::{App, other, router};
use super::settings::{Language, PageConfig, Vocabulary};
use super::tls::server_config;

/// Longest time that the head of a request may take, and that an unused connection stays.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// Most bytes of the head of a request.
const HEAD_SIZE: usize = 16 * 1024;

/// Most headers of a request.
const HEADERS: usize = 64;

/// Bytes that the system holds for a viewer that reads slowly.
const SEND_BUFFER: u32 = 64 * 1024;

/// First byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// Connections that wait to be taken.
const BACKLOG: u32 = 64;

/// What is served, and where.
struct Site {
    listen: SocketAddr,
    hub: Arc<Hub>,
    live: Arc<Live>,
    router: Router,
    tls: Option<Arc<ServerConfig>>,
    /// Longest time that a connection may take no byte of what is sent.
    patience: Duration,
}

/// Whether everything that the configuration names can be used; the address is not tried.
///
/// # Errors
/// The first file that cannot be used.
pub fn check(config: &PageConfig) -> Result<(), PageError> {
    config.tls.as_ref().map(server_config).transpose()?;
    config.token_file.as_deref().map(read_token).transpose()?;
    media(config)?;
    words(&config.language)?;
    Ok(())
}

/// Serves the pages until it is dropped.
pub struct PageServer {
    hub: Arc<Hub>,
    address: SocketAddr,
    /// The socket that connections come to; another server may take them over.
    socket: net::TcpListener,
    /// Dropped to end the thread.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl PageServer {
    /// Reads what the configuration names and begins to serve the pages of `run`.
    ///
    /// # Errors
    /// Names the file or the address that cannot be used.
    pub fn start(config: &PageConfig) -> Result<Self, PageError> {
        Self::open(config, None, LIVE.patience)
    }

    /// Serves other pages at the address of these, beside them: whoever connects has either, until these are dropped.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn beside(&self, config: &PageConfig) -> Result<Self, PageError> {
        Self::open(config, Some(&self.socket), LIVE.patience)
    }

    /// From a socket that is open already, where there is one; `patience` is the longest time that a connection may take no byte.
    fn open(config: &PageConfig, socket: Option<&net::TcpListener>, patience: Duration) -> Result<Self, PageError> {
        let app = app(config)?;
        Self::serve(
            Site {
                listen: config.listen,
                hub: Arc::clone(&app.hub),
                live: Arc::clone(&app.live),
                router: router(app),
                tls: config.tls.as_ref().map(server_config).transpose()?,
                patience,
            },
            socket,
        )
    }

    /// Serves another page of the program with live data, and what `more` answers, to this machine alone.
    ///
    /// # Errors
    /// Names the address that cannot be used.
    pub(crate) fn local(listen: SocketAddr, root: &'static str, more: Router) -> Result<Self, PageError> {
        let hub = Arc::new(Hub::default());
        let live = Arc::new(Live::new(Arc::clone(&hub)));
        let words = words(&Language::Shipped("en"))?;
        hub.set_page(Page {
            language: language(&words),
            vocabulary: Vocabulary::default().as_str(),
            media: BTreeMap::new(),
        });
        let app = App {
            hub: Arc::clone(&hub),
            live: Arc::clone(&live),
            guard: Arc::new(Guard {
                hosts: Hosts::new(listen, &[]),
                access: Access::new(None)?,
                tls: false,
            }),
            media: Media::default(),
            words,
            counting: Mutex::default(),
        };
        Self::serve(
            Site {
                listen,
                hub,
                live,
                router: other(root, more, app),
                tls: None,
                patience: LIVE.patience,
            },
            None,
        )
    }

    /// Serves a site on a thread of its own, from a socket that is open already where there is one.
    fn serve(site: Site, socket: Option<&net::TcpListener>) -> Result<Self, PageError> {
        let start = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .build()
            .map_err(PageError::Start)?;
        let failed = |source| PageError::Listen {
            address: site.listen,
            source,
        };
        let socket = match socket {
            Some(open) => open.try_clone(),
            None => listen(&runtime, site.listen).and_then(TcpListener::into_std),
        }
        .map_err(failed)?;
        let listener = shared(&runtime, &socket).map_err(failed)?;
        let address = socket.local_addr().map_err(PageError::Start)?;
        let (end, ended) = oneshot::channel();
        let hub = Arc::clone(&site.hub);
        let work = move || work(runtime, start, site, listener, ended);
        let thread = thread::Builder::new().name("page".to_owned()).spawn(work);
        Ok(Self {
            hub,
            address,
            socket,
            end: Some(end),
            thread: Some(thread.map_err(PageError::Start)?),
        })
    }

    /// Address and port that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the rest of the program leaves what the pages show.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

/// What the handlers of the pages of `run` work with.
fn app(config: &PageConfig) -> Result<App, PageError> {
    let hub = Arc::new(Hub::default());
    let token = config.token_file.as_deref().map(read_token).transpose()?;
    let media = media(config)?;
    let words = words(&config.language)?;
    hub.set_page(Page {
        language: language(&words),
        vocabulary: config.vocabulary.as_str(),
        media: media.shown().clone(),
    });
    Ok(App {
        live: Arc::new(Live::new(Arc::clone(&hub))),
        hub,
        guard: Arc::new(Guard {
            hosts: Hosts::new(config.listen, &config.hosts),
            access: Access::new(token)?,
            tls: config.tls.is_some(),
        }),
        media,
        words,
        counting: Mutex::default(),
    })
}

impl Drop for PageServer {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}

fn listen(runtime: &Runtime, address: SocketAddr) -> io::Result<TcpListener> {
    // Sockets belong to the reactor that they are made in.
    let _inside = runtime.enter();
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The same socket, for this reactor.
fn shared(runtime: &Runtime, socket: &net::TcpListener) -> io::Result<TcpListener> {
    let _inside = runtime.enter();
    TcpListener::from_std(socket.try_clone()?)
}

fn work(runtime: Runtime, start: Instant, site: Site, listener: TcpListener, ended: oneshot::Receiver<()>) {
    let Site { live, router, .. } = site;
    let doors = Doors {
        router,
        tls: site.tls.map(TlsAcceptor::from),
        patience: site.patience,
    };
    runtime.spawn(async move { live.pump(start).await });
    runtime.block_on(async {
        tokio::select! {
            () = take(listener, doors) => {}
            // Told or dropped: the end either way.
            _ = ended => {}
        }
    });
    // Whoever still reads, or writes to a disk, is not waited for.
    runtime.shutdown_background();
}

/// What every connection meets.
#[derive(Clone)]
struct Doors {
    router: Router,
    tls: Option<TlsAcceptor>,
    patience: Duration,
}

/// Accepts connections, each on a task of its own; never ends.
async fn take(listener: TcpListener, doors: Doors) {
    let connections = Arc::new(Connections::default());
    for number in 0_u64.. {
        let Ok((stream, address)) = listener.accept().await else {
            // No file is left for it; soon one will be.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        connections.make_room();
        let follows = Arc::new(AtomicBool::new(false));
        let peer = Peer {
            address,
            secure: false,
            follows: Arc::clone(&follows),
        };
        let (doors, open) = (doors.clone(), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            greet(stream, peer, doors).await;
            open.remove(number);
        });
        connections.add(number, task.abort_handle(), follows);
    }
}

/// Encrypts a connection if the other side begins so, and answers its requests.
async fn greet(stream: TcpStream, mut peer: Peer, doors: Doors) {
    let Doors { router, tls, patience } = doors;
    // Messages are small, and each should go at once.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return answer(limited(stream, patience), peer, router).await;
    };
    let mut first = [0];
    let begun = timeout(HEAD_TIME, stream.peek(&mut first)).await;
    match begun {
        Ok(Ok(1)) if first[0] == HANDSHAKE => {
            if let Ok(Ok(stream)) = timeout(HEAD_TIME, tls.accept(stream)).await {
                peer.secure = true;
                answer(limited(stream, patience), peer, router).await;
            }
        }
        Ok(Ok(1)) => answer(limited(stream, patience), peer, router).await,
        _ => {}
    }
}

/// A connection whose other side has to take what is sent within a while.
fn limited<S: AsyncRead + AsyncWrite>(stream: S, patience: Duration) -> TimeoutStream<S> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience));
    stream
}

async fn answer<S>(stream: TimeoutStream<S>, peer: Peer, router: Router)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_SIZE)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .with_upgrades();
    // Who breaks off or breaks the rules has had an answer, or needs none.
    let _ = connection.await;
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
