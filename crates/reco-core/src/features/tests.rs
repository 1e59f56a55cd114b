use super::*;
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::fixture;
use crate::id::ItemId;
use crate::linalg::Matrix;
use crate::query::Query;
use crate::rank::{BlendModel, BlendModels, Blends, SourceWeights};
use crate::request::{Context, Request};
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// Of the fixture's forty items, one column counts and one tells an age.
fn snapshot(config: &FeatureConfig) -> Snapshot {
    let mut snapshot = fixture::snapshot();
    let table = ItemTable::builder(40, config.clone())
        .column("users", "users", (0..40u8).map(|id| if id == 4 { f32::NAN } else { f32::from(id) }))
        .believed_for(10.0)
        .age("days_since_last", "age", (0..40u8).map(f32::from))
        .build();
    snapshot.models.insert(ItemTable::NAME, table);
    snapshot
}

fn matrix(config: &FeatureConfig, request: Request, items: &[u32]) -> FeatureMatrix {
    let query = fixture::query_of(request, snapshot(config));
    let set = fixture::candidates(items.iter().copied());
    FeatureSchema::default().matrix(&query, &set).unwrap()
}

fn check(matrix: &FeatureMatrix, row: usize, name: &str, expected: f32) {
    let column = matrix.column(name).unwrap_or_else(|| panic!("there is no feature {name}"));
    let found = matrix.row(row)[column];
    let is_it = if expected.is_nan() { found.is_nan() } else { (found - expected).abs() < 1e-5 };
    assert!(is_it, "{name} of row {row} is {found}, not {expected}");
}

#[test]
fn features_tell_what_the_fixture_is() {
    // Ann bought item 1 on days 10 and 40, item 5 on day 70, item 2 on day 95 and hid item 3; it is day 101.
    let matrix = matrix(&FeatureConfig::default(), Request::for_user("ann"), &[1, 4, 9]);
    let same = |name, expected| (0..3).for_each(|row| check(&matrix, row, name, expected));
    same("user.items", 5f32.ln());
    same("user.repeat_share", 0.25);
    same("user.rejected", 2f32.ln());
    same("user.days_since_last", 5.0);
    same("user.days_since_first", 91.0);
    same("user.items_30d", 3f32.ln());
    // Items 1 and 5 are of category 1, item 2 of category 2; the hidden one tells nothing.
    same("user.categories", 3f32.ln());
    same("user.top_category_share", 0.75);
    same("context.days_since_training", 1.0);
    check(&matrix, 0, "cross.own_events", 3f32.ln());
    check(&matrix, 0, "cross.was_had", 1.0);
    check(&matrix, 0, "cross.own_days_since_last", 62f32.ln());
    check(&matrix, 0, "cross.own_interval", 31f32.ln());
    check(&matrix, 0, "cross.own_phase", (61f32 / 30.0).log2());
    check(&matrix, 1, "cross.own_events", 0.0);
    check(&matrix, 1, "cross.own_days_since_last", MISSING);
    check(&matrix, 0, "cross.category_share", 0.75);
    check(&matrix, 1, "cross.category_share", 0.0);
    check(&matrix, 1, "cross.category_days_since", MISSING);
    check(&matrix, 2, "cross.category_days_since", 32f32.ln());
    check(&matrix, 0, "item.users", 1.0);
    check(&matrix, 1, "item.users", MISSING);
    check(&matrix, 2, "item.days_since_last", 11f32.ln());
    check(&matrix, 0, "source.test.early", 1.0);
    check(&matrix, 1, "source.test.early", 0.75);
    same("source.count", 1.0);
}

#[test]
fn of_a_stranger_little_is_known_and_nothing_is_infinite() {
    let context = Context { device: Some("Mobile".to_owned()), ..Context::default() };
    let matrix = matrix(&FeatureConfig::default(), Request::for_user("nobody").context(context), &[0, 7]);
    assert!(matrix.values().iter().all(|value| !value.is_infinite()));
    check(&matrix, 0, "user.items", 0.0);
    check(&matrix, 0, "user.days_since_last", MISSING);
    check(&matrix, 0, "user.price_mean", MISSING);
    check(&matrix, 0, "context.is_mobile", 1.0);
    check(&matrix, 0, "context.is_tablet", 0.0);
}

#[test]
fn defaults_stand_for_what_is_missing_or_too_old() {
    let config = FeatureConfig {
        defaults: [("item.users".to_owned(), -1.0), ("user.price_mean".to_owned(), 3.0)].into(),
        ttl_days: [("item.days_since_last".to_owned(), 0.5)].into(),
        ..FeatureConfig::default()
    };
    let at = |days| {
        let context = Context { time: Some(fixture::day(days)), ..Context::default() };
        matrix(&config, Request::for_user("nobody").context(context), &[3, 4])
    };
    let a_day_later = at(101);
    check(&a_day_later, 0, "item.users", 3.0);
    check(&a_day_later, 1, "item.users", -1.0);
    check(&a_day_later, 0, "user.price_mean", 3.0);
    check(&a_day_later, 0, "item.days_since_last", MISSING);
    // The fixture believes the number of users for ten days.
    check(&at(111), 0, "item.users", -1.0);
    check(&at(110), 0, "item.users", 3.0);
}

