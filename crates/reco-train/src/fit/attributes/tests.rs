use super::*;
use reco_core::catalog::ItemRecord;
use reco_core::event::{Action, ActionWeights};
use reco_core::interactions::InteractionLog;

const DAY: i64 = 86_400;

/// Users with one column.
fn users(values: impl IntoIterator<Item = Option<Value>>) -> Vec<BTreeMap<String, Value>> {
    let known = |value: Option<Value>| value.map(|value| ("own".to_owned(), value)).into_iter().collect();
    values.into_iter().map(known).collect()
}

fn texts(texts: &[&str]) -> Vec<BTreeMap<String, Value>> {
    users(texts.iter().map(|text| (!text.is_empty()).then(|| Value::Text((*text).to_owned()))))
}

fn config(columns: &[&str]) -> FeatureConfig {
    FeatureConfig {
        user_columns: columns.iter().map(|&name| name.to_owned()).collect(),
        ..FeatureConfig::default()
    }
}

/// Every user takes two items of one category: those below 6 fish, the others fruit.
fn histories(n_users: u32) -> (Histories, Catalog) {
    let mut catalog = Catalog::builder();
    for item in 0..4 {
        let category = Some(["fish", "fruit"][item / 2].to_owned());
        catalog.push(ItemRecord { category, ..ItemRecord::new(format!("item{item}")) }).unwrap();
    }
    let mut log = InteractionLog::default();
    for user in 0..n_users {
        let row = log.users.intern(&format!("user{user}"));
        for item in 0..2 {
            let item = ItemId::new(u32::from(user >= 6) * 2 + item);
            log.push(row, item, &Action::Purchase, None, Timestamp::from_secs(DAY));
        }
    }
    (Histories::from_log(&log, &ActionWeights::default()), catalog.build())
}

fn fitted(users: &Users) -> UserAttributes {
    let (histories, catalog) = histories(users.len() as u32);
    let until = Timestamp::from_secs(100 * DAY);
    fit(users, &histories, &catalog, until, &config(&["own"])).unwrap()
}

/// The names of the features, and the values of the first users.
fn check(users: &Users, names: &[&str], rows: &[&[f32]]) {
    let attributes = fitted(users);
    let found: Vec<&str> = attributes.features().map(|feature| &*feature.name).collect();
    assert_eq!(found, names);
    for (user, row) in rows.iter().enumerate() {
        let known = attributes.row(user as u32).unwrap();
        let is_same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        assert!(known.len() == row.len() && known.iter().zip(*row).all(is_same), "{user}: {known:?}");
    }
}

const NAN: f32 = f32::NAN;

#[test]
fn a_column_is_of_the_type_that_all_its_values_have() {
    let number = |number| Some(Value::Number(number));
    check(&users([number(33.0), None, number(1.5)]), &["user.own.own"], &[&[33.0], &[NAN], &[1.5]]);
    check(&texts(&["33", "", "1.5"]), &["user.own.own"], &[&[33.0], &[NAN], &[1.5]]);
    let flags = users([Some(Value::Flag(true)), Some(Value::Flag(false)), None]);
    check(&flags, &["user.own.own", "cross.own.own.category_lift"], &[&[1.0], &[0.0], &[NAN]]);
    // Days as of the end; those of later users are below 0.
    let moments = texts(&["1970-04-01", "", "1970-04-11T12:00:00Z", "1970-04-13"]);
    check(&moments, &["user.own.own"], &[&[10.0], &[NAN], &[-0.5], &[-2.0]]);
    let codes = texts(&[&["02139"; 6][..], &["90210"; 5], &["", "12345"]].concat());
    let names = ["user.own.own=02139", "user.own.own=90210", "cross.own.own.category_lift"];
    check(&codes, &names, &[&[1.0, 0.0]]);
    assert_eq!(fitted(&codes).row(12), Some(&[0.0, 0.0][..]), "a rare one is known not to be another");
}

#[test]
fn texts_are_features_by_how_many_users_have_them_under_names_that_other_tools_can_read() {
    let few = ["rare"; FEWEST_USERS - 1];
    let column = texts(&[&few[..], &["b c"; 7], &["b,c"; 6], &["a"; 7], &[""; 30]].concat());
    let names = ["user.own.own=a", "user.own.own=b_c", "user.own.own=b_c_2", "cross.own.own.category_lift"];
    check(&column, &names, &[&[0.0, 0.0, 0.0]]);
    let many: Vec<String> = (0..30 * FEWEST_USERS).map(|user| format!("town{}", user % 30)).collect();
    let many = texts(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(fitted(&many).features().count(), MOST_TEXTS + 1);
}

#[test]
fn a_taste_is_what_those_of_the_same_value_take_beyond_what_all_take() {
    let (histories, catalog) = histories(12);
    let takes = Takes { histories: &histories, categories: catalog.category() };
    // Six took twelve items of fish, six twelve of fruit; the first value is that of users 0 to 5.
    let value_of: Vec<Option<u32>> =
        (0..12).map(|user| (user != 11).then_some(u32::from(user >= 6))).collect();
    let lifts = takes.lifts(&value_of, 3);
    let lift = |count: f64, n: f64| (((count + PRIOR / 2.0) / (n + PRIOR)) / 0.5).log2() as f32;
    assert_eq!(lifts.row(0), [lift(12.0, 12.0), lift(0.0, 12.0)]);
    assert_eq!(lifts.row(1), [lift(0.0, 10.0), lift(10.0, 10.0)]);
    assert_eq!(lifts.row(2), [0.0, 0.0], "of whom nothing is known, nothing is believed");
}

#[test]
fn columns_that_cannot_be_features_are_named_with_those_that_can() {
    let told = |users: &Users, columns: &[&str], parts: &[&str]| {
        let problems = problems(users, &config(columns));
        assert_eq!(problems.len(), parts.len(), "{problems:?}");
        for (problem, part) in problems.iter().zip(parts) {
            assert!(
                problem.starts_with("user_columns: ") && problem.contains(part),
                "{problem} lacks {part}"
            );
        }
    };
    let known = texts(&["a"; 9]);
    told(&known, &[], &[]);
    told(&known, &["own"], &[]);
    told(
        &known,
        &["own", "own", "aeg"],
        &["`own` is named twice", "`aeg` is no column of the users; there are [\"own\"]"],
    );
    told(&[], &["own"], &["nothing was read of them"]);
    told(&texts(&["a", "b", "c"]), &["own"], &["no text that enough users share"]);
    told(&users([Some(Value::List(vec!["a".into()]))]), &["own"], &["holds lists"]);
}
