//! Where a test may stop the worker: at the boundaries between the effects of an execution, each of which is a command
//! on a host or a write to the database. Without the feature `faults`, nothing here does anything.
//!
//! At boundary N everything up to effect N-1 has happened and effect N has not, so the boundaries of a job, one after
//! the other, are all the states that a crash can leave behind it.

#[cfg(not(feature = "faults"))]
mod hook {
    #[inline]
    pub fn boundary(_effect: impl FnOnce() -> String) {}

    #[inline]
    pub fn host_is_fenced() -> bool {
        true
    }

    #[inline]
    pub fn notices_lost_leases() -> bool {
        true
    }
}

#[cfg(feature = "faults")]
mod hook {
    use std::{
        fs::File,
        io::Write,
        sync::{
            OnceLock,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
    };

    use nix::sys::signal::{Signal, raise};

    enum At {
        Number(usize),
        Effect(String),
    }

    impl At {
        fn is(&self, number: usize, effect: &str) -> bool {
            match self {
                Self::Number(at) => *at == number,
                Self::Effect(part) => effect.contains(part),
            }
        }
    }

    impl From<String> for At {
        fn from(at: String) -> Self {
            at.parse().map_or(Self::Effect(at), Self::Number)
        }
    }

    /// What the environment asks for.
    struct Plan {
        /// The boundaries that were reached, a line each.
        trace: Option<File>,
        /// The boundary at which this process gets a signal: its number, counted from 1, or a part of its effect.
        at: Option<At>,
        signal: Option<Signal>,
        host_is_fenced: bool,
    }

    static PLAN: OnceLock<Plan> = OnceLock::new();
    static REACHED: AtomicUsize = AtomicUsize::new(0);
    static STRUCK: AtomicBool = AtomicBool::new(false);

    fn plan() -> &'static Plan {
        PLAN.get_or_init(|| {
            let set = |name: &str| std::env::var(name).ok();
            let (kill, freeze) = (set("PINACLE_FAULT_KILL_AT"), set("PINACLE_FAULT_FREEZE_AT"));
            Plan {
                trace: set("PINACLE_FAULT_TRACE")
                    .and_then(|path| File::options().append(true).create(true).open(path).ok()),
                signal: kill.as_ref().map(|_| Signal::SIGKILL).or(freeze.as_ref().map(|_| Signal::SIGSTOP)),
                at: kill.or(freeze).map(At::from),
                host_is_fenced: set("PINACLE_FAULT_NO_HOST_FENCE").is_none(),
            }
        })
    }

    pub fn boundary(effect: impl FnOnce() -> String) {
        let plan = plan();
        let number = REACHED.fetch_add(1, Ordering::SeqCst) + 1;
        let effect = effect().replace('\n', " ");
        if let Some(mut trace) = plan.trace.as_ref() {
            drop(trace.write_all(format!("{number}\t{effect}\n").as_bytes()));
        }
        let here = plan.at.as_ref().is_some_and(|at| at.is(number, &effect));
        // The signal goes to this thread: another could take one for the process after the effect has happened.
        if let Some(signal) = plan.signal.filter(|_| here && !STRUCK.swap(true, Ordering::SeqCst))
            && raise(signal).is_err()
        {
            std::process::abort();
        }
    }

    pub fn host_is_fenced() -> bool {
        plan().host_is_fenced
    }

    pub fn notices_lost_leases() -> bool {
        plan().signal != Some(Signal::SIGSTOP)
    }
}

/// Says that `effect` is about to happen.
pub(crate) use hook::boundary;

/// False where a test switches the host's half of the fence off, to show that it is needed.
pub(crate) use hook::host_is_fenced;
/// False for a worker that is to be frozen: once it wakes up, only the fence stops it.
pub(crate) use hook::notices_lost_leases;
