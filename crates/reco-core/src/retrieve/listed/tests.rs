use super::*;
use crate::conformance;
use crate::id::UserKey;
use crate::time::{Budget, ManualClock};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn clock() -> ManualClock {
    ManualClock::starting_at(NOW)
}

fn list(of: &str, n_items: u16) -> StoredList {
    let item = |n: u16| (format!("{of}{n}").into(), 1.0 / (1.0 + f32::from(n)), format!("reason {n}"));
    StoredList::new(NOW, NOW.plus_days(1.0), (0..n_items).map(item))
}

fn users(names: &[&str]) -> Vec<UserKey> {
    names.iter().map(|name| UserKey::from(*name)).collect()
}

fn add(writer: &mut ListWriter, users: &[UserKey], n_items: u16) {
    let lists = users.iter().map(|user| (user, list(user.as_str(), n_items)));
    writer.add(lists).expect("it writes");
}

fn in_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reco.lists");
    (folder, path)
}

fn write(path: &Path, names: &[&str], n_items: u16) {
    let mut writer = ListWriter::begin(path).expect("it begins");
    add(&mut writer, &users(names), n_items);
    writer.finish().expect("it ends");
}

#[test]
fn what_was_written_is_read_until_it_expires() {
    let (_folder, path) = in_folder();
    write(&path, &["ann", "bob"], 1_000);
    let clock = clock();
    let lists = ListFile::new(&path, Arc::new(clock.clone()));
    let whole = lists.read(&"bob".into(), usize::MAX).expect("it reads");
    assert_eq!(whole, Some(list("bob", 1_000)));
    let part = lists.read(&"ann".into(), 3).expect("it reads").expect("a list");
    assert_eq!((part.n_items, &part.items[..]), (1_000, &list("ann", 1_000).items[..3]));
    assert_eq!(lists.read(&"cat".into(), 3).expect("it reads"), None);
    clock.advance(Duration::from_hours(24));
    assert_eq!(lists.read(&"bob".into(), 3).expect("it reads"), None);
}

#[test]
fn a_file_that_takes_the_place_of_another_is_noticed() {
    let (_folder, path) = in_folder();
    let clock = clock();
    let lists = ListFile::new(&path, Arc::new(clock.clone()));
    let length = || lists.read(&"ann".into(), 9).expect("it reads").map(|list| list.n_items);
    assert_eq!(length(), None, "there is no file");
    write(&path, &["ann"], 5);
    clock.advance(ListFile::NOTICED_AFTER);
    assert_eq!(length(), Some(5));
    write(&path, &["ann"], 7);
    assert_eq!(length(), Some(5), "it is not looked at all the time");
    clock.advance(ListFile::NOTICED_AFTER);
    assert_eq!(length(), Some(7));
    fs::remove_file(&path).expect("it is there");
    clock.advance(ListFile::NOTICED_AFTER);
    assert_eq!(length(), None);
}

#[test]
fn an_interrupted_writer_is_gone_on_with_wherever_it_stopped() {
    let (_folder, path) = in_folder();
    let [some, others] = [users(&["ann", "bob"]), users(&["cat", "ann"])];
    let mut writer = ListWriter::begin(&path).expect("it begins");
    add(&mut writer, &some, 3);
    drop(writer);
    let unfinished = path.with_extension("lists.unfinished");
    let whole = fs::read(&unfinished).expect("it is there");
    for stop in 0..=whole.len() {
        fs::write(&unfinished, &whole[..stop]).expect("it is written");
        let mut writer = ListWriter::resume(&path).expect("it goes on");
        assert!(writer.n_users() == 2 || stop < whole.len(), "nothing is lost that is whole");
        let kept = writer.n_users();
        add(&mut writer, &some[kept..], 3);
        add(&mut writer, &others, 4);
        writer.finish().expect("it ends");
        let lists = ListFile::new(&path, Arc::new(clock()));
        for (user, n_items) in [("ann", 4), ("bob", 3), ("cat", 4)] {
            assert_eq!(lists.read(&user.into(), 9).expect("it reads"), Some(list(user, n_items)), "{stop}");
        }
        assert!(!unfinished.exists());
    }
}

/// Wherever a byte differs, what is read is either right or refused.
#[test]
fn damage_is_told() {
    let (_folder, path) = in_folder();
    write(&path, &["ann"], 3);
    let whole = fs::read(&path).expect("it is there");
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x55;
        fs::write(&path, &damaged).expect("it is written");
        match ListFile::new(&path, Arc::new(clock())).read(&"ann".into(), 9) {
            // What stands before a record is for those who go on writing.
            Ok(read) => assert_eq!(read, Some(list("ann", 3)), "byte {place}"),
            Err(error) => assert!(error.to_string().contains("reco.lists"), "{error}"),
        }
    }
    fs::write(&path, "no lists").expect("it is written");
    let error = ListFile::new(&path, Arc::new(clock())).read(&"ann".into(), 9).expect_err("it is none");
    assert!(error.to_string().contains("compute the lists again"), "{error}");
}

#[test]
fn a_list_that_is_none_is_refused() {
    let (_folder, path) = in_folder();
    let mut writer = ListWriter::begin(&path).expect("it begins");
    let mut wrong = list("ann", 3);
    wrong.items[1].score = f32::NAN;
    for (list, problem) in [(wrong, "score of `ann1` is NaN"), (list("ann", 1_001), "it has 1001 items")] {
        let error = writer.add([(&"ann".into(), list)]).expect_err("it is refused").to_string();
        assert!(error.contains("user `ann`") && error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn it_is_a_generator() {
    let (_folder, path) = in_folder();
    write(&path, &["ann"], 30);
    let lists = ListFile::new(&path, Arc::new(clock()));
    let budget = Budget::start(Arc::new(clock()), Duration::from_mins(1));
    conformance::remote_generator(&lists, &"ann".into(), &budget).await;
}
