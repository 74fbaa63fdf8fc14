//! Which bundle a running program uses, from its start to its end.
//!
//! At the start the manager takes the bundle on trial, if there is one, and pays one try for it; else the current one;
//! else the factory's. While the program runs it looks for a new trial, loads it beside the one that runs, and judges a
//! trial by what the loop counts. It never waits for another process, and whatever goes wrong, some bundle runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shared_model::emotion::ClassSet;
use shared_model::manifest::Sha256;

use super::{Choice, Counts, Event, Health, Offer, Slot, Store, UpdateError};
use durable::SystemDisk;
use inference::bundle::Bundle;
use inference::{PrecisionChoice, PredictError, Predictor};

/// A bundle, ready to run.
pub struct Networks {
    /// Where it is, and what it says about itself.
    pub bundle: Bundle,
    /// Runs the networks of the bundle.
    pub predictor: Predictor,
}

impl Networks {
    /// Loads a bundle, in the precision of one's choice.
    ///
    /// # Errors
    ///
    /// When the bundle cannot be opened, or its networks cannot be loaded.
    pub fn load(dir: &Path, precision: PrecisionChoice) -> Result<Self, PredictError> {
        let bundle = Bundle::open(dir)?;
        let predictor = Predictor::load_with_precision(&bundle, precision)?;
        Ok(Self { bundle, predictor })
    }

    /// Loads a bundle at a start; what its networks do not need may be damaged ([`Bundle::open_to_run`]), and only the first
    /// golden picture is compared.
    ///
    /// # Errors
    ///
    /// As of [`Networks::load`].
    pub fn load_to_run(dir: &Path, precision: PrecisionChoice) -> Result<Self, PredictError> {
        let bundle = Bundle::open_to_run(dir)?;
        let predictor = Predictor::load_to_run(&bundle, precision)?;
        Ok(Self { bundle, predictor })
    }
}

/// Takes a message of the manager for the log: one line, without a full stop.
pub type Log<'a> = dyn FnMut(String) + 'a;

/// Chooses bundles for a running program.
pub struct BundleManager {
    store: Store<SystemDisk>,
    factory: PathBuf,
    /// Version of the factory bundle at the start.
    factory_version: u32,
    precision: PrecisionChoice,
    /// How long a trial must work.
    window: Duration,
    running: Running,
    /// A trial that cannot be swapped in while the program runs.
    waits: Option<Sha256>,
}

