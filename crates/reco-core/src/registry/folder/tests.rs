//! What a registry in a folder promises beyond the trait.

use super::*;
use crate::conformance;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn filled() -> (tempfile::TempDir, FolderRegistry) {
    let folder = tempfile::tempdir().unwrap();
    let registry = FolderRegistry::new(folder.path().join("registry"));
    publish(&registry);
    (folder, registry)
}

fn publish(registry: &FolderRegistry) -> u64 {
    let files = |folder: &Path| {
        fs::write(folder.join("model.reco"), [7; 300])?;
        fs::write(folder.join("metadata.json"), "{\"rows\": 12}")
    };
    registry.publish_files("m", files).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    conformance::model_registry(&FolderRegistry::new(folder.path())).await;
}

proptest! {
    #[test]
    fn every_truncation_and_every_flip_is_refused(file in 0usize..3, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (_folder, registry) = filled();
        let name = ["checksums.txt", "metadata.json", "model.reco"][file];
        let path = registry.open("m", 1).unwrap().join(name);
        let whole = fs::read(&path).unwrap();
        let at = at.index(whole.len());
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << bit;
        for damaged in [&flipped[..], &whole[..at]] {
            fs::write(&path, damaged).unwrap();
            match registry.open("m", 1) {
                Err(RegistryError::Corrupt { model, version: 1, what }) => {
                    prop_assert!(model == "m" && what.starts_with(name), "{what}");
                }
                Err(RegistryError::Newer { version: 1, .. }) => prop_assert_eq!(name, "checksums.txt"),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        fs::remove_file(&path).unwrap();
        let refused = registry.open("m", 1).unwrap_err().to_string();
        prop_assert!(refused.ends_with(&format!("{name} is missing")), "{refused}");
    }
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let (_folder, registry) = filled();
    let path = registry.open("m", 1).unwrap().join("checksums.txt");
    let text = fs::read_to_string(&path).unwrap().replace("format 1", "format 2");
    fs::write(&path, text).unwrap();
    let refused = registry.open("m", 1).unwrap_err().to_string();
    assert_eq!(refused, "version 1 of model `m` has format 2, this reco reads 1");
}

#[test]
fn what_is_unfinished_is_not_listed_and_pruned_later() {
    let (_folder, registry) = filled();
    let home = registry.root().join("m");
    // As a process killed between any two steps leaves it: empty, half written, sealed but not yet named.
    for (name, files) in [("a", &[][..]), ("b", &["model.reco"]), ("c", &["model.reco", "checksums.txt"])] {
        let folder = home.join(format!("{UNFINISHED}{name}"));
        fs::create_dir(&folder).unwrap();
        files.iter().for_each(|file| fs::write(folder.join(file), "half").unwrap());
    }
    assert_eq!(registry.list("m").unwrap(), [1]);
    assert_eq!((publish(&registry), registry.list("m").unwrap()), (2, vec![1, 2]));
    assert_eq!(registry.prune("m", 10).unwrap(), [0u64; 0]);
    let left: BTreeSet<_> = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().starts_with(UNFINISHED)), "{left:?}");
}

#[test]
fn what_fails_while_it_is_written_is_not_published() {
    let (_folder, registry) = filled();
    let fails = |folder: &Path| {
        fs::write(folder.join("half"), "half")?;
        Err(io::Error::other("the disk is full"))
    };
    assert!(matches!(registry.publish_files("m", fails), Err(RegistryError::Store(_))));
    assert!(registry.publish_files("m", |folder| fs::create_dir(folder.join("inner"))).is_err());
    assert_eq!(registry.list("m").unwrap(), [1]);
    for name in ["", "..", ".hidden", "a/b", "a\\b", "a b"] {
        assert!(registry.publish_files(name, |_| Ok::<(), io::Error>(())).is_err(), "{name}");
    }
}

#[test]
fn champions_change_and_come_back() {
    let (_folder, registry) = filled();
    (2..=4).for_each(|version| assert_eq!(publish(&registry), version));
    let live = || {
        let rollout = registry.read_rollout("m").unwrap();
        (rollout.named(Alias::Champion), rollout.named(Alias::Challenger))
    };
    assert_eq!(registry.roll_back("m", "a test").unwrap(), None, "there is no champion before the first");
    for version in 1..=3 {
        registry.promote("m", version, Alias::Champion, "a test").unwrap();
    }
    registry.promote("m", 4, Alias::Challenger, "a test").unwrap();
    assert_eq!(live(), (Some(3), Some(4)));
    registry.promote("m", 4, Alias::Champion, "a test").unwrap();
    assert_eq!(live(), (Some(4), None), "who is champion is no challenger");
    assert_eq!((registry.roll_back("m", "a test").unwrap(), live()), (Some(3), (Some(3), None)));
    assert_eq!(registry.roll_back("m", "a test").unwrap(), Some(2), "further back, not to and fro");
    fs::write(registry.folder("m", 1).unwrap().join("model.reco"), "").unwrap();
    assert!(matches!(registry.roll_back("m", "a test"), Err(RegistryError::Corrupt { version: 1, .. })));
    assert!(matches!(
        registry.promote("m", 1, Alias::Champion, "a test"),
        Err(RegistryError::Corrupt { .. })
    ));
    assert!(matches!(
        registry.promote("m", 9, Alias::Champion, "a test"),
        Err(RegistryError::NotFound { .. })
    ));
    assert_eq!(live(), (Some(2), None), "a refusal changes nothing");
}

#[test]
fn pruning_leaves_roles_and_the_latest() {
    let (_folder, registry) = filled();
    (2..=7).for_each(|version| assert_eq!(publish(&registry), version));
    for version in [1, 2, 4] {
        registry.promote("m", version, Alias::Champion, "a test").unwrap();
    }
    registry.promote("m", 3, Alias::Challenger, "a test").unwrap();
    assert_eq!(registry.prune("m", 0).unwrap(), [1, 5, 6]);
    assert_eq!(registry.list("m").unwrap(), [2, 3, 4, 7]);
    assert_eq!(publish(&registry), 8, "numbers are not given again");
    assert_eq!(registry.roll_back("m", "a test").unwrap(), Some(2));
}
