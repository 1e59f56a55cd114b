//! Promises of ledgers of exposures.

use super::healthy;
use super::together::{at_once, soon};
use crate::id::ItemKey;
use crate::launch::{ExposureLedger, LeaseId};

/// Checks a ledger that knows none of the items `tea`, `jam`, `käse:日本 語` and the one without a name.
///
/// ```
/// use reco_core::conformance;
/// use reco_core::launch::MemoryLedger;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// conformance::exposure_ledger(&MemoryLedger::default()).await;
/// # });
/// ```
///
/// # Panics
///
/// Panics at the first broken promise.
pub async fn exposure_ledger(ledger: &dyn ExposureLedger) {
    assert!(!ledger.name().is_empty(), "a ledger has a name");
    one_server(ledger).await;
    for odd in ["", "käse:日本 語"] {
        let granted = lease(ledger, &odd.into(), 1, 3, 2).await;
        assert_eq!(granted, 2, "any item has a budget of its own");
    }
    many_servers(ledger).await;
}

async fn one_server(ledger: &dyn ExposureLedger) {
    let tea = ItemKey::from("tea");
    assert_eq!(granted(ledger, &tea).await, 0, "nothing is granted of an item that nobody asked for");
    assert_eq!(lease(ledger, &tea, 1, 4, 10).await, 4, "what is wanted is granted while there is enough");
    assert_eq!(lease(ledger, &tea, 1, 4, 10).await, 4, "a repeated call has the same answer");
    assert_eq!(granted(ledger, &tea).await, 4, "a repeated call grants nothing more");
    assert_eq!(lease(ledger, &tea, 2, 9, 10).await, 6, "of more than there is, what there is");
    assert_eq!(lease(ledger, &tea, 3, 1, 10).await, 0, "nothing is granted beyond the limit");
    assert_eq!(lease(ledger, &tea, 4, 0, 20).await, 0, "who wants nothing gets nothing");
    give_back(ledger, &tea, 1, 3).await;
    give_back(ledger, &tea, 1, 3).await;
    assert_eq!(granted(ledger, &tea).await, 7, "what is given back twice came back once");
    give_back(ledger, &tea, 2, 99).await;
    assert_eq!(granted(ledger, &tea).await, 1, "no more comes back than was leased");
    assert_eq!(lease(ledger, &tea, 1, 4, 10).await, 0, "a lease that has ended is not taken again");
    give_back(ledger, &tea, 5, 7).await;
    assert_eq!(granted(ledger, &tea).await, 1, "what was never leased does not come back");
    assert_eq!(
        lease(ledger, &tea, 5, 7, 10).await,
        0,
        "and is not leased later, as by a call that comes late"
    );
    assert_eq!(lease(ledger, &tea, 6, 99, 10).await, 9, "what came back is granted again");
    assert_eq!(lease(ledger, &tea, 7, 99, 12).await, 2, "a limit may grow");
    assert_eq!(granted(ledger, &tea).await, 12, "all of it is granted");
}

/// Servers that take, spend and give back at the same moment.
async fn many_servers(ledger: &dyn ExposureLedger) {
    const SERVERS: usize = 8;
    const LIMIT: u64 = 500;
    let jam = &ItemKey::from("jam");
    let spent = at_once(SERVERS, |server| async move {
        let mut spent = 0;
        for round in 0.. {
            let id = (server as u128 + 1) * 1_000_000 + round;
            let n = lease(ledger, jam, id, 1 + round as u64 % 7, LIMIT).await;
            if n == 0 {
                break;
            }
            // Every third lease is half unused.
            let unused = if round % 3 == 0 { n / 2 } else { 0 };
            spent += n - unused;
            give_back(ledger, jam, id, unused).await;
        }
        spent
    });
    let spent: u64 = spent.await.into_iter().sum();
    assert_eq!(spent, granted(ledger, jam).await, "what was spent is what is granted, whoever asked when");
    assert!(spent <= LIMIT, "all servers together spend no more than there is: {spent} of {LIMIT}");
    let rest = lease(ledger, jam, 7, LIMIT, LIMIT).await;
    assert_eq!(spent + rest, LIMIT, "and nothing of it is lost");
}

async fn lease(ledger: &dyn ExposureLedger, item: &ItemKey, id: u128, want: u64, limit: u64) -> u64 {
    let lease = soon("a lease is answered", ledger.lease(item, LeaseId(id), want, limit)).await;
    healthy("a lease is answered, granted or not", lease)
}

async fn give_back(ledger: &dyn ExposureLedger, item: &ItemKey, id: u128, unused: u64) {
    let back = soon("giving back is answered", ledger.give_back(item, LeaseId(id), unused)).await;
    healthy("any lease may be given back", back);
}

async fn granted(ledger: &dyn ExposureLedger, item: &ItemKey) -> u64 {
    let granted = soon("how many are granted is told", ledger.granted(item)).await;
    healthy("how many are granted is told", granted)
}
