//! What was served is made again, from what was written down of it alone.

use super::arrivals::{config, everybody, new_tea, shop};
use super::*;
use crate::rerank::{ExploreConfig, ExploreHow};
use crate::store::{DurableLog, LogConfig, ScanError};
use crate::time::SystemClock;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::path::Path;

/// A server over two folders: its events, and its pages.
struct Server {
    recommender: Recommender,
    pages: PageLog,
    clock: ManualClock,
    rng: Pcg64Mcg,
    n_events: u128,
    n_pages: usize,
}

fn explores(how: Option<ExploreHow>) -> PipelineConfig {
    let explore = how.map(|how| ExploreConfig { how, epsilon: 0.3, ..ExploreConfig::default() });
    PipelineConfig { explore, deadline_ms: 60_000, ..config(everybody()) }
}

impl Server {
    fn start(folder: &Path, config: &PipelineConfig, seed: u64) -> Self {
        let clock = clock();
        let as_clock = || Arc::new(clock.clone()) as Arc<dyn Clock>;
        let (events, _) = DurableLog::open(folder, &LogConfig::default(), as_clock()).unwrap();
        let builder = config.builder(shop("v1", &[])).unwrap().clock(as_clock()).events(Arc::new(events));
        let (folder, which) = (folder.join("pages"), LoggedPages::All);
        let opened = PageLog::open(&folder, which, 1.0, &LogConfig::default(), Arc::new(SystemClock));
        let (pages, _, work) = opened.unwrap();
        tokio::spawn(work);
        Self {
            recommender: builder.build().unwrap(),
            pages,
            clock,
            rng: Pcg64Mcg::seed_from_u64(seed),
            n_events: 0,
            n_pages: 0,
        }
    }

    fn user(&mut self) -> String {
        format!("user{}", self.rng.random_range(0..14))
    }

    async fn event(&mut self) {
        let actions = [Action::Impression, Action::Click, Action::Purchase, Action::Hide, Action::View];
        self.n_events += 1;
        let user = self.user();
        let event = Event {
            id: EventId(self.n_events),
            user: user.as_str().into(),
            item: format!("item{}", self.rng.random_range(0..32)).as_str().into(),
            action: actions[self.rng.random_range(0..actions.len())].clone(),
            value: None,
            at: self.clock.wall(),
            details: None,
        };
        self.recommender.ingest(vec![event]).await.unwrap();
    }

    async fn page(&mut self) {
        let id = format!("request {}", self.n_pages);
        self.n_pages += 1;
        let request =
            Request::for_user(self.user().as_str()).count(self.rng.random_range(1..12)).draw_by(&id);
        let request = match self.rng.random_range(0..4) {
            0 => request.surface(Surface::Similar("item3".into())),
            1 => request.explain(false).exclude(["item1", "item2"]),
            _ => request,
        };
        let watched = self.pages.watch(&self.recommender, &id).unwrap();
        let page = self.recommender.recommend(request.clone()).await.unwrap();
        assert!(page.faults.is_empty(), "{:?}", page.warnings());
        assert!(watched.note(&request, &page, &[]));
    }

    /// A day of some of everything.
    async fn work(&mut self) {
        for step in 0..120 {
            self.clock.advance(Duration::from_mins(11));
            match self.rng.random_range(0..5) {
                0 | 1 => self.page().await,
                _ => self.event().await,
            }
            if step == 50 {
                self.recommender.add_items(vec![new_tea()]).unwrap();
            }
            if step == 80 {
                self.recommender.swap(shop("v2", &[]));
            }
        }
        self.pages.flush().await;
        assert_eq!(
            self.pages.counts(),
            crate::store::OutboxCounts { kept: self.n_pages as u64, waiting: 0, lost: 0 }
        );
    }
}

/// Of every page, whether it is the same again.
fn made_again(folder: &Path, config: &PipelineConfig) -> Vec<bool> {
    let replay = Replay::new(config.builder(shop("v1", &[])).unwrap(), Live::default()).unwrap();
    let mut events = DurableLog::look(folder, 0).unwrap().map(Result::unwrap).peekable();
    let records: Result<Vec<PageRecord>, ScanError> = PageLog::look(&folder.join("pages")).unwrap().collect();
    let again = |record: PageRecord| {
        if *replay.snapshot().version != *record.snapshot {
            replay.swap(shop(&record.snapshot, &[]));
        }
        if replay.snapshot().catalog.len() < record.n_items {
            replay.add(vec![ItemRecord { created_at: None, ..new_tea() }]).unwrap();
        }
        while let Some(delivery) = events.next_if(|delivery| record.events.contains(delivery.place)) {
            replay.tell(&[delivery]);
        }
        assert!(replay.may_make(&record) && record.until.is_none());
        let settings = PageLog::settings(&folder.join("pages"), &record.settings).unwrap();
        assert_eq!(settings, *config, "{} may not differ", record.settings);
        replay.page(&record).unwrap().digest() == record.digest
    };
    records.unwrap().into_iter().map(again).collect()
}

#[tokio::test]
async fn pages_are_the_same_byte_for_byte() {
    for (seed, how) in
        [None, Some(ExploreHow::Epsilon), Some(ExploreHow::PlackettLuce), Some(ExploreHow::Thompson)]
            .into_iter()
            .enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(folder.path(), &explores(how), seed as u64);
        server.work().await;
        let again = made_again(folder.path(), &explores(how));
        assert!(again.len() > 20 && again.iter().all(|is_same| *is_same), "{how:?}: {again:?}");
    }
}

#[tokio::test]
async fn what_is_not_known_makes_another_page() {
    let (folder, config) = (tempfile::tempdir().unwrap(), explores(None));
    let mut server = Server::start(folder.path(), &config, 7);
    server.work().await;
    let replay = Replay::new(config.builder(shop("v1", &[])).unwrap(), Live::default()).unwrap();
    let records = PageLog::look(&folder.path().join("pages")).unwrap().map(Result::unwrap);
    let later = records.filter(|record| !replay.may_make(record));
    let same = later.filter(|record| replay.page(record).unwrap().digest() == record.digest).count();
    assert!(same < server.n_pages / 2, "events make a difference: {same} of {}", server.n_pages);
}

#[tokio::test]
async fn only_what_is_wanted_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let open = |which, share| {
        let opened = PageLog::open(folder.path(), which, share, &LogConfig::default(), Arc::new(SystemClock));
        opened.unwrap().0
    };
    let recommender = |how| explores(how).builder(shop("v1", &[])).unwrap().build().unwrap();
    let (plain, curious) = (recommender(None), recommender(Some(ExploreHow::Epsilon)));
    let by_hand = Recommender::builder(shop("v1", &[])).build().unwrap();
    for (which, of_plain, of_curious) in [
        (LoggedPages::None, false, false),
        (LoggedPages::Explored, false, true),
        (LoggedPages::All, true, true),
    ] {
        let log = open(which, 1.0);
        assert_eq!(log.watch(&plain, "a").is_some(), of_plain, "{which:?}");
        assert_eq!(log.watch(&curious, "a").is_some(), of_curious, "{which:?}");
        assert!(log.watch(&by_hand, "a").is_none(), "nobody could make it again without its settings");
    }
    let log = open(LoggedPages::All, 0.25);
    let n_watched = (0..4_000).filter(|id| log.watch(&plain, &format!("id {id}")).is_some()).count();
    assert!((900..1_100).contains(&n_watched), "{n_watched} of 4000");
}
