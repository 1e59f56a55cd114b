//! The layouts agree with plain walks, and no file can do harm.

use super::forest::{BLOCK, Forest, Sum};
use super::tree::{Categories, Child, Rule, Split, Tree};
use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

const N_FEATURES: u32 = 5;

fn rule() -> impl Strategy<Value = Rule> {
    let threshold = prop_oneof![-2i8..3, Just(0)].prop_map(|tenth| f32::from(tenth) / 2.0);
    let members = prop::collection::vec(prop_oneof![0u32..6, 60u32..70], 0..5);
    prop_oneof![
        8 => (threshold.clone(), any::<bool>())
            .prop_map(|(threshold, missing_left)| Rule::AtMost { threshold, missing_left }),
        1 => (threshold, any::<bool>())
            .prop_map(|(threshold, missing_left)| Rule::ZeroIsMissing { threshold, missing_left }),
        1 => (members, any::<bool>(), any::<bool>()).prop_map(|(members, cuts_first, missing_left)| {
            Rule::OneOf { categories: Categories::new(members, cuts_first), missing_left }
        }),
    ]
}

/// A tree of so many splits, grown by splitting any of its leaves.
fn tree(n_splits: usize) -> impl Strategy<Value = Tree> {
    let split = (any::<prop::sample::Index>(), 0..N_FEATURES, rule());
    prop::collection::vec(split, n_splits).prop_map(|grown| {
        let mut splits: Vec<Split> = Vec::new();
        // Where each leaf hangs; the first is the root.
        let mut hangs: Vec<Option<(usize, bool)>> = vec![None];
        for (place, (which, feature, rule)) in grown.into_iter().enumerate() {
            let (leaf, new) = (which.index(hangs.len()), hangs.len());
            if let Some((parent, is_left)) = hangs[leaf] {
                let parent = &mut splits[parent];
                *(if is_left { &mut parent.left } else { &mut parent.right }) = Child::Split(place as u32);
            }
            let (left, right) = (Child::Leaf(leaf as u32), Child::Leaf(new as u32));
            splits.push(Split { feature, rule, left, right });
            hangs[leaf] = Some((place, true));
            hangs.push(Some((place, false)));
        }
        let leaves: Vec<f64> = (0..hangs.len()).map(|leaf| leaf as f64).collect();
        let root = if splits.is_empty() { Child::Leaf(0) } else { Child::Split(0) };
        Tree::new(root, splits, &leaves).unwrap()
    })
}

fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-5i8..6).prop_map(|half| f32::from(half) / 2.0),
        1 => 60f32..70.0,
        1 => Just(f32::NAN),
        1 => prop::num::f32::ANY,
    ]
}

proptest! {
    #[test]
    fn layouts_agree_with_plain_walks(
        trees in prop::collection::vec(prop_oneof![0usize..8, 28usize..70, 250usize..300].prop_flat_map(tree), 1..4),
        rows in (0usize..2 * BLOCK).prop_flat_map(|n| prop::collection::vec(value(), n * N_FEATURES as usize)),
    ) {
        let width = N_FEATURES as usize;
        let mut sums = vec![0.0; rows.len() / width];
        let forest = Forest::new(&trees, 0.5, 0.0, Sum::Double);
        forest.sums(&rows, width, &mut sums, |sum| sum);
        for (row, sum) in rows.chunks_exact(width).zip(sums) {
            let exits = trees.iter().map(|tree| tree.leaf(|feature| row[feature as usize]));
            prop_assert_eq!(sum.to_bits(), (0.5 + exits.sum::<f64>() as f32).to_bits());
        }
    }
}

#[test]
fn nodes_that_make_no_tree_are_refused() {
    let rule = || Rule::AtMost { threshold: 0.0, missing_left: true };
    let split = |left, right| Split { feature: 0, rule: rule(), left, right };
    let check = |splits: Vec<Split>, expected: &str| {
        let problem = Tree::new(Child::Split(0), splits, &[1.0, 2.0]).unwrap_err();
        assert_eq!(problem, expected);
    };
    check(vec![split(Child::Split(0), Child::Leaf(0))], "split 0 has two parents");
    check(vec![split(Child::Split(7), Child::Leaf(0))], "split 7 of 1");
    check(vec![split(Child::Leaf(0), Child::Leaf(0))], "leaf 0 has two parents");
    check(vec![split(Child::Leaf(0), Child::Leaf(2))], "leaf 2 of 2");
}

#[test]
fn categories_are_cut_as_each_library_does() {
    let check = |cuts_first, value, expected| {
        let categories = Categories::new([0, 3, 64, 1_000_000], cuts_first);
        let rule = Rule::OneOf { categories, missing_left: true };
        assert_eq!(rule.goes_left(value), expected, "{value}");
    };
    for cuts_first in [true, false] {
        let values = [0.0, -0.0, 0.9, 3.0, 64.5, 1e6, f32::NAN];
        values.into_iter().for_each(|value| check(cuts_first, value, true));
        let values = [-1.0, -3.0, 1.0, 63.0, 65.0, 1e20, f32::INFINITY, f32::NEG_INFINITY];
        values.into_iter().for_each(|value| check(cuts_first, value, false));
    }
    check(true, -0.5, true);
    check(false, -0.5, false);
}

