//! Power cuts and full disks.

use std::cell::RefCell;
use std::io;

use super::*;
use durable::power::{every_cut, every_full_disk};

#[test]
fn wherever_the_power_fails_in_an_install_a_whole_bundle_runs_and_the_confirmed_one_is_there() {
    let signers = Signers::new();
    let (old, new) = (signers.update(1).slot(1), signers.update(2).slot(2));
    let archive = signers.update(2).pack();
    let (mut before, mut after) = (0, 0);
    every_cut(
        &signers.device(1),
        cases(5),
        |disk| drop(signers.install(disk, &archive)),
        |disk| {
            assert!(is_whole(disk, &old));
            match runs(disk) {
                Some(slot) if slot == old => before += 1,
                Some(slot) if slot == new => after += 1,
                other => panic!("{other:?} runs"),
            }
            signers.install(disk, &archive).unwrap();
            assert_eq!(runs(disk), Some(new.clone()));
        },
    );
    eprintln!(
        "the power failed {} times; the old bundle ran {before} times",
        before + after
    );
    assert!(before > 0 && after > 0, "{before} {after}");
}

#[test]
fn wherever_the_power_fails_in_the_life_of_bundles_what_was_confirmed_stays() {
    let signers = Signers::new();
    let archives = [2, 3, 4].map(|version| signers.update(version).pack());
    // The version that was confirmed last, as far as the program knew when the power failed.
    let confirmed = RefCell::new(1);
    let mut cuts = 0;
    let life = |disk: &mut PowerDisk| -> Result<(), UpdateError> {
        confirmed.replace(1);
        signers.install(disk, &archives[0])?;
        apply(disk, Event::Started)?;
        apply(disk, Event::Confirmed)?;
        confirmed.replace(2);
        signers.install(disk, &archives[1])?;
        for _ in 0..=TRIES {
            apply(disk, Event::Started)?;
        }
        signers.install(disk, &archives[2])?;
        apply(disk, Event::Started)?;
        apply(disk, Event::Confirmed)?;
        confirmed.replace(4);
        Ok(())
    };
    every_cut(
        &signers.device(1),
        cases(3),
        |disk| drop(life(disk)),
        |disk| {
            cuts += 1;
            let confirmed = *confirmed.borrow();
            let current = state(disk).current.unwrap();
            assert!(current.version >= confirmed && is_whole(disk, &current));
            assert!(state(disk).floor >= confirmed);
            let mut last = runs(disk).unwrap();
            for _ in 0..TRIES {
                last = runs(disk).unwrap();
            }
            assert_eq!(last, current, "after its tries no trial is left");
        },
    );
    eprintln!("the power failed {cuts} times");
}

#[test]
fn a_first_start_that_is_cut_off_leaves_a_device_that_can_begin_anew() {
    let signers = Signers::new();
    let archive = signers.update(7).pack();
    let mut disk = PowerDisk::default();
    disk.make_dir(Path::new(ROOT)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    every_cut(
        &disk,
        cases(5),
        |disk| drop(signers.install(disk, &archive)),
        |disk| {
            signers.install(disk, &archive).unwrap();
            assert_eq!(runs(disk).unwrap().version, 7);
        },
    );
}

#[test]
fn a_full_disk_at_any_write_keeps_the_old_bundle_and_says_so() {
    let signers = Signers::new();
    let old = signers.update(1).slot(1);
    let archive = signers.update(2).pack();
    let (mut failed, mut done) = (0, 0);
    every_full_disk(
        &signers.device(1),
        |disk| signers.install(disk, &archive),
        |result, disk| {
            match result {
                Ok(_) => done += 1,
                Err(UpdateError::Disk { source, .. }) if source.kind() == io::ErrorKind::StorageFull => failed += 1,
                Err(error) => panic!("{error}"),
            }
            assert!(is_whole(disk, &old));
            assert!(state(disk).current == Some(old.clone()));
            signers.install(disk, &archive).unwrap();
            assert_eq!(runs(disk).unwrap().version, 2);
        },
    );
    eprintln!("the disk was full at each of {failed} changes");
    assert!(failed > 10 && done == 1, "{failed} {done}");
}
