//! The accounts of new items' exposures: however many servers draw on one, no more is granted than there is.

use crate::rig::cluster::Cluster;
use crate::rig::toxiproxy::Toxiproxy;
use crate::rig::{Server, client, eventually_async, present};
use reco_core::conformance;
use reco_core::id::ItemKey;
use reco_core::launch::{ExposureBudget, ExposureLedger, LeaseId, Leased};
use reco_core::time::SystemClock;
use reco_redis::Exposures;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn an_account_keeps_its_promises() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    conformance::exposure_ledger(&Exposures::new(&server.client())).await;
    let cluster = Cluster::start();
    let boxed: Box<dyn ExposureLedger> = Box::new(Exposures::new(&cluster.client()));
    conformance::exposure_ledger(&boxed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_show_an_item_exactly_as_often_as_it_may_be() {
    const LIMIT: u64 = 1_000;
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let tea = ItemKey::from("tea");
    let serve = |seed: u64| {
        let ledger = Exposures::new(&server.client());
        let (budget, tea) = (Leased::new(Arc::new(ledger), 7, Arc::new(SystemClock), seed), tea.clone());
        async move {
            let (mut n_shown, mut n_in_vain) = (0u64, 0);
            while n_in_vain < 5 {
                let is_granted = budget.take(&tea, LIMIT);
                n_shown += u64::from(is_granted);
                n_in_vain = if is_granted { 0 } else { n_in_vain + 1 };
                budget.refill().await.unwrap();
            }
            budget.give_back().await.unwrap();
            n_shown
        }
    };
    let servers: Vec<_> = (1..=6).map(|seed| tokio::spawn(serve(seed))).collect();
    let mut n_shown = 0;
    for served in servers {
        n_shown += served.await.unwrap();
    }
    // What one gave back at the end, the others may have stopped asking for.
    n_shown += serve(7).await;
    assert_eq!(n_shown, LIMIT);
    assert_eq!(Exposures::new(&server.client()).granted(&tea).await.unwrap(), LIMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_grants_nothing_twice() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let Some(proxy) = Toxiproxy::before(server.port) else { return };
    let (near, far) = (Exposures::new(&server.client()), Exposures::new(&client(proxy.config())));
    let (near, tea) = (&near, &ItemKey::from("tea"));
    assert_eq!(far.lease(tea, LeaseId(1), 5, 100).await.unwrap(), 5);
    proxy.lose_answers();
    let asking = tokio::spawn({
        let tea = tea.clone();
        async move { far.lease(&tea, LeaseId(2), 5, 100).await }
    });
    let granted = || async move { near.granted(tea).await.unwrap() };
    eventually_async(
        "the server has granted what it could not confirm",
        || async move { granted().await > 5 },
    )
    .await;
    proxy.mend();
    assert_eq!(asking.await.unwrap().unwrap(), 5);
    assert_eq!(granted().await, 10);
}
