//! Whatever fails and whoever dies, nothing is shown more often than it may be; and what nobody took to the grave is shown.

use super::*;
use crate::error::FaultKind;
use crate::launch::MemoryLedger;
use crate::time::ManualClock;
use async_trait::async_trait;
use proptest::prelude::*;

/// A ledger whose next call may fail, before it does anything or after.
#[derive(Debug, Default)]
struct Flaky {
    ledger: MemoryLedger,
    next: Mutex<Option<Failure>>,
}

#[derive(Clone, Copy, Debug)]
enum Failure {
    Before,
    After,
}

impl Flaky {
    async fn call<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let failure = self.next.lock().take();
        let fault = || Err(Fault::new("flaky", FaultKind::Unavailable));
        match failure {
            Some(Failure::Before) => fault(),
            Some(Failure::After) => {
                call.await?;
                fault()
            }
            None => call.await,
        }
    }
}

#[async_trait]
impl ExposureLedger for Flaky {
    fn name(&self) -> &'static str {
        "flaky"
    }

    async fn lease(&self, item: &ItemKey, id: LeaseId, want: u64, limit: u64) -> Result<u64, Fault> {
        self.call(self.ledger.lease(item, id, want, limit)).await
    }

    async fn give_back(&self, item: &ItemKey, id: LeaseId, unused: u64) -> Result<(), Fault> {
        self.call(self.ledger.give_back(item, id, unused)).await
    }

    async fn granted(&self, item: &ItemKey) -> Result<u64, Fault> {
        self.ledger.granted(item).await
    }
}

/// What happens to one of three servers.
#[derive(Clone, Copy, Debug)]
enum Step {
    Take,
    PutBack,
    Refill(Option<Failure>),
    GiveBack(Option<Failure>),
    Wait(u64),
    Die,
}

fn step() -> impl Strategy<Value = Step> {
    let failure =
        || prop_oneof![4 => Just(None), 1 => Just(Some(Failure::Before)), 1 => Just(Some(Failure::After))];
    prop_oneof![
        30 => Just(Step::Take),
        2 => Just(Step::PutBack),
        10 => failure().prop_map(Step::Refill),
        2 => failure().prop_map(Step::GiveBack),
        1 => (0u64..100).prop_map(Step::Wait),
        1 => Just(Step::Die),
    ]
}

/// Three servers and how often each has shown the item.
struct World {
    clock: Arc<ManualClock>,
    ledger: Arc<Flaky>,
    servers: Vec<Leased>,
    shown: Vec<u64>,
    n_started: u64,
}

const LIMIT: u64 = 60;

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::starting_at(crate::time::Timestamp::from_secs(1_700_000_000)));
        let mut world =
            Self { clock, ledger: Arc::default(), servers: Vec::new(), shown: vec![0; 3], n_started: 0 };
        (0..3).for_each(|_| {
            let server = world.start();
            world.servers.push(server);
        });
        world
    }

    fn start(&mut self) -> Leased {
        self.n_started += 1;
        let (ledger, clock) = (Arc::clone(&self.ledger), Arc::clone(&self.clock));
        Leased::new(ledger, 8, clock, self.n_started)
    }

    async fn step(&mut self, server: usize, step: Step) {
        let tea = ItemKey::from("tea");
        match step {
            Step::Take => self.shown[server] += u64::from(self.servers[server].take(&tea, LIMIT)),
            Step::PutBack if self.shown[server] > 0 => {
                self.shown[server] -= 1;
                self.servers[server].put_back(&tea);
            }
            Step::PutBack => {}
            Step::Refill(failure) => {
                *self.ledger.next.lock() = failure;
                let _ = self.servers[server].refill().await;
            }
            Step::GiveBack(failure) => {
                *self.ledger.next.lock() = failure;
                let _ = self.servers[server].give_back().await;
            }
            Step::Wait(secs) => {
                self.clock.advance(Duration::from_secs(secs));
                let _ = self.servers[server].give_back_idle().await;
            }
            Step::Die => self.servers[server] = self.start(),
        }
        *self.ledger.next.lock() = None;
    }

    fn n_shown(&self) -> u64 {
        self.shown.iter().sum()
    }

    async fn granted(&self) -> u64 {
        self.ledger.granted(&"tea".into()).await.unwrap()
    }
}

fn run(work: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #[test]
    fn nobody_goes_beyond_the_limit(steps in prop::collection::vec((0usize..3, step()), 0..400)) {
        run(async {
            let mut world = World::new();
            for (server, step) in steps {
                world.step(server, step).await;
                prop_assert!(world.n_shown() <= world.granted().await && world.granted().await <= LIMIT);
            }
            Ok(())
        })?;
    }

    #[test]
    fn where_nobody_dies_everything_is_shown(steps in prop::collection::vec((0usize..3, step()), 0..400)) {
        run(async {
            let mut world = World::new();
            let survived = |step: &Step| !matches!(step, Step::Die | Step::PutBack);
            for (server, step) in steps.into_iter().filter(|(_, step)| survived(step)) {
                world.step(server, step).await;
            }
            for server in 0..3 {
                world.step(server, Step::GiveBack(None)).await;
            }
            prop_assert_eq!(world.n_shown(), world.granted().await);
            world.clock.advance(Leased::DRY);
            for _ in 0..2 * LIMIT {
                world.step(1, Step::Take).await;
                world.step(1, Step::Refill(None)).await;
            }
            prop_assert_eq!(world.n_shown(), LIMIT);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_is_wanted_is_fetched_and_what_is_not_goes_back() {
    let clock = Arc::new(ManualClock::starting_at(crate::time::Timestamp::from_secs(1_700_000_000)));
    let ledger = Arc::new(MemoryLedger::default());
    let budget = Arc::new(Leased::new(Arc::clone(&ledger) as Arc<_>, 10, Arc::clone(&clock) as Arc<_>, 1));
    let keeping = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { budget.keep().await }
    });
    let tea = ItemKey::from("tea");
    let granted = async || ledger.granted(&tea).await.unwrap();
    assert!(!budget.take(&tea, 100));
    while granted().await == 0 {
        tokio::task::yield_now().await;
    }
    assert!((0..6).all(|_| budget.take(&tea, 100)));
    while granted().await == 10 {
        tokio::task::yield_now().await;
    }
    while granted().await > 6 {
        clock.advance(Leased::IDLE);
        tokio::task::yield_now().await;
    }
    assert_eq!(granted().await, 6, "only what was spent stays granted");
    keeping.abort();
}
