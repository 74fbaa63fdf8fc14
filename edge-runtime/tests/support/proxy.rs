//! A door between a client and a broker: it can be shut, and narrow.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Bytes that pass at a time.
const CHUNK: usize = 512;

#[derive(Default)]
struct Door {
    shut: AtomicBool,
    /// Wait for each chunk.
    delay_us: AtomicU64,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    door: Arc<Door>,
}

impl Proxy {
    /// An open door to a port.
    pub(crate) fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            door: Arc::default(),
        };
        let door = Arc::clone(&proxy.door);
        thread::spawn(move || {
            for client in listener.incoming() {
                // A door that is shut takes the connection and drops it at once.
                if door.shut.load(Ordering::Relaxed) {
                    continue;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", target))) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let door = Arc::clone(&door);
                    thread::spawn(move || carry(from, to, &door));
                }
            }
        });
        proxy
    }

    pub(crate) fn shut(&self) {
        self.door.shut.store(true, Ordering::Relaxed);
    }

    pub(crate) fn open(&self) {
        self.door.shut.store(false, Ordering::Relaxed);
    }

    pub(crate) fn slow(&self, delay: Duration) {
        self.door.delay_us.store(delay.as_micros() as u64, Ordering::Relaxed);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, door: &Door) {
    let mut buffer = [0; CHUNK];
    let _ = to.set_nodelay(true);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        thread::sleep(Duration::from_micros(door.delay_us.load(Ordering::Relaxed)));
        if door.shut.load(Ordering::Relaxed) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
