//! What the language says and how it complains.

use super::*;
use crate::catalog::{ItemRecord, Value as Attribute};
use crate::id::ItemId;
use crate::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

fn catalog() -> Catalog {
    let mut builder = Catalog::builder();
    let day = |day: i64| Some(Timestamp::from_secs(day * 86_400));
    let record =
        |key: &str, category: &str, price: Option<f32>, tags: &[&str], year: Option<f64>| ItemRecord {
            category: Some(category.to_owned()),
            price,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            extra: year.map(|year| ("made in".to_owned(), Attribute::Number(year))).into_iter().collect(),
            ..ItemRecord::new(key)
        };
    let tea = record("tea", "drinks", Some(3.2), &["organic", "green"], Some(2020.0));
    builder.push(ItemRecord { created_at: day(17_318), ..tea }).unwrap();
    let cola = record("cola", "drinks", Some(0.1), &[], Some(2021.0));
    builder.push(ItemRecord { created_at: day(17_319), ..cola }).unwrap();
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
fn what_no_item_has_is_remarked_on() {
    for (text, remarks) in [
        ("category = \"drinks\" and price > 1 and active = true and created_at is present", &[][..]),
        ("stock > 0", &["no item has a value for `stock`"]),
        ("not (margin >= 0.1 or margin is missing)", &["no item has a value for `margin`"]),
        (
            "subcategory in (\"a\", \"b\") and stock = 1",
            &["no item has a value for `subcategory`", "no item has a value for `stock`"],
        ),
        (
            "stock > 0 and category = \"drink\"",
            &["no item has a value for `stock`", "no item has the category `drink`; did you mean `drinks`?"],
        ),
        ("`made in` > 3000", &[]),
    ] {
        assert_eq!(text.parse::<Predicate>().unwrap().remarks(&catalog()), remarks, "{text}");
    }
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
        ("tags any (\"green\", 'none')", &[0]),
        ("tags not in (\"green\")", &[2]),
        ("not tags any (\"green\")", &[1, 2]),
        ("brand not in (\"y\")", &[2]),
        ("price not in (0.1, 7)", &[0]),
        ("price > 32e-1 or price <= 1E-1", &[1]),
        ("created_at > \"2017-06-01\"", &[1]),
        ("created_at = '2017-06-01'", &[0]),
        ("created_at in (\"2017-06-01T02:00:00+02:00\", \"2017-06-03\")", &[0]),
        ("created_at >= 1496275200000", &[0, 1]),
        ("not created_at < \"2017-06-02\"", &[1, 2]),
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
        ("prize < 3", 1, "no column `prize`; did you mean `price`?"),
        ("made_in < 3", 1, "did you mean `made in`?"),
        ("created_at > \"soon\"", 1, "holds times, and \"soon\" is none"),
        ("created_at = true", 1, "compares with one like \"2017-06-01\""),
        ("tags any \"x\"", 10, "expected `(`"),
        ("price < 1e-", 9, "`1e-` is no number"),
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
    let error = "price < 3\nand pr\u{f6}ce <\n".parse::<Predicate>().unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[1..], ["  ", "  ^"], "the end is on the last line");
    let error = "price < 3\nand price ~ 3\nor".parse::<Predicate>().unwrap_err().to_string();
    assert_eq!(error.lines().skip(1).collect::<Vec<_>>(), ["  and price ~ 3", "            ^"]);
}

