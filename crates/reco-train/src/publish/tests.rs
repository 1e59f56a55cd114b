//! A published snapshot comes back, its description and its weights can be read by others.

use super::*;
use crate::data::Dataset;
use proptest::prelude::*;
use reco_core::catalog::{Catalog, ItemRecord};
use reco_core::event::Action;
use reco_core::linalg::Matrix;
use reco_core::rank::trees::{Boosted, BoostedWeights, Branch, GrownTree, Side};
use reco_core::rank::wide_deep::{Head, Hidden, Input, Judged, Weights, WideDeep};
use reco_core::time::Timestamp;
use safetensors::SafeTensors;
use serde_json::json;

fn network() -> WideDeep {
    let input = |name: &str| Input { name: name.into(), mean: 0.5, scale: 2.0 };
    let weights = Matrix::from_vec(3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let head = Head {
        objective: "purchase".to_owned(),
        share: 1.0,
        wide: vec![0.25, -0.25],
        deep: vec![1.0, 2.0, 3.0],
        bias: -1.0,
        judged: Some(Judged { lists: 3, rows: 60, taken: 6, ndcg: 0.5, calibration_error: 0.01 }),
    };
    let hidden = vec![Hidden { weights, bias: vec![0.1, 0.2, 0.3] }];
    Weights { inputs: vec![input("a"), input("b")], hidden, heads: vec![head] }.try_into().unwrap()
}

fn dataset(rows: &[(u32, u32)]) -> Dataset {
    let (mut catalog, mut dataset) = (Catalog::builder(), Dataset::default());
    let ids: Vec<_> =
        (0..5).map(|item| catalog.push(ItemRecord::new(format!("item{item}"))).unwrap()).collect();
    dataset.catalog = catalog.build();
    for &(user, item) in rows {
        let user = dataset.log.users.intern(&format!("user{user}"));
        dataset.log.push(user, ids[item as usize], &Action::Purchase, None, Timestamp::from_secs(86_400));
    }
    dataset
}

/// Two trees, the second of which is a single leaf.
fn trees() -> Boosted {
    let branch = |left, right| Branch { input: 0, threshold: 0.5, missing_left: true, left, right };
    let branches = vec![branch(Side::Branch(1), Side::Leaf(0)), branch(Side::Leaf(1), Side::Leaf(2))];
    let first = GrownTree { branches, leaves: vec![1.0, -1.0, 0.5] };
    let second = GrownTree { branches: Vec::new(), leaves: vec![0.25] };
    let inputs = vec!["a".into(), "item.users".into()];
    Boosted::try_from(BoostedWeights { inputs, trees: vec![first, second], ..BoostedWeights::default() })
        .unwrap()
}

#[test]
fn a_version_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let registry = FolderRegistry::new(folder.path());
    let mut snapshot = Snapshot { version: "v17".into(), ..Snapshot::default() };
    snapshot.models.insert(WideDeep::NAME, network());
    snapshot.models.insert(Boosted::NAME, trees());
    let facts = DataFacts::of(&dataset(&[(0, 1), (1, 2)]));
    assert_eq!((facts.rows, facts.users, facts.items), (2, 2, 5));
    assert_eq!(facts.from.as_deref(), Some("1970-01-02T00:00:00Z"));
    let configuration = json!({ "train": { "als": { "seed": 42, "factors": 8 } } });
    let described =
        Metadata::new(&snapshot, facts, Some("v6".to_owned()), configuration, Timestamp::default());
    assert_eq!(
        (described.seeds["train.als.seed"], described.features.len()),
        (42, 3),
        "one feature is read by both"
    );
    assert!(described.metrics["wide_deep.purchase.calibration_error"] > 0.0);
    assert_eq!(publish(&registry, "shop", &snapshot, &described).unwrap(), 1);
    assert_eq!(metadata(&registry, "shop", 1).unwrap(), described);
    let loaded = load(&registry, "shop", 1).unwrap();
    assert_eq!(&*loaded.version, "v1", "it goes by its number");
    assert_eq!(*loaded.models.get::<WideDeep>(WideDeep::NAME).unwrap(), network());
    assert_eq!(*loaded.models.get::<Boosted>(Boosted::NAME).unwrap(), trees());

    let bytes = fs::read(registry.open("shop", 1).unwrap().join(WEIGHTS)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let hidden = tensors.tensor("hidden.0.weight").unwrap();
    let values: Vec<u8> = (0..6u8).flat_map(|value| f32::from(value).to_le_bytes()).collect();
    assert_eq!((hidden.shape(), hidden.data()), (&[3, 2][..], &values[..]));
    assert_eq!(tensors.len(), 8);
    let bytes = fs::read(registry.open("shop", 1).unwrap().join(TREES)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |name: &str| -> Vec<i32> {
        let (numbers, _) = tensors.tensor(name).unwrap().data().as_chunks();
        numbers.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect()
    };
    assert_eq!((numbers("tree.leaves"), numbers("tree.branches")), (vec![3, 1], vec![2, 0]));
    assert_eq!((numbers("branch.left"), numbers("branch.right")), (vec![1, -2], vec![-1, -3]));
    assert_eq!(tensors.tensor("leaf.value").unwrap().shape(), [4]);

    fs::write(registry.folder("shop", 1).unwrap().join(WEIGHTS), "").unwrap();
    let refused = load(&registry, "shop", 1).unwrap_err().to_string();
    assert!(refused.contains("wide_deep.safetensors has 0 bytes"), "{refused}");
}

proptest! {
    #[test]
    fn the_fingerprint_knows_rows_and_not_their_order(
        rows in prop::collection::vec((0u32..5, 0u32..5), 1..20),
        at in any::<prop::sample::Index>(),
    ) {
        let fingerprint = |rows: &[(u32, u32)]| DataFacts::of(&dataset(rows)).fingerprint;
        let turned: Vec<_> = rows.iter().rev().copied().collect();
        prop_assert_eq!(fingerprint(&rows), fingerprint(&turned));
        let mut other = rows.clone();
        let row = &mut other[at.index(rows.len())];
        *row = (row.0, (row.1 + 1) % 5);
        prop_assert_ne!(fingerprint(&rows), fingerprint(&other));
        prop_assert_ne!(fingerprint(&rows), fingerprint(&rows[1..]));
    }
}
