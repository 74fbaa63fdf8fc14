//! Requests for metrics at random, in pieces: each has one answer, and only programs of this machine see the counts.

use std::io::{self, Read, Write};
use std::time::Instant;

use testing::bolero::check;
use testing::fuzz::{Answers, DRAWN};

use super::answer;
use super::clients::{Client, MAX_REQUEST};

const PAGE: &str = "edge_secret 1\n";

/// A connection that gives a request in pieces of one length, with pauses between them, and keeps what comes back.
struct Pieces<'a> {
    rest: &'a [u8],
    length: usize,
    pauses: bool,
    back: Vec<u8>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pauses = !self.pauses;
        if self.pauses {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.length.min(buffer.len()).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(count);
        buffer[..count].copy_from_slice(piece);
        self.rest = rest;
        Ok(count)
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.back.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn whatever_is_asked_for_metrics_it_has_one_answer_and_strangers_see_no_count() {
    let answers = Answers::default();
    check!(name = "metrics")
        .with_iterations(DRAWN)
        .for_each(|input: &[u8]| {
            // The first byte says how long the pieces are.
            let (length, request) = input.split_first().map_or((0, input), |(length, rest)| (*length, rest));
            let pieces = Pieces {
                rest: request,
                length: usize::from(length) + 1,
                pauses: false,
                back: Vec::new(),
            };
            let (mut heard, mut client) = (None, Client::of(pieces, Instant::now()));
            let mut respond = |request: &[u8]| {
                assert!(heard.replace(request.to_vec()).is_none(), "one answer");
                answer(request, PAGE)
            };
            while client.listen(&mut respond) {}
            let heard = heard.unwrap();
            assert!(request.starts_with(&heard) && heard.len() < MAX_REQUEST + 512);
            let back = String::from_utf8(client.into_stream().back).unwrap();
            let (head, body) = back.split_once("\r\n\r\n").unwrap();
            let status = head.strip_prefix("HTTP/1.1 ").unwrap().get(..3).unwrap();
            assert!(["200", "403", "404"].contains(&status), "{back}");
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
            assert_eq!(status == "200", back.contains(PAGE));
            if status == "200" {
                assert!(heard.starts_with(b"GET /metrics "));
                let text = String::from_utf8_lossy(&heard).to_ascii_lowercase();
                let is_own = |host: &str| {
                    ["localhost", "127.", "[0", "[:"]
                        .iter()
                        .any(|own| host.starts_with(own))
                };
                assert!(
                    text.lines()
                        .filter_map(|line| line.strip_prefix("host:"))
                        .all(|host| is_own(host.trim())),
                    "{text}"
                );
            }
            answers.count(&if status == "200" { Ok(()) } else { Err(status) });
        });
    answers.were_of_both_kinds();
}
