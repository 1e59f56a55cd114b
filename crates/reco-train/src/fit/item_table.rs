//! Counting what the features of items tell.

use reco_core::catalog::{Catalog, Column, Labels};
use reco_core::event::{ActionWeights, Verdict};
use reco_core::features::{FeatureConfig, ItemTable, ItemTableBuilder as Builder};
use reco_core::id::ItemId;
use reco_core::interactions::{Histories, InteractionLog};
use reco_core::retrieve::repeats::Repeats;
use reco_core::time::Timestamp;

/// What an item's events add up to.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// Events per window, the shortest first.
    lately: Vec<f32>,
    n_events: f32,
    n_rejections: f32,
    n_weekend: f32,
    n_values: f32,
    sum_of_values: f32,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// Columns that are to be features and cannot be, one line each.
pub(super) fn problems(catalog: &Catalog, config: &FeatureConfig) -> Vec<String> {
    let is_number = |column: &Column| matches!(column, Column::Numbers(_) | Column::Flags(_));
    let there: Vec<&str> =
        catalog.extra().iter().filter(|(_, column)| is_number(column)).map(|(name, _)| &**name).collect();
    let missing = config.own_columns.iter().filter(|name| !there.contains(&name.as_str()));
    let problem =
        |name| format!("own_columns: `{name}` is no column of numbers or flags; there are {there:?}");
    missing.map(problem).collect()
}

/// The features of all items as of the end of `log`.
pub(super) fn fit(
    log: &InteractionLog,
    histories: &Histories,
    repeats: &Repeats,
    catalog: &Catalog,
    weights: &ActionWeights,
    config: &FeatureConfig,
) -> ItemTable {
    let until = log.span().map(|(_, last)| last).unwrap_or_default();
    let windows: &[f32] = if log.has_times() { &config.windows_days } else { &[] };
    let tallies = tallies(log, catalog.len(), weights, windows, until);
    let users = users(histories, catalog.len());
    let mut table = ItemTable::builder(catalog.len(), config.clone());
    let each = |value: &dyn Fn(&Tally) -> f32| tallies.iter().map(value).collect::<Vec<f32>>();
    for (place, days) in windows.iter().enumerate() {
        let about = format!("events of the last {days} days, as ln(1 + n)");
        let counts = each(&|tally| tally.lately[place].ln_1p());
        table = table.column(&format!("events_{days}d"), &about, counts).believed_for(BELIEVED * days);
    }
    for (place, pair) in windows.windows(2).enumerate() {
        let [short, long] = pair else { continue };
        let about = format!("log2 of the daily rate of the last {short} days by that of the last {long}");
        let rates =
            each(&|tally| rise(tally.lately[place] / short, tally.lately[place + 1] / long, 1.0 / long));
        table = table.column(&format!("rise_{short}d_{long}d"), &about, rates).believed_for(BELIEVED * short);
    }
    table = table
        .column("events", "all events, as ln(1 + n)", each(&|tally| tally.n_events.ln_1p()))
        .column("users", "distinct users who took it, as ln(1 + n)", users.iter().map(|users| users.ln_1p()))
        .column(
            "events_per_user",
            "events by distinct users",
            tallies.iter().zip(&users).map(|(tally, users)| tally.n_events / users),
        )
        .column(
            "repeat_ratio",
            "log2 of the share of takers who came back over that of the ordinary item",
            catalog.ids().map(|id| repeats.log_ratio(id)),
        )
        .column(
            "rejections",
            "events that reject it, as ln(1 + n)",
            each(&|tally| tally.n_rejections.ln_1p()),
        )
        .column(
            "mean_value",
            "mean of its ratings or quantities",
            each(&|tally| tally.sum_of_values / tally.n_values),
        )
        .column(
            "weekend_share",
            "share of events on Saturday or Sunday in UTC",
            each(&|tally| tally.n_weekend / tally.n_events),
        );
    let days_before = |at: Option<Timestamp>| at.map_or(f32::NAN, |at| until.days_since(at) as f32);
    if log.has_times() {
        table = table
            .age(
                "days_since_first",
                "days since its first event, as ln(1 + n)",
                each(&|tally| days_before(tally.first)),
            )
            .age(
                "days_since_last",
                "days since its latest event, likewise",
                each(&|tally| days_before(tally.last)),
            );
    }
    if catalog.ids().any(|id| catalog.created_at(id).is_some()) {
        let ages = catalog.ids().map(|id| days_before(catalog.created_at(id)));
        table = table.age("age_days", "days since it was added to the catalogue, as ln(1 + n)", ages);
    }
    let events: Vec<f32> = each(&|tally| tally.n_events);
    let table = places(table, catalog, &events);
    attributes(prices(table, catalog), catalog, config).build()
}

/// Windows for which the count of a window is believed after the data's end.
const BELIEVED: f32 = 4.0;

fn tallies(
    log: &InteractionLog,
    n_items: usize,
    weights: &ActionWeights,
    windows: &[f32],
    until: Timestamp,
) -> Vec<Tally> {
    let mut tallies = vec![Tally { lately: vec![0.0; windows.len()], ..Tally::default() }; n_items];
    for (row, verdict) in log.verdicts(weights).enumerate() {
        let (tally, at) = (&mut tallies[log.item[row].index()], log.at[row]);
        if log.actions[log.action[row] as usize].is_rejection() {
            tally.n_rejections += 1.0;
        }
        // What was taken back is no event, and neither is what took it back.
        if !matches!(verdict, Verdict::Speaks(weight) if weight > 0.0) {
            continue;
        }
        let days = until.days_since(at) as f32;
        tally
            .lately
            .iter_mut()
            .zip(windows)
            .filter(|(_, window)| days < **window)
            .for_each(|(n, _)| *n += 1.0);
        tally.n_events += 1.0;
        tally.n_weekend += f32::from(u8::from(at.weekday() >= 5));
        tally.first = Some(tally.first.map_or(at, |first| first.min(at)));
        tally.last = tally.last.max(Some(at));
        if log.value[row].is_finite() {
            tally.n_values += 1.0;
            tally.sum_of_values += log.value[row];
        }
    }
    tallies
}