/// An expression and what it means, told a second time in the plainest way.
#[derive(Clone, Debug)]
enum Plain {
    Price(&'static str, u8),
    PriceIn(bool, Vec<u8>),
    Category(&'static str),
    Tag(&'static str),
    NoBrand,
    Since(u8),
    Not(Box<Plain>),
    Both(Box<Plain>, Box<Plain>),
    Either(Box<Plain>, Box<Plain>),
}

impl Plain {
    fn written(&self) -> String {
        match self {
            Self::Price(sign, price) => format!("price {sign} {price}"),
            Self::PriceIn(inside, prices) => {
                let list: Vec<String> = prices.iter().map(u8::to_string).collect();
                format!("price {}in ({})", if *inside { "" } else { "NOT " }, list.join(", "))
            }
            Self::Category(name) => format!("category = '{name}'"),
            Self::Tag(name) => format!("tags has \"{name}\""),
            Self::NoBrand => "brand is missing".to_owned(),
            Self::Since(day) => format!("created_at >= \"1970-01-{:02}\"", day + 1),
            Self::Not(inner) => format!("not ({})", inner.written()),
            Self::Both(a, b) => format!("({}) and ({})", a.written(), b.written()),
            Self::Either(a, b) => format!("({}) Or ({})", a.written(), b.written()),
        }
    }

    fn holds(&self, item: &ItemRecord) -> bool {
        match self {
            Self::Price(sign, want) => item.price.is_some_and(|price| {
                let order = price.total_cmp(&f32::from(*want));
                match *sign {
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    ">=" => order.is_ge(),
                    "=" => order.is_eq(),
                    _ => order.is_ne(),
                }
            }),
            Self::PriceIn(inside, list) => item.price.is_some_and(|price| {
                list.iter().any(|want| f32::from(*want).total_cmp(&price).is_eq()) == *inside
            }),
            Self::Category(name) => item.category.as_deref() == Some(name),
            Self::Tag(name) => item.tags.iter().any(|tag| tag == name),
            Self::NoBrand => item.brand.is_none(),
            Self::Since(day) => item.created_at.is_some_and(|at| at.millis() >= i64::from(*day) * 86_400_000),
            Self::Not(inner) => !inner.holds(item),
            Self::Both(a, b) => a.holds(item) && b.holds(item),
            Self::Either(a, b) => a.holds(item) || b.holds(item),
        }
    }
}

/// Any expression over the columns of [`items`].
fn expression() -> impl Strategy<Value = Plain> {
    let leaf = prop_oneof![
        (select(vec!["<", "<=", ">", ">=", "=", "!="]), 0u8..6).prop_map(|(sign, n)| Plain::Price(sign, n)),
        (any::<bool>(), prop::collection::vec(0u8..6, 1..4))
            .prop_map(|(inside, list)| Plain::PriceIn(inside, list)),
        select(vec!["a", "b", "none"]).prop_map(Plain::Category),
        select(vec!["x", "y", "none"]).prop_map(Plain::Tag),
        Just(Plain::NoBrand),
        (0u8..6).prop_map(Plain::Since),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let pair = || (inner.clone(), inner.clone()).prop_map(|(a, b)| (Box::new(a), Box::new(b)));
        prop_oneof![
            pair().prop_map(|(a, b)| Plain::Both(a, b)),
            pair().prop_map(|(a, b)| Plain::Either(a, b)),
            inner.clone().prop_map(|a| Plain::Not(Box::new(a))),
        ]
    })
}

/// Items with and without a value in every column.
fn items() -> impl Strategy<Value = Vec<ItemRecord>> {
    let maybe = |names: Vec<&'static str>| prop::option::of(select(names).prop_map(str::to_owned));
    let tags = prop::collection::btree_set(select(vec!["x", "y", "z"]).prop_map(str::to_owned), 0..3);
    let columns =
        (prop::option::of(0u8..6), maybe(vec!["a", "b"]), maybe(vec!["m"]), tags, prop::option::of(0i64..6));
    let record = columns.prop_map(|(price, category, brand, tags, day)| ItemRecord {
        price: price.map(f32::from),
        category,
        brand,
        tags: tags.into_iter().collect(),
        created_at: day.map(|day| Timestamp::from_secs(day * 86_400)),
        ..ItemRecord::default()
    });
    prop::collection::vec(record, 0..8).prop_map(|mut items| {
        items.iter_mut().zip(0..).for_each(|(item, n)| item.key = format!("item{n}"));
        items
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,80}") {
        let _ = text.parse::<Predicate>().map(|predicate| predicate.bind(&catalog())).map_err(|e| e.to_string());
    }

    #[test]
    fn no_row_of_words_panics(words in prop::collection::vec(select(vec![
        "price", "tags", "`made in`", "created_at", "and", "or", "not", "in", "any", "has", "is", "missing",
        "(", ")", ",", "=", "!=", "<", "3", "-1e-", "\"x\"", "'2017-06-01'", "true", "\n", "\"",
    ]), 0..24)) {
        let text = words.join(" ");
        let outcome = text.parse::<Predicate>().and_then(|predicate| predicate.bind(&catalog()));
        if let Err(error) = outcome {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
        }
    }

    #[test]
    fn it_means_what_the_plain_reading_means(plain in expression(), items in items()) {
        let mut builder = Catalog::builder();
        items.iter().for_each(|item| { builder.push(item.clone()).unwrap(); });
        let catalog = builder.build();
        let predicate: Predicate = plain.written().parse().unwrap();
        let bound = predicate.bind(&catalog).unwrap();
        for (id, item) in catalog.ids().zip(&items) {
            prop_assert_eq!(bound.matches(&catalog, id), plain.holds(item), "{} on {:?}", predicate.source(), item);
        }
    }

    #[test]
    fn it_survives_being_stored(plain in expression()) {
        let predicate: Predicate = plain.written().parse().unwrap();
        let stored = serde_json::to_string(&predicate).unwrap();
        prop_assert_eq!(serde_json::from_str::<Predicate>(&stored).unwrap(), predicate);
    }
}
