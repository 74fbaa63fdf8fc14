//! What waits for delivery, in memory: bounded, oldest first.

use std::collections::VecDeque;

use super::Limits;
use super::record::HEADER;

struct Entry {
    id: u64,
    payload: Vec<u8>,
    /// Delivered before an older one was.
    done: bool,
}

impl Entry {
    fn size(&self) -> usize {
        HEADER + self.payload.len()
    }
}

/// Events in the order of their numbers.
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    limits: Limits,
    /// Records of the entries, in bytes.
    bytes: usize,
    /// Number of the next event.
    next: u64,
    /// Events that had to make room.
    dropped: u64,
}

impl Queue {
    /// A queue of these events, oldest first; the next gets the number `next` or a greater one.
    pub(super) fn new(limits: Limits, events: impl Iterator<Item = (u64, Vec<u8>)>, next: u64, dropped: u64) -> Self {
        let mut queue = Self {
            entries: VecDeque::new(),
            limits,
            bytes: 0,
            next,
            dropped,
        };
        for (id, payload) in events {
            queue.next = id;
            queue.push(payload);
        }
        queue.next = queue.next.max(next);
        queue
    }

    /// Adds an event; the oldest make room for it.
    pub(super) fn push(&mut self, payload: Vec<u8>) -> u64 {
        let id = self.next;
        self.next += 1;
        let entry = Entry {
            id,
            payload,
            done: false,
        };
        self.bytes += entry.size();
        self.entries.push_back(entry);
        self.make_room();
        id
    }

    /// Holds so much from now on.
    pub(super) fn resize(&mut self, limits: Limits) {
        self.limits = limits;
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.entries.len() > self.limits.events || self.bytes > self.limits.bytes {
            match self.pop() {
                Some(oldest) if !oldest.done => self.dropped += 1,
                Some(_) => {}
                None => break,
            }
        }
    }

    /// Notes that an event was delivered. Unknown numbers, such as of dropped events, mean nothing.
    pub(super) fn delivered(&mut self, id: u64) {
        let at = self.entries.partition_point(|entry| entry.id < id);
        if let Some(entry) = self.entries.get_mut(at).filter(|entry| entry.id == id) {
            entry.done = true;
        }
        while self.entries.front().is_some_and(|entry| entry.done) {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Entry> {
        let oldest = self.entries.pop_front()?;
        self.bytes -= oldest.size();
        Some(oldest)
    }

    /// The oldest event from number `id` on that was not delivered.
    pub(super) fn from(&self, id: u64) -> Option<(u64, &[u8])> {
        let at = self.entries.partition_point(|entry| entry.id < id);
        let entry = self.entries.iter().skip(at).find(|entry| !entry.done)?;
        Some((entry.id, &entry.payload))
    }

    /// The events that were not delivered, oldest first.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let waiting = self.entries.iter().filter(|entry| !entry.done);
        waiting.map(|entry| (entry.id, &entry.payload[..]))
    }

    /// Counts events that had to make room elsewhere.
    pub(super) fn add_dropped(&mut self, events: u64) {
        self.dropped += events;
    }

    /// Every smaller number is done with.
    pub(super) fn floor(&self) -> u64 {
        self.entries.front().map_or(self.next, |entry| entry.id)
    }

    /// Number of the next event.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queue(events: usize, bytes: usize) -> Queue {
        Queue::new(Limits { events, bytes }, std::iter::empty(), 0, 0)
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let mut queue = queue(3, 10_000);
        for _ in 0..5 {
            queue.push(vec![0]);
        }
        assert_eq!((queue.len(), queue.dropped(), queue.floor()), (3, 2, 2));
    }

    #[test]
    fn bytes_are_bounded_with_their_headers() {
        let mut queue = queue(100, 3 * (HEADER + 10));
        for _ in 0..5 {
            queue.push(vec![0; 10]);
        }
        assert_eq!((queue.len(), queue.dropped()), (3, 2));
        queue.push(vec![0; 1000]);
        assert_eq!((queue.len(), queue.dropped()), (0, 6));
    }

    #[test]
    fn what_was_delivered_out_of_turn_is_not_counted_as_dropped() {
        let mut queue = queue(3, 10_000);
        for _ in 0..3 {
            queue.push(vec![]);
        }
        queue.delivered(1);
        assert_eq!(
            (queue.len(), queue.from(0).unwrap().0, queue.from(1).unwrap().0),
            (3, 0, 2)
        );
        queue.push(vec![]);
        queue.push(vec![]);
        assert_eq!(queue.dropped(), 1);
    }

    proptest! {
        #[test]
        fn every_event_is_waiting_delivered_or_counted(
            steps in prop::collection::vec((any::<bool>(), 0u64..60), 0..200),
            events in 1usize..20,
        ) {
            let mut queue = queue(events, 1_000_000);
            let (mut pushed, mut delivered) = (0, 0);
            for (push, number) in steps {
                if push {
                    prop_assert_eq!(queue.push(vec![7; (number % 5) as usize]), pushed);
                    pushed += 1;
                } else if queue.from(number).is_some_and(|(id, _)| id == number) {
                    queue.delivered(number);
                    delivered += 1;
                } else {
                    queue.delivered(number);
                }
                let waiting = queue.entries.iter().filter(|entry| !entry.done).count() as u64;
                prop_assert_eq!(waiting + delivered + queue.dropped(), pushed);
                prop_assert!(queue.len() <= events);
            }
        }
    }
}