/// Distinct users per item.
fn users(histories: &Histories, n_items: usize) -> Vec<f32> {
    let mut users = vec![0.0; n_items];
    let liked = histories.touches().iter().filter(|touch| touch.is_liked());
    liked.for_each(|touch| users[touch.item.index()] += 1.0);
    users
}

/// log2 of one rate over another, both raised by `prior` so that a single event proves little.
fn rise(rate: f32, base: f32, prior: f32) -> f32 {
    ((rate + prior) / (base + prior)).log2()
}

/// How an item stands among those of the same label.
fn places(mut table: Builder, catalog: &Catalog, events: &[f32]) -> Builder {
    let all = events.iter().sum::<f32>().max(1.0);
    for (name, labels) in
        [("category", catalog.category()), ("subcategory", catalog.subcategory()), ("brand", catalog.brand())]
    {
        if labels.cardinality() == 0 {
            continue;
        }
        let mut sums = vec![(0.0f32, 0.0f32); labels.cardinality()];
        for id in catalog.ids() {
            if let Some(code) = labels.code(id) {
                let (n_items, n_events) = &mut sums[code as usize];
                *n_items += 1.0;
                *n_events += events[id.index()];
            }
        }
        let of = |id: ItemId, value: &dyn Fn(f32, f32) -> f32| {
            labels.code(id).map_or(f32::NAN, |code| {
                let (n_items, n_events) = sums[code as usize];
                value(n_items, n_events)
            })
        };
        table = table
            .column(
                &format!("{name}_size"),
                &format!("items of its {name}, as ln(1 + n)"),
                catalog.ids().map(|id| of(id, &|n_items, _| n_items.ln_1p())),
            )
            .column(
                &format!("{name}_popularity"),
                &format!("share of all events that its {name} has"),
                catalog.ids().map(|id| of(id, &|_, n_events| n_events / all)),
            )
            .column(
                &format!("share_of_{name}"),
                &format!("share of its {name}'s events that it has"),
                catalog.ids().map(|id| of(id, &|_, n_events| events[id.index()] / n_events.max(1.0))),
            );
    }
    table
}

fn prices(table: Builder, catalog: &Catalog) -> Builder {
    if !catalog.ids().any(|id| catalog.price(id).is_some()) {
        return table;
    }
    let labels: &Labels = catalog.category();
    let price = |id: ItemId| catalog.price(id);
    let mut of_category: Vec<Vec<f32>> = vec![Vec::new(); labels.cardinality() + 1];
    let group = |id: ItemId| labels.code(id).map_or(labels.cardinality(), |code| code as usize);
    catalog.ids().for_each(|id| of_category[group(id)].extend(price(id)));
    of_category.iter_mut().for_each(|prices| prices.sort_unstable_by(f32::total_cmp));
    let rank = |id: ItemId| {
        let (prices, price) = (&of_category[group(id)], price(id)?);
        let below = prices.partition_point(|&other| other < price);
        let not_above = prices.partition_point(|&other| other <= price);
        Some((below + not_above) as f32 / 2.0 / prices.len() as f32)
    };
    let ratio = |id: ItemId| {
        let prices = &of_category[group(id)];
        Some(price(id)?.ln_1p() - prices.get(prices.len() / 2)?.ln_1p())
    };
    let or_nan = |value: Option<f32>| value.unwrap_or(f32::NAN);
    table
        .column("price", "price, as ln(1 + p)", catalog.ids().map(|id| or_nan(price(id).map(f32::ln_1p))))
        .column(
            "price_rank",
            "share of its category's prices below its own",
            catalog.ids().map(|id| or_nan(rank(id))),
        )
        .column(
            "price_ratio",
            "ln(1 + price) less that of its category's median",
            catalog.ids().map(|id| or_nan(ratio(id))),
        )
}

/// Other numbers that the catalogue holds.
fn attributes(mut table: Builder, catalog: &Catalog, config: &FeatureConfig) -> Builder {
    let has = |value: &dyn Fn(ItemId) -> Option<f32>| catalog.ids().any(|id| value(id).is_some());
    let margin = |id| catalog.margin(id);
    let stock = |id| catalog.stock(id).map(f32::ln_1p);
    if has(&margin) {
        table = table.column("margin", "margin", catalog.ids().map(|id| margin(id).unwrap_or(f32::NAN)));
    }
    if has(&stock) {
        table = table.column(
            "stock",
            "stock, as ln(1 + n)",
            catalog.ids().map(|id| stock(id).unwrap_or(f32::NAN)),
        );
    }
    if catalog.tags().cardinality() > 0 {
        let n_tags = catalog.ids().map(|id| catalog.tags().codes(id).len() as f32);
        table = table.column("tags", "number of its tags", n_tags);
    }
    for name in &config.own_columns {
        let about = format!("the item's own column `{name}`");
        let column = catalog.extra().get(name);
        let name = format!("own.{name}");
        table = match column {
            Some(Column::Numbers(numbers)) => {
                table.column(&name, &about, numbers.iter().map(|&number| number as f32))
            }
            Some(Column::Flags(flags)) => {
                let value = |flag: &Option<bool>| flag.map_or(f32::NAN, |flag| f32::from(u8::from(flag)));
                table.column(&name, &about, flags.iter().map(value))
            }
            _ => table,
        };
    }
    table
}