/// The bytes of a model that the tests of the crate score with.
fn file(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/trees").join(name)).unwrap()
}

/// Models of every layout.
const FILES: [&str; 5] = [
    "lightgbm-regression.txt",
    "lightgbm-zero-as-missing.txt",
    "xgboost-categories.json",
    "xgboost-categories-binary.ubj",
    "xgboost-dart-binary.ubj",
];

/// Reads damaged bytes, and scores with what came through.
fn survives(bytes: &[u8]) {
    if let Ok(model) = TreeModel::from_bytes("damaged", bytes) {
        let mut scores = [0.0; 3];
        let rows = vec![1.5; scores.len() * model.features().len()];
        model.predict(&rows, &mut scores).unwrap();
    }
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    for name in FILES {
        let bytes = file(name);
        let needed =
            bytes.windows(12).position(|window| window == b"end of trees").unwrap_or(bytes.len() - 1);
        for len in 0..needed {
            let error = TreeModel::from_bytes(name, &bytes[..len]).expect_err(name);
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}

proptest! {
    #[test]
    fn damage_is_refused_or_does_no_harm(
        which in 0..FILES.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = file(FILES[which]);
        let len = bytes.len();
        damage.into_iter().for_each(|(place, byte)| bytes[place.index(len)] = byte);
        survives(&bytes);
    }

    /// Digits stay digits: the file parses, its numbers are others.
    #[test]
    fn other_numbers_are_refused_or_do_no_harm(
        which in 0..FILES.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), b'0'..=b'9'), 1..20),
    ) {
        let mut bytes = file(FILES[which]);
        let digits: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect();
        damage.into_iter().for_each(|(place, digit)| bytes[*place.get(&digits)] = digit);
        survives(&bytes);
    }

    #[test]
    fn anything_else_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(TreeModel::from_bytes("noise", &bytes).is_err());
    }
}

#[test]
fn errors_say_where_and_what_would_be_right() {
    let text = String::from_utf8(file(FILES[0])).unwrap();
    let check = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{from}");
        let error = TreeModel::from_bytes("m.txt", text.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check("version=v4", "version=v9", "m.txt: LightGBM text of version v9, known up to v4");
    check("version=v4", "version=four", "line 2, `version` of `tree`: `four`, not one of v2, v3, v4");
    check("objective=regression", "objective=magic", "m.txt: objective is magic; known are regression,");
    check("num_leaves=8", "num_leaves=9", "`leaf_value` of `Tree=0`: 8 values, where 9 belong");
    check("split_feature=", "split_feature=x", "is not such a number");
    check("max_feature_idx=5", "max_feature_idx=4", "6 names for the features 0 to 4");
    check("tree_sizes=", "tree_sizes=1 ", "5 trees, but 4 follow");
    check("leaf_value=", "leaf_values=", "`leaf_value` of `Tree=0`: missing");
    check("end of trees", "end", "cut short: the line `end of trees` is missing");
    check("tree\n", "wood\n", "m.txt: no model of trees that is known here, where LightGBM's");
    let error = TreeModel::open("/nowhere/model.txt").unwrap_err();
    assert!(matches!(error, ModelError::Io { .. }), "{error}");
}

#[test]
fn errors_in_json_name_the_tree_and_the_field() {
    let text = String::from_utf8(file("xgboost-regression.json")).unwrap();
    let check = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{from}");
        let error = TreeModel::from_bytes("m.json", text.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(r#""version":[3"#, r#""version":[4"#, "m.json: XGBoost of version 4.2.0, known up to 3");
    check(r#""name":"reg:squarederror""#, r#""name":"my:own""#, "objective is my:own; known are reg:*");
    check(r#""num_class":"0","num_feature":"6""#, r#""num_feature":"1""#, "tree 0, `split_indices`: ");
    check(r#""num_trees":"4""#, r#""num_trees":"5""#, "`trees`: 4, where `num_trees` is 5");
    check(
        r#""left_children":[1,"#,
        r#""left_children":[0,"#,
        "tree 0, `left_children`: split 0 has two parents",
    );
    check(r#""left_children":[1,"#, r#""left_children":[99,"#, "tree 0, `left_children`: split 99 of ");
    check(r#""left_children":[1,"#, r#""left_children":[1,7,"#, "tree 0, `right_children`: ");
    check(r#""attributes":{"#, r#""attributes":{"best_iteration":"4""#, "`4` is no iteration of 4 trees");
    check(r#""learner":"#, r#""teacher":"#, "missing field `learner`");
    let error = TreeModel::from_bytes("m.json", br#"{"version":[5,0,0],"trees":[]}"#).unwrap_err();
    assert!(matches!(error, ModelError::Newer { .. }), "{error}");
    check("{", "PK", "a zip archive, where LightGBM's");
}

#[test]
fn rows_of_another_width_are_refused() {
    let model = TreeModel::from_bytes(FILES[0], &file(FILES[0])).unwrap();
    let error = model.predict(&[0.0; 11], &mut [0.0; 2]).unwrap_err();
    assert_eq!(error.to_string(), "lightgbm of 6 features: 2 rows need 12 values, not 11");
    model.predict(&[], &mut []).unwrap();
}
