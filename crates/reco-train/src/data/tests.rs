//! Every format reads back what was meant, and says what is wrong.

mod damage;
mod meaning;
mod refusals;

use super::*;
use crate::progress::Silent;
use reco_core::id::ItemId;
use reco_core::time::Timestamp;
use std::fs;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
        Self(folder)
    }

    fn file(&self, name: &str) -> FileSpec {
        FileSpec::new(self.0.path().join(name))
    }

    fn read(&self, interactions: &str, preset: Option<Preset>) -> Result<(Dataset, ImportReport), DataError> {
        let spec =
            ImportSpec { interactions: Some(self.file(interactions)), preset, ..ImportSpec::default() };
        read(&spec, &Silent)
    }
}

/// Users, items, actions, values and seconds of a log.
fn rows(dataset: &Dataset) -> Vec<(&str, &str, &str, f32, i64)> {
    let log = &dataset.log;
    (0..log.len())
        .map(|row| {
            let user = log.users.keys()[log.user[row] as usize].as_str();
            let item = dataset.catalog.key(log.item[row]).as_str();
            (
                user,
                item,
                log.actions[log.action[row] as usize].name(),
                log.value[row],
                log.at[row].millis() / 1_000,
            )
        })
        .collect()
}

#[test]
fn csv_tsv_and_json_lines_say_the_same() {
    let folder = Folder::with(&[
        (
            "a.csv",
            "User_ID,itemId,event,quantity,time,store\nann,tea,view,2,1496320200,7\n\"b,b\",tea,Add-to-cart,,2017-06-01T12:30:00Z,8\n",
        ),
        (
            "a.tsv",
            "User_ID\titemId\tevent\tquantity\ttime\tstore\nann\ttea\tview\t2\t1496320200\t7\nb,b\ttea\tadd_to_cart\t\t1496320200000\t8\n",
        ),
        (
            "quoted.tsv",
            "\"User_ID\"\t\"itemId\"\tevent\t\"quantity\"\ttime\tstore\n\"ann\"\t\"tea\"\t\"view\"\t\"2\"\t1496320200\t7\n\"b,b\"\ttea\tadd_to_cart\t\"\"\t1496320200000\t8\n",
        ),
        (
            "a.jsonl",
            "{\"user\":\"ann\",\"item\":\"tea\",\"type\":\"view\",\"value\":2,\"at\":1496320200,\"store\":7}\n\n{\"user\":\"b,b\",\"item\":\"tea\",\"type\":\"add_to_cart\",\"at\":\"1496320200\",\"store\":8}\n",
        ),
    ]);
    for name in ["a.csv", "a.tsv", "quoted.tsv", "a.jsonl"] {
        let (dataset, report) = folder.read(name, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let got = rows(&dataset);
        assert_eq!(got[0], ("ann", "tea", "view", 2.0, 1_496_320_200), "{name}");
        assert!(
            got[1].0 == "b,b" && got[1].2 == "add_to_cart" && got[1].3.is_nan() && got[1].4 == 1_496_320_200,
            "{name}"
        );
        assert_eq!(
            (report.items_without_row, &report.kept_columns[2]),
            (1, &vec!["store".to_owned()]),
            "{name}"
        );
    }
}

#[test]
fn presets_know_their_layouts() {
    let folder = Folder::with(&[
        ("u.data", "196\t1\t3\t881250949\n"),
        ("u.item", "1|Toy Story (1995)|01-Jan-1995||http://x|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"),
        ("u.user", "196|49|M|writer|55105\n"),
        ("ratings.dat", "1::1193::5::978300760\n"),
        ("movies.dat", "1193::One Flew Over the Cuckoo's Nest (1975)::Drama|War\n"),
        ("ratings.csv", "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n"),
        ("movies.csv", "movieId,title,genres\n31,\"American President, The (1995)\",Comedy|Drama\n"),
        (
            "feedback.csv",
            "feedback_type,user_id,item_id,time_stamp\nlike,9,8,2020-01-01 00:00:00 +0000 UTC\n",
        ),
        (
            "items.csv",
            "item_id,is_hidden,categories,time_stamp,labels,comment\n8,true,a|b,2020-01-01T00:00:00Z,\"[\"\"x\"\",\"\"y\"\"]\",Eight\n",
        ),
    ]);
    let read = |preset| folder.read("", Some(preset)).unwrap_or_else(|error| panic!("{preset:?}: {error}")).0;
    let id = ItemId::new(0);
    let old = read(Preset::Movielens100k);
    assert_eq!(rows(&old), [("196", "1", "rating", 3.0, 881_250_949)]);
    assert_eq!((old.catalog.title(id), old.catalog.category().get(id)), ("Toy Story", Some("Animation")));
    assert_eq!(old.catalog.tags().get(id).collect::<Vec<_>>(), ["Animation", "Children's", "Comedy"]);
    assert_eq!(old.users[0]["occupation"], reco_core::catalog::Value::Text("writer".into()));
    let million = read(Preset::Movielens1m);
    assert_eq!(million.catalog.title(id), "One Flew Over the Cuckoo's Nest");
    let newer = read(Preset::MovielensCsv);
    assert_eq!((newer.catalog.title(id), rows(&newer)[0].3), ("American President, The", 2.5));
    let atomic = Folder::with(&[
        ("x.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n5\t6\t4\t978300760\n"),
        ("x.item", "item_id:token\tname:token_seq\tclass:token_seq\n6\tA Film\tDrama War\n"),
    ]);
    let recbole = atomic.read("", Some(Preset::Recbole)).unwrap().0;
    assert_eq!((recbole.catalog.title(id), rows(&recbole)[0].2), ("A Film", "rating"));
    let gorse = read(Preset::Gorse);
    let (user, item, action, value, at) = rows(&gorse)[0];
    assert!((user, item, action, at) == ("9", "8", "like", 1_577_836_800) && value.is_nan());
    assert!(!gorse.catalog.is_active(id));
    assert_eq!(gorse.catalog.tags().get(id).collect::<Vec<_>>(), ["x", "y"]);
}

#[test]
fn a_data_set_comes_back_as_it_was_saved() {
    let folder = Folder::with(&[
        (
            "a.csv",
            "user,item,action,value,timestamp,store\nann,tea,view,,5000,7\nbob,jam,purchase,2.5,6000,8\n",
        ),
        (
            "i.csv",
            "item,title,category,brand,tags,price,created_at,organic\ntea,Green tea,drinks,,hot|green,3.25,2017-06-01,true\n",
        ),
        ("u.csv", "user,age\nbob,30\ncid,\n"),
    ]);
    let spec = ImportSpec {
        interactions: Some(folder.file("a.csv")),
        items: Some(folder.file("i.csv")),
        users: Some(folder.file("u.csv")),
        ..ImportSpec::default()
    };
    let (saved, _) = read(&spec, &Silent).unwrap();
    let target = folder.0.path().join("out");
    saved.save(&target).unwrap();
    let loaded = Dataset::load(&target).unwrap();
    assert_eq!(rows(&loaded)[1], rows(&saved)[1]);
    assert_eq!(loaded.users, saved.users);
    assert_eq!(loaded.extra, saved.extra);
    let (a, b, tea) = (&saved.catalog, &loaded.catalog, ItemId::new(0));
    assert_eq!((b.title(tea), b.price(tea), b.created_at(tea)), ("Green tea", Some(3.25), a.created_at(tea)));
    assert_eq!(b.created_at(tea), Some(Timestamp::from_secs(1_496_275_200)));
    assert_eq!((a.tags(), a.category(), a.brand()), (b.tags(), b.category(), b.brand()));
}
