//! What the language says and how it complains.

use super::*;
use crate::catalog::{ItemRecord, Value as Attribute};
use crate::id::ItemId;
use proptest::prelude::*;

fn catalog() -> Catalog {
    let mut builder = Catalog::builder();
    let record =
        |key: &str, category: &str, price: Option<f32>, tags: &[&str], year: Option<f64>| ItemRecord {
            category: Some(category.to_owned()),
            price,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            extra: year.map(|year| ("made in".to_owned(), Attribute::Number(year))).into_iter().collect(),
            ..ItemRecord::new(key)
        };
    builder.push(record("tea", "drinks", Some(3.2), &["organic", "green"], Some(2020.0))).unwrap();
    builder.push(record("cola", "drinks", Some(0.1), &[], Some(2021.0))).unwrap();
    builder
        .push(ItemRecord { brand: Some("x".into()), ..record("bread", "bakery", None, &["organic"], None) })
        .unwrap();
    builder.build()
}

fn matching(text: &str) -> Vec<u32> {
    let catalog = catalog();
    let bound = text.parse::<Predicate>().unwrap().bind(&catalog).unwrap();
    catalog.ids().filter(|&id| bound.matches(&catalog, id)).map(ItemId::raw).collect()
}

#[test]
fn expressions_mean_what_they_say() {
    for (text, items) in [
        ("category = \"drinks\"", &[0, 1][..]),
        ("category in ('drinks', \"bakery\", \"none\")", &[0, 1, 2]),
        ("category not in (\"drinks\")", &[2]),
        ("price < 1 or price >= 3.2", &[0, 1]),
        ("price = 0.1", &[1]),
        ("not price < 1", &[0, 2]),
        ("price != 0.1", &[0]),
        ("price is missing", &[2]),
        ("price IS PRESENT", &[0, 1]),
        ("tags has \"organic\" and not tags has \"green\"", &[2]),
        ("`made in` > 2020", &[1]),
        ("brand != \"y\"", &[2]),
        ("active = true and (category = \"bakery\" or price < -1)", &[2]),
        ("active = false", &[]),
        ("category = \"no such\"", &[]),
        ("price > 1 and price < 4 or category = \"bakery\"", &[0, 2]),
    ] {
        assert_eq!(matching(text), items, "{text}");
    }
}

#[test]
fn errors_point_at_the_place() {
    for (text, column, message) in [
        ("", 1, "found the end, expected a column"),
        ("price <", 8, "found the end, expected a value"),
        ("price < 3 brand = \"x\"", 11, "found `brand`, expected `and`, `or` or the end"),
        ("category = drinks", 12, "text stands in quotes: \"drinks\""),
        ("category in \"x\"", 13, "expected `(`"),
        ("(price < 3", 11, "expected `)`"),
        ("price ~ 3", 7, "`~` has no meaning here"),
        ("brand = \"x", 9, "no closing \""),
        ("price 3", 7, "expected an operator"),
        ("price < 1.2.3", 9, "`1.2.3` is no number"),
        ("and = 3", 1, "expected a column"),
        ("colour = \"red\"", 1, "there is no column `colour`; there are category"),
        ("price = 3 and category < 3", 15, "`category` has no order"),
        ("price < \"3\"", 1, "`price` holds numbers"),
        ("category = 3", 1, "`category` holds text"),
        ("active = 3", 1, "`active` is true or false"),
    ] {
        let error = text.parse::<Predicate>().and_then(|predicate| predicate.bind(&catalog())).unwrap_err();
        assert!(error.column == column && error.message.contains(message), "{text}: {error}");
    }
    let nested = "(".repeat(5_000);
    assert!(nested.parse::<Predicate>().unwrap_err().message.contains("at most 4096"));
    assert!("(".repeat(4_000).parse::<Predicate>().unwrap_err().message.contains("nested more than 64"));
}

#[test]
fn the_caret_stands_under_the_place() {
    let error = "price < brand".parse::<Predicate>().unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[1..], ["  price < brand", "          ^"]);
}

/// Any expression over the catalogue's columns.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0u8..6).prop_map(|n| format!("price < {n}")),
        (0u8..6).prop_map(|n| format!("price >= {n}")),
        Just("category = \"drinks\"".to_owned()),
        Just("tags has \"organic\"".to_owned()),
        Just("brand is missing".to_owned()),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,80}") {
        let _ = text.parse::<Predicate>().map(|predicate| predicate.bind(&catalog()));
    }

    #[test]
    fn de_morgan_holds(a in expression(), b in expression()) {
        prop_assert_eq!(matching(&format!("not (({a}) and ({b}))")), matching(&format!("not ({a}) or not ({b})")));
    }

    #[test]
    fn an_expression_and_its_negation_share_the_catalogue(a in expression()) {
        let mut all = matching(&a);
        all.extend(matching(&format!("not ({a})")));
        all.sort_unstable();
        prop_assert_eq!(all, [0, 1, 2]);
    }
}
