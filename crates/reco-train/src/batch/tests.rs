//! Lists against a plain sort of all scores, and runs that break off.

use super::*;
use crate::data::Dataset;
use crate::fit::snapshot::{Plan, fit};
use crate::progress::Silent;
use arrow::array::AsArray;
use arrow::datatypes::Float32Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use reco_core::catalog::{Catalog, ItemRecord};
use reco_core::event::{Action, ActionWeights};
use reco_core::linalg::dot;
use reco_core::pipeline::PipelineConfig;
use reco_core::time::Timestamp;
use std::collections::BTreeMap;
use std::fs::{self, File};

/// 300 users of two tastes, the last of whom never took anything, 50 items of which the last is untouched.
fn snapshot() -> Snapshot {
    let (mut catalog, mut dataset) = (Catalog::builder(), Dataset::default());
    for item in 0..50 {
        catalog.push(ItemRecord::new(format!("item{item}"))).unwrap();
    }
    dataset.catalog = catalog.build();
    for user in 0..300u32 {
        let row = dataset.log.users.intern(&format!("user{user}"));
        for item in (0..49).filter(|item| item % 2 == user % 2 && (item * 7 + user) % 3 != 0) {
            let action = match (user, item) {
                (299, _) => Action::Dislike,
                (_, 6..9) => Action::View,
                _ => Action::Purchase,
            };
            let id = dataset.catalog.id(&format!("item{item}")).unwrap();
            let at = Timestamp::from_secs(86_400 * i64::from(item));
            dataset.log.push(row, id, &action, None, at);
        }
    }
    let plan = Plan {
        als: Some(crate::fit::als::AlsParams { factors: 8, ..Default::default() }),
        ..Plan::default()
    };
    let pipeline = PipelineConfig::default();
    fit(dataset, &plan, &pipeline, &ActionWeights::default(), "v1", &Silent).unwrap()
}

fn options() -> BatchOptions {
    BatchOptions { count: 12, part_users: 70, ..BatchOptions::default() }
}

/// Every user's items with scores.
fn read(folder: &Path) -> BTreeMap<String, Vec<(String, f32)>> {
    let mut lists = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = File::open(file.unwrap().path()).unwrap();
        for rows in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let rows = rows.unwrap();
            for row in 0..rows.num_rows() {
                let items = rows.column(1).as_list::<i32>().value(row);
                let scores = rows.column(2).as_list::<i32>().value(row);
                let items = items.as_string::<i32>().iter().map(|item| item.unwrap().to_owned());
                let scores = scores.as_primitive::<Float32Type>().values().to_vec();
                let user = rows.column(0).as_string::<i32>().value(row).to_owned();
                assert!(lists.insert(user, items.zip(scores).collect()).is_none(), "a user has one row");
            }
        }
    }
    lists
}

fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into(), fs::read(file.path()).unwrap())).collect()
}

#[test]
fn lists_are_all_scores_sorted_without_what_the_user_had() {
    let (snapshot, folder) = (snapshot(), tempfile::tempdir().unwrap());
    let model = snapshot.models.get::<AlsModel>(AlsModel::NAME).unwrap();
    for (name, seen) in [
        ("never", SeenPolicy::Never),
        ("always", SeenPolicy::Always),
        ("lately", SeenPolicy::WithinDays(20.0)),
    ] {
        let out = folder.path().join(name);
        let report = run(&snapshot, None, &BatchOptions { seen, ..options() }, &out, &Silent).unwrap();
        assert_eq!((report.users, report.without_list, report.parts), (300, 1, 5));
        let lists = read(&out);
        assert_eq!(lists.len(), 300);
        for (user, list) in lists {
            let row = snapshot.users.row(&user).unwrap();
            let stays_out: Vec<_> = (snapshot.histories.of(row).iter())
                .filter(|touch| touch.consumed.is_some_and(|at| seen.drops(at, snapshot.data_until)))
                .map(|touch| touch.item)
                .collect();
            let score =
                |id: &reco_core::id::ItemId| dot(model.users.row(row as usize), model.items.row(id.index()));
            let mut best: Vec<_> =
                snapshot.catalog.ids().take(49).filter(|id| !stays_out.contains(id)).collect();
            best.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
            if user == "user299" {
                assert!(list.is_empty(), "nothing is known of them");
                continue;
            }
            assert_eq!(list.len(), 12);
            for ((item, found), want) in list.into_iter().zip(best) {
                // Sums may be rounded otherwise, so equals may change places.
                let id = snapshot.catalog.id(&item).unwrap();
                assert!(!stays_out.contains(&id), "{user} had {item}");
                assert!(
                    (score(&id) - found).abs() < 1e-5 && (score(&want) - found).abs() < 1e-5,
                    "{name} {user}"
                );
            }
        }
    }
}