#[test]
fn what_is_known_of_users_themselves_is_told_of_them_alone() {
    let lifts = Matrix::from_vec(2, 3, vec![0.5, -0.5, MISSING, 1.0, 2.0, 3.0]);
    let attributes = UserAttributes::builder(1)
        .column("age", "an age", [33.0])
        .age("joined", "a moment", [6.0])
        .age("leaves", "a moment to come", [-3.0])
        .taste("plan.category_lift", "a taste", &[Some(0)], lifts)
        .build();
    let asked = |user: &str| {
        let mut snapshot = snapshot(&FeatureConfig::default());
        snapshot.models.insert(UserAttributes::NAME, attributes.clone());
        let query = fixture::query_of(Request::for_user(user), snapshot);
        FeatureSchema::default().matrix(&query, &fixture::candidates([0, 1, 2, 3])).unwrap()
    };
    let ann = asked("ann");
    (0..4).for_each(|row| check(&ann, row, "user.own.age", 33.0));
    // The fixture asks a day after its data end.
    check(&ann, 0, "user.own.joined", 8f32.ln());
    check(&ann, 0, "user.own.leaves", MISSING);
    // Categories are those of the items, in turn; of the fourth nothing is known.
    for (row, lift) in [0.5, -0.5, MISSING, MISSING].into_iter().enumerate() {
        check(&ann, row, "cross.own.plan.category_lift", lift);
    }
    let stranger = asked("nobody");
    check(&stranger, 0, "user.own.age", MISSING);
    check(&stranger, 0, "cross.own.plan.category_lift", MISSING);
}

/// Two columns under names that others have.
#[derive(Debug)]
struct Doubled;

impl FeatureGroup for Doubled {
    fn name(&self) -> &'static str {
        "doubled"
    }
    fn features(&self, _: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
        ["user.items", "own.id"].map(|name| Feature::new(name, FeatureKind::Item, "a test")).to_vec()
    }
    fn fill(&self, _: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        block.rows().zip(set.ids()).for_each(|(row, id)| row.copy_from_slice(&[0.0, id.raw() as f32]));
        Ok(())
    }
}

#[test]
fn a_group_of_ones_own_stands_beside_the_others_and_mistakes_are_named() {
    let schema = FeatureSchema::default().with(Doubled);
    let query = fixture::query(Request::for_user("ann"));
    let set = fixture::candidates([7, 8]);
    let matrix = schema.matrix(&query, &set).unwrap();
    check(&matrix, 1, "own.id", ItemId::new(8).raw() as f32);
    let config = FeatureConfig {
        windows_days: vec![7.0, 1.0],
        leave_out: vec!["cross.*".to_owned(), "item.userz".to_owned()],
        defaults: [("user.itemz".to_owned(), 0.0)].into(),
        ttl_days: [("user.items".to_owned(), 0.0)].into(),
        ..FeatureConfig::default()
    };
    let problems = schema.problems(&snapshot(&config), set.sources());
    for (problem, part) in problems.iter().zip([
        "windows_days is [7.0, 1.0]",
        "ttl_days.user.items is 0",
        "two groups have a feature `user.items`",
        "defaults.user.itemz",
        "`item.userz`",
    ]) {
        assert!(problem.contains(part), "{problem} is not about {part}");
    }
    assert_eq!(problems.len(), 5, "{problems:#?}");
}

#[test]
fn the_blend_tells_every_candidate_its_share_of_the_odds() {
    let weights = SourceWeights { source: "fixture".to_owned(), weights: [1.0, 0.0, 2.0, 0.0, 0.5, 0.0] };
    let model = Some(BlendModel::new(vec![weights]));
    let blends = Blends { with_repeats: model.clone(), all_new: model.clone() };
    let models = BlendModels { strangers: model, newcomers: blends.clone(), regulars: blends };
    let mut snapshot = snapshot(&FeatureConfig::default());
    snapshot.models.insert(BlendModels::NAME, models);
    let query = fixture::query_of(Request::for_user("ann"), snapshot);
    let set = fixture::candidates([1, 4, 9]);
    let matrix = FeatureSchema::default().matrix(&query, &set).unwrap();
    let column = matrix.column(BLEND).unwrap();
    let shares: Vec<f32> = (0..3).map(|row| matrix.row(row)[column].exp()).collect();
    assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{shares:?}");
    let BlendModels { regulars, .. } = query.snapshot.models.get::<BlendModels>(BlendModels::NAME).unwrap();
    let mut expected = vec![0.0; 3];
    regulars.all_new.as_ref().unwrap().log_shares(&set, &mut expected);
    (0..3).for_each(|row| check(&matrix, row, BLEND, expected[row]));
}
