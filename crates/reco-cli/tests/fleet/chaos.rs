//! What happens to the fleet at work. Three threads do harm, each as its part of the seed says: one to servers, one to the
//! network, one to Kafka and Redis. How that falls together is up to the machine.

use crate::eventually;
use crate::proxy::Cut;
use crate::stack::{FAR, Fleet, NAMES, primary};
use crate::traffic::Traffic;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

/// How often a server is killed.
const KILLS: usize = 6;

/// How often the far server is cut off.
const CUTS: usize = 6;

/// Batches that are accepted between one harm and the next.
const BETWEEN: Range<u64> = 10..60;

/// Milliseconds by which harm misses the moment in which a batch was accepted.
const BESIDE: Range<u64> = 0..50;

/// Milliseconds for which a killed server is not there.
const DEAD: Range<u64> = 0..2_000;

/// Milliseconds of a cut. In more than three seconds the others take over what the server read.
const CUT: Range<u64> = 300..8_000;

/// Milliseconds for which a broker is silent. In more than nine seconds the others give it up.
const SILENT: Range<u64> = 1_000..11_000;

/// What is done to Kafka and Redis.
#[derive(Clone, Copy)]
enum Harm {
    KillPrimary,
    KillBroker,
    SilenceBroker,
}

/// Writes and reads while everything is harmed that can be; all is well again in the end.
pub(crate) fn rage(fleet: &Fleet, traffic: &Traffic, seed: u64) {
    let harms: [fn(&Fleet, &Traffic, &mut Pcg64Mcg); 3] = [kill_servers, cut_off, harm_stack];
    let mut seeds = Pcg64Mcg::seed_from_u64(seed);
    let running = AtomicUsize::new(harms.len());
    let is_over = || running.load(Ordering::SeqCst) == 0;
    scope(|scope| {
        for harm in harms {
            let mut random = Pcg64Mcg::seed_from_u64(seeds.random());
            let ended = Ended(&running);
            scope.spawn(move || {
                let _ended = ended;
                harm(fleet, traffic, &mut random);
            });
        }
        for first in 0..NAMES.len() {
            scope.spawn(move || traffic.write(fleet, first, is_over));
        }
        scope.spawn(|| traffic.read(fleet, is_over));
    });
}

/// Tells that something ended, in whatever way.
struct Ended<'a>(&'a AtomicUsize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Some batches later, at any moment.
fn await_moment(traffic: &Traffic, random: &mut impl Rng) {
    traffic.await_more(random.random_range(BETWEEN));
    sleep(drawn(random, BESIDE));
}

fn drawn(random: &mut impl Rng, millis: Range<u64>) -> Duration {
    Duration::from_millis(random.random_range(millis))
}

fn kill_servers(fleet: &Fleet, traffic: &Traffic, random: &mut Pcg64Mcg) {
    for _ in 0..KILLS {
        await_moment(traffic, random);
        let name = NAMES[random.random_range(0..NAMES.len())];
        fleet.note(&format!("{name} is killed"));
        fleet.kill(name);
        sleep(drawn(random, DEAD));
        fleet.start(name);
    }
}

fn cut_off(fleet: &Fleet, traffic: &Traffic, random: &mut Pcg64Mcg) {
    let Some(network) = &fleet.network else { return };
    for _ in 0..CUTS {
        await_moment(traffic, random);
        let (cut, lasts) = (Cut::draw(random), drawn(random, CUT));
        let _held = traffic.hold_back();
        fleet.note(&format!("{FAR} is cut off for {lasts:?}: {cut:?}"));
        network.cut(cut);
        sleep(lasts);
        network.heal(cut);
        fleet.note(&format!("{FAR} is not cut off any more"));
    }
}

fn harm_stack(fleet: &Fleet, traffic: &Traffic, random: &mut Pcg64Mcg) {
    let mut brokers = fleet.brokers();
    brokers.shuffle(random);
    // One of three is not needed. Of the others, events wait for each that is silent.
    let doomed = if brokers.len() == 3 { brokers.pop() } else { None };
    let mut harms = [Harm::KillPrimary, Harm::KillBroker, Harm::SilenceBroker, Harm::SilenceBroker];
    harms.shuffle(random);
    for harm in harms {
        await_moment(traffic, random);
        match harm {
            Harm::KillPrimary => kill_primary(fleet),
            Harm::KillBroker => doomed.iter().for_each(|name| fleet.signal("KILL", name)),
            Harm::SilenceBroker => {
                let _held = traffic.hold_back();
                let name = &brokers[random.random_range(0..brokers.len())];
                fleet.signal("STOP", name);
                sleep(drawn(random, SILENT));
                fleet.signal("CONT", name);
            }
        }
    }
}

fn kill_primary(fleet: &Fleet) {
    let before = primary();
    fleet.signal("KILL", "redis-primary");
    let promoted = eventually(primary, |now| now.is_some() && *now != before).expect("it was awaited");
    fleet.note(&format!("{promoted} is the primary now"));
    if let Some(network) = &fleet.network {
        network.redis.lead(&promoted);
    }
}
