//! What is said of a connection that comes and goes: the cause, and no more than a line a minute. Pure.

use std::time::Duration;

use super::fault::Fault;
use super::link::LINK;

/// Shortest time between two lines about the same fault.
const AGAIN: Duration = Duration::from_mins(1);

/// Short sessions in a row after which the broker is said to throw the device out.
const THROWN_OUT: u32 = 2;

/// Lines about a connection that does not come, after which there is one a minute: a broker that answers something else each
/// time is one fault.
const MANY: u32 = 3;

/// What was said last, and how the last sessions went.
#[derive(Debug)]
pub(super) struct Reports {
    /// The name of the device at the broker.
    client: String,
    /// When the session began, while there is one.
    since: Option<Duration>,
    /// Sessions in a row that ended soon.
    short: u32,
    /// What was told last of a missing connection, and when.
    told: Option<(Fault, Duration)>,
    /// Lines of this kind since a connection was told.
    lines: u32,
}

impl Reports {
    pub(super) fn new(client: String) -> Self {
        Self {
            client,
            since: None,
            short: 0,
            told: None,
            lines: 0,
        }
    }

    /// A session begins; gives what to say of it.
    pub(super) fn connected(&mut self, now: Duration) -> Option<String> {
        self.since = Some(now);
        if self.short > 0 {
            // Said once it lasts.
            return None;
        }
        (self.told, self.lines) = (None, 0);
        Some("mqtt: connected".to_owned())
    }

    /// The session has lasted so far; gives what to say once it has lasted long enough after short ones.
    pub(super) fn lasts(&mut self, now: Duration) -> Option<String> {
        let steady = self.since.is_some_and(|since| now >= since + LINK.steady);
        if !steady || self.short == 0 {
            return None;
        }
        (self.short, self.told, self.lines) = (0, None, 0);
        Some("mqtt: connected".to_owned())
    }

    /// There is no connection, or none any more; gives what to say of it.
    pub(super) fn lost(&mut self, fault: Fault, now: Duration) -> Option<String> {
        let session = self.since.take();
        match session {
            Some(since) if now < since + LINK.steady => self.short += 1,
            Some(_) => self.short = 0,
            None => {}
        }
        let thrown_out = session.is_some() && fault == Fault::Closed && self.short >= THROWN_OUT;
        let fault = if thrown_out {
            Fault::ThrownOut(self.client.clone())
        } else {
            fault
        };
        let known = match &self.told {
            // While sessions come and go, each with its own end, the last line stands for all of them.
            Some((told, at)) => {
                let settled = *told == fault || self.short > THROWN_OUT || self.lines >= MANY;
                now < *at + AGAIN && settled
            }
            None => false,
        };
        // A fault that stays the same is logged once.
        let stays = self.short == 0 && self.told.as_ref().is_some_and(|(told, _)| *told == fault);
        if known || stays {
            return None;
        }
        let line = format!("mqtt: {fault}; trying again; {}", fault.cure());
        self.told = Some((fault, now));
        self.lines += 1;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn reports() -> Reports {
        Reports::new("edge-runtime-hall".to_owned())
    }

    #[test]
    fn a_broker_that_comes_and_goes_is_told_each_time() {
        let mut reports = reports();
        assert!(reports.connected(s(0)).is_some());
        assert!(
            reports
                .lost(Fault::Closed, s(100))
                .unwrap()
                .contains("ends the connection")
        );
        assert_eq!(reports.lost(Fault::Closed, s(101)), None);
        assert!(reports.lost(Fault::Refused, s(102)).unwrap().contains("nobody listens"));
        assert_eq!(reports.lost(Fault::Refused, s(900)), None);
        assert!(reports.connected(s(901)).is_some());
        assert!(reports.lost(Fault::Closed, s(1000)).is_some());
    }

    #[test]
    fn a_broker_that_answers_something_else_each_time_is_told_once_a_minute() {
        let mut reports = reports();
        let told = |round| reports.lost(Fault::Other(format!("strange packet {}", round % 7)), s(round));
        let lines = (0..600).filter_map(told).count();
        assert!((10..=13).contains(&lines), "{lines} lines");
        assert!(reports.connected(s(600)).is_some());
        assert!(reports.lost(Fault::Closed, s(700)).is_some());
    }

    #[test]
    fn two_devices_of_one_name_are_told_once_a_minute_with_the_cause() {
        let mut reports = reports();
        let mut said = Vec::new();
        // Thrown out every two seconds, for ten minutes.
        for round in 0..300 {
            said.extend(reports.connected(s(2 * round)));
            said.extend(reports.lasts(s(2 * round + 1)));
            said.extend(reports.lost(Fault::Closed, s(2 * round + 1)));
        }
        assert!((10..=13).contains(&said.len()), "{} lines: {said:?}", said.len());
        let causes = said
            .iter()
            .filter(|line| line.contains("another client uses the name edge-runtime-hall"));
        assert!(causes.count() >= 9, "{said:?}");
        // The other one is gone.
        assert_eq!(reports.connected(s(700)), None);
        assert_eq!(reports.lasts(s(729)), None);
        assert!(reports.lasts(s(730)).unwrap().contains("connected"));
        assert_eq!(reports.lasts(s(731)), None);
    }
}