/// What a run leaves that was interrupted after the parts `finished`.
fn interrupted(snapshot: &Snapshot, out: &Path, finished: &[usize]) {
    let model = snapshot.models.get::<AlsModel>(AlsModel::NAME).unwrap();
    let (users, options) = (snapshot.users.keys(), options());
    let parts = Parts::open(out, parts::fingerprint(snapshot, model, users, &options)).unwrap();
    let scoring = Scoring::new(snapshot, model, &options);
    for (number, users) in users.chunks(options.part_users).enumerate() {
        if finished.contains(&number) {
            parts.write(number, users, &scoring.lists(users, &Silent), &snapshot.catalog).unwrap();
        }
    }
}

#[test]
fn a_run_that_broke_off_goes_on_to_the_same_bytes() {
    let (snapshot, folder) = (snapshot(), tempfile::tempdir().unwrap());
    let (whole, resumed) = (folder.path().join("whole"), folder.path().join("resumed"));
    run(&snapshot, None, &options(), &whole, &Silent).unwrap();
    interrupted(&snapshot, &resumed, &[0, 2, 4]);
    let unfinished = folder.path().join("resumed.unfinished");
    fs::write(unfinished.join("_part-00003.parquet.unfinished"), b"PAR1").unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let report = pool.install(|| run(&snapshot, None, &options(), &resumed, &Silent)).unwrap();
    assert_eq!((report.parts, report.parts_kept, report.parts_damaged), (5, 3, 0));
    assert_eq!(report.without_list, 1, "they are in a part that was kept");
    assert_eq!(bytes(&resumed), bytes(&whole));
    assert!(!unfinished.exists());
}

#[test]
fn parts_that_were_damaged_are_written_anew() {
    let (snapshot, folder) = (snapshot(), tempfile::tempdir().unwrap());
    let whole = folder.path().join("whole");
    run(&snapshot, None, &options(), &whole, &Silent).unwrap();
    let check = |name: &str, damage: fn(&mut Vec<u8>), want: (usize, usize)| {
        let out = folder.path().join(name);
        interrupted(&snapshot, &out, &[0, 1]);
        let part = folder.path().join(format!("{name}.unfinished/part-00001.parquet"));
        let mut bytes_now = fs::read(&part).unwrap();
        damage(&mut bytes_now);
        fs::write(&part, bytes_now).unwrap();
        let report = run(&snapshot, None, &options(), &out, &Silent).unwrap();
        assert_eq!((report.parts_kept, report.parts_damaged), want, "{name}");
        assert_eq!(bytes(&out), bytes(&whole), "{name}");
    };
    check("untouched", |_| (), (2, 0));
    check("a byte", |part| part[100] ^= 1, (1, 1));
    check("cut short", |part| part.truncate(100), (1, 1));
    check("emptied", Vec::clear, (1, 1));
    // Killed between a part and its record: nobody knows whether it is whole.
    let out = folder.path().join("unrecorded");
    interrupted(&snapshot, &out, &[0, 1]);
    fs::remove_file(folder.path().join("unrecorded.unfinished/_part-00000.json")).unwrap();
    let report = run(&snapshot, None, &options(), &out, &Silent).unwrap();
    assert_eq!((report.parts_kept, report.parts_damaged), (1, 0));
    assert_eq!(bytes(&out), bytes(&whole));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let (snapshot, folder) = (snapshot(), tempfile::tempdir().unwrap());
    let out = folder.path().join("lists");
    let fails = |snapshot: &Snapshot, options: &BatchOptions| {
        run(snapshot, None, options, &out, &Silent).expect_err("refused").to_string()
    };
    let wrong = BatchOptions { count: 0, part_users: 0, seen: SeenPolicy::WithinDays(-1.0) };
    assert_eq!(fails(&snapshot, &wrong).matches("must be").count(), 3);
    assert!(fails(&Snapshot::default(), &options()).contains("no model"));
    fs::create_dir_all(folder.path().join("lists.unfinished")).unwrap();
    assert!(fails(&snapshot, &options()).contains("remove it to start anew"));
    fs::create_dir_all(&out).unwrap();
    assert!(fails(&snapshot, &options()).contains("exists"));
}

#[test]
fn users_may_be_named_and_strangers_get_an_empty_list() {
    let (snapshot, folder) = (snapshot(), tempfile::tempdir().unwrap());
    let out = folder.path().join("lists");
    let users = ["user7", "nobody", "user3"].map(UserKey::from);
    let report = run(&snapshot, Some(&users), &options(), &out, &Silent).unwrap();
    assert_eq!((report.users, report.without_list, report.parts), (3, 1, 1));
    let lists = read(&out);
    assert_eq!((lists["user7"].len(), lists["nobody"].len()), (12, 0));
}
