//! A broker for one device, which takes everything at once.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rumqttc::mqttbytes::{self, v4};
use v4::{ConnAck, ConnectReturnCode, Packet, PubAck, SubAck, SubscribeReasonCode};

/// Largest packet that is taken, in bytes.
const LARGEST: usize = 1 << 20;

/// Its end of the device's connection.
pub(super) struct Broker {
    stream: TcpStream,
    /// What has come and is no whole packet yet.
    rest: Vec<u8>,
}

impl Broker {
    /// Takes the first connection that is made.
    pub(super) fn accept(listener: &TcpListener, patience: Duration) -> io::Result<Self> {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self {
            stream,
            rest: Vec::new(),
        })
    }

    /// Waits for a message on a topic that ends so, and confirms whatever comes meanwhile.
    pub(super) fn until(&mut self, leaf: &str) -> io::Result<()> {
        loop {
            let packet = self.read()?;
            self.confirm(&packet)?;
            if let Packet::Publish(message) = packet
                && message.topic.ends_with(leaf.as_bytes())
            {
                return Ok(());
            }
        }
    }

    fn read(&mut self) -> io::Result<Packet> {
        let mut chunk = [0; 4096];
        loop {
            let mut bytes = self.rest.iter().collect();
            match Packet::read(&mut bytes, LARGEST) {
                Ok(packet) => {
                    self.rest = bytes.to_vec();
                    return Ok(packet);
                }
                Err(mqttbytes::Error::InsufficientBytes(_)) => {}
                Err(error) => return Err(io::Error::other(error)),
            }
            let length = self.stream.read(&mut chunk)?;
            if length == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            self.rest.extend(&chunk[..length]);
        }
    }

    fn confirm(&mut self, packet: &Packet) -> io::Result<()> {
        let answer = match packet {
            Packet::Connect(_) => Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)),
            Packet::Subscribe(subscribe) => {
                let granted = subscribe.filters.iter().map(|it| SubscribeReasonCode::Success(it.qos));
                Packet::SubAck(SubAck::new(subscribe.pkid, granted.collect()))
            }
            Packet::Publish(message) if message.pkid > 0 => Packet::PubAck(PubAck::new(message.pkid)),
            Packet::PingReq => Packet::PingResp,
            _ => return Ok(()),
        };
        let mut bytes = <_>::default();
        answer.write(&mut bytes, LARGEST).map_err(io::Error::other)?;
        self.stream.write_all(&bytes)
    }
}
