use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use shared_model::Text;
use shared_model::message::Verdict;
use vision::stats::Stats;

use super::*;

fn state(sequence: u64) -> State {
    State {
        boot: Text::new(),
        sequence,
        time_ms: 0,
        emotion: Verdict::NoFace,
        confidence: 0.0,
        face: false,
        reason: None,
    }
}

/// Takes nothing before it may, and tells what it took.
struct Slow {
    may: Receiver<()>,
    took: SyncSender<u64>,
}

impl Recipient for Slow {
    fn state(&mut self, state: &State) -> io::Result<()> {
        // At the end it may take all.
        let _ = self.may.recv();
        let _ = self.took.send(state.sequence);
        Ok(())
    }

    fn faces(&mut self, _: &FrameFaces) -> io::Result<()> {
        let _ = self.may.recv();
        Ok(())
    }
}

/// An empty frame of this number goes by.
fn frame(outlet: &mut Outlet, number: u64, stats: &Stats) {
    let nobody = FaceLine {
        input: "camera",
        frame: number,
        time_ms: None,
        face: None,
    };
    outlet.frame(&nobody).unwrap();
    let facts = FrameFacts {
        number,
        time_ms: number,
        width: 1,
        height: 1,
        light: 0.0,
        counting: None,
        stats,
    };
    outlet.measured(&facts).unwrap();
}

/// The loop of this test would not end if a recipient who takes nothing could hold it up.
#[test]
fn whoever_takes_nothing_holds_nobody_up_and_loses_what_is_oldest() {
    let (allow, may) = sync_channel(0);
    let (took, taken) = sync_channel(1000);
    let slow = Slow { may, took };
    let mut outlet = Outlet::start("slow", Sends::Faces, &ClassSet::product(), |_| Ok(slow)).unwrap();
    let (status, stats) = (outlet.status(), Stats::default());
    for number in 0..1000 {
        outlet.show(&state(number)).unwrap();
        frame(&mut outlet, number, &stats);
        outlet.beat().unwrap();
    }
    drop(allow);
    outlet.close().unwrap();
    let told: Vec<u64> = taken.try_iter().collect();
    let dropped = status.dropped.load(Ordering::Relaxed);
    assert_eq!(told.len() as u64 + dropped, 1000);
    assert!(told.len() <= 2 * MAX_STATES && told.is_sorted());
    assert_eq!(told.last(), Some(&999));
    assert!(status.replaced.load(Ordering::Relaxed) >= 900);
}

/// Without a tick: only whoever is woken looks again.
#[test]
fn what_was_told_wakes_the_thread_when_the_frame_is_over() {
    let between = Arc::<Between>::default();
    let (ready, is_ready) = sync_channel(1);
    let (wakes, woken) = sync_channel(1);
    let parked = diagnostics::spawn("parked", move || {
        ready.send(thread::current()).unwrap();
        thread::park();
        wakes.send(()).unwrap();
    })
    .unwrap();
    between.thread.set(is_ready.recv().unwrap()).unwrap();
    let mut outlet = Outlet {
        name: "parked",
        sends: Sends::Faces,
        gatherer: Gatherer::new(&ClassSet::product()),
        waiting: VecDeque::new(),
        has_news: false,
        between,
        ended: channel().1,
        closed: true,
    };
    outlet.show(&state(1)).unwrap();
    outlet.flush();
    woken.recv_timeout(Duration::from_secs(20)).unwrap();
    parked.join().unwrap();
}

#[test]
fn a_frame_takes_no_memory() {
    struct Nobody;
    impl Recipient for Nobody {
        fn state(&mut self, _: &State) -> io::Result<()> {
            Ok(())
        }
    }
    let mut outlet = Outlet::start("nobody", Sends::Faces, &ClassSet::product(), |_| Ok(Nobody)).unwrap();
    let stats = Stats::default();
    let mut tell = |number| frame(&mut outlet, number, &stats);
    (0..10).for_each(&mut tell);
    let taken = allocation_counter::measure(|| (10..500).for_each(&mut tell));
    assert_eq!(taken.count_total, 0);
}