/// Why the bundle of a slot cannot run.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    /// The slot is not as it was sealed.
    #[error(transparent)]
    Slot(#[from] UpdateError),
    /// The networks cannot be loaded.
    #[error(transparent)]
    Networks(#[from] PredictError),
}

enum Running {
    Factory,
    Current(Slot),
    /// On trial since then, with these counts.
    Trial(Slot, Duration, Counts),
}

impl BundleManager {
    /// A manager for the bundles in `root`, with a factory bundle beside them.
    ///
    /// # Errors
    ///
    /// When the directory `root` or its record cannot be read.
    pub fn new(root: &Path, factory: &Path, precision: PrecisionChoice, window: Duration) -> Result<Self, UpdateError> {
        Ok(Self {
            store: Store::system(root)?,
            factory: factory.to_path_buf(),
            factory_version: factory_version(factory),
            precision,
            window,
            running: Running::Factory,
            waits: None,
        })
    }

    /// What is to be told of a record that could not be understood, once.
    pub fn take_warning(&mut self) -> Option<String> {
        self.store.take_warning()
    }

    /// Chooses the bundle that the program starts with; an error only where not even the factory bundle works.
    ///
    /// # Errors
    ///
    /// When not even the factory bundle can be loaded.
    pub fn start(&mut self, log: &mut Log<'_>) -> Result<Networks, PredictError> {
        match self.store.apply(Event::Started) {
            Ok(()) => self.choose(Duration::ZERO, Counts::default(), log),
            Err(error) => {
                // A trial that could not be paid for could run for ever.
                log(format!("no bundle is tried: {error}"));
                self.fall_back(log)
            }
        }
    }

    /// Gives up the bundle that runs, and chooses another.
    ///
    /// # Errors
    ///
    /// When no other bundle can be loaded.
    pub fn refuse(&mut self, reason: &str, log: &mut Log<'_>) -> Result<Networks, PredictError> {
        if let Running::Trial(slot, ..) | Running::Current(slot) = &self.running {
            let (id, version) = (slot.id.clone(), slot.version);
            log(format!("bundle version {version} is given up: {reason}"));
            if let Err(error) = self.store.apply(Event::Failed(id)) {
                log(error.to_string());
            }
        }
        self.fall_back(log)
    }

    /// Whether the bundle that runs is on trial.
    pub fn is_trial(&self) -> bool {
        matches!(self.running, Running::Trial(..))
    }

    /// The classes of the bundle that would run without the trial.
    pub fn classes_without_trial(&self) -> Option<ClassSet> {
        let dir = match &self.store.record().state.current {
            Some(slot) => self.store.dir(&slot.id),
            None => self.factory.clone(),
        };
        Bundle::open(&dir).ok().map(|bundle| bundle.manifest().classes.clone())
    }

    /// Which bundles there are and could be, as the record said when it was read last.
    pub fn offer(&self) -> Offer {
        let record = self.store.record();
        let current = record.state.current.as_ref().map_or(0, |slot| slot.version);
        let installed = current.max(self.factory_version);
        let trial = record.state.trial.as_ref().map(|trial| trial.slot.version);
        let found = record.found.as_ref().map(|found| found.version);
        Offer {
            installed,
            latest: trial.or(found).unwrap_or(installed).max(installed),
            in_progress: trial.is_some(),
        }
    }

    /// To be called every few seconds, with what the loop has counted so far; gives a bundle to swap to.
    ///
    /// `classes` are those that the program runs with: another set needs another start.
    pub fn tick(&mut self, now: Duration, counts: Counts, classes: &ClassSet, log: &mut Log<'_>) -> Option<Networks> {
        if let Running::Trial(slot, since, before) = &self.running {
            let (slot, ran) = (slot.clone(), now.saturating_sub(*since));
            return match Health::of(ran, self.window, counts - *before) {
                Health::Open => None,
                Health::Sound => {
                    self.confirm(slot, log);
                    None
                }
                Health::Unsound => {
                    let networks = self.refuse("it fails on most frames", log);
                    networks.map_err(|error| log(error.to_string())).ok()
                }
            };
        }
        self.take_up_trial(now, counts, classes, log)
    }

    /// The program ends because it was asked to: a trial is not to blame.
    pub fn stop(&mut self, log: &mut Log<'_>) {
        if self.is_trial()
            && let Err(error) = self.store.apply(Event::Stopped)
        {
            log(error.to_string());
        }
    }

    /// The program goes on with the bundle that ran before [`stop`](Self::stop): a trial begins its time anew, at `counts`.
    pub fn resume(&mut self, counts: Counts, log: &mut Log<'_>) {
        let Running::Trial(_, since, before) = &mut self.running else {
            return;
        };
        (*since, *before) = (Duration::ZERO, counts);
        if let Err(error) = self.store.apply(Event::Started) {
            log(error.to_string());
        }
    }

    fn confirm(&mut self, slot: Slot, log: &mut Log<'_>) {
        match self.store.apply(Event::Confirmed) {
            Ok(()) => {
                log(format!("bundle version {} works and stays", slot.version));
                self.running = Running::Current(slot);
            }
            // It is tried again with the next tick.
            Err(error) => log(error.to_string()),
        }
    }

    /// Loads a trial that another process installed.
    fn take_up_trial(
        &mut self,
        now: Duration,
        counts: Counts,
        classes: &ClassSet,
        log: &mut Log<'_>,
    ) -> Option<Networks> {
        self.store.refresh().map_err(|error| log(error.to_string())).ok()?;
        self.take_warning().into_iter().for_each(&mut *log);
        let slot = self.store.record().state.trial.as_ref()?.slot.clone();
        if self.waits.as_ref() == Some(&slot.id) {
            return None;
        }
        let same = Bundle::open(&self.store.dir(&slot.id)).is_ok_and(|bundle| bundle.manifest().classes == *classes);
        if !same {
            log(format!(
                "bundle version {} has other classes and waits for the next start",
                slot.version
            ));
            self.waits = Some(slot.id);
            return None;
        }
        if let Err(error) = self.store.apply(Event::Started) {
            log(format!("no bundle is tried: {error}"));
            return None;
        }
        let Choice::Trial(slot) = self.store.record().state.choice(self.factory_version()) else {
            return None;
        };
        match self.load(&slot) {
            Ok(networks) => {
                log(format!("bundle version {} is tried from now on", slot.version));
                self.running = Running::Trial(slot, now, counts);
                Some(networks)
            }
            Err(reason) => {
                log(format!("bundle version {} is given up: {reason}", slot.version));
                if let Err(error) = self.store.apply(Event::Failed(slot.id)) {
                    log(error.to_string());
                }
                None
            }
        }
    }

    fn choose(&mut self, now: Duration, counts: Counts, log: &mut Log<'_>) -> Result<Networks, PredictError> {
        let Choice::Trial(slot) = self.store.record().state.choice(self.factory_version()) else {
            return self.fall_back(log);
        };
        match self.load(&slot) {
            Ok(networks) => {
                log(format!("bundle version {} is on trial", slot.version));
                self.running = Running::Trial(slot, now, counts);
                Ok(networks)
            }
            Err(reason) => {
                self.running = Running::Trial(slot, now, counts);
                self.refuse(&reason.to_string(), log)
            }
        }
    }

    /// The newest bundle that is not on trial and can be loaded.
    fn fall_back(&mut self, log: &mut Log<'_>) -> Result<Networks, PredictError> {
        let factory = self.factory_version();
        let state = &self.store.record().state;
        let slots: Vec<Slot> = [&state.current, &state.previous]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        for slot in slots.into_iter().filter(|slot| slot.version >= factory) {
            match self.load(&slot) {
                Ok(networks) => {
                    self.running = Running::Current(slot);
                    return Ok(networks);
                }
                Err(reason) => {
                    log(format!("bundle version {} is given up: {reason}", slot.version));
                    if let Err(error) = self.store.apply(Event::Failed(slot.id)) {
                        log(error.to_string());
                    }
                }
            }
        }
        self.running = Running::Factory;
        Networks::load_to_run(&self.factory, self.precision)
    }

    fn load(&mut self, slot: &Slot) -> Result<Networks, LoadError> {
        self.store.verify(&slot.id)?;
        Ok(Networks::load_to_run(&self.store.dir(&slot.id), self.precision)?)
    }

    fn factory_version(&self) -> u32 {
        factory_version(&self.factory)
    }
}

/// Version of the factory bundle; 0 where there is none that can be read.
pub fn factory_version(dir: &Path) -> u32 {
    Bundle::open(dir).map_or(0, |bundle| bundle.manifest().version)
}
