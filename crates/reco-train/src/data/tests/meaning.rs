//! What is in a file keeps its meaning.

use super::*;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array};
use reco_core::catalog::{Column, Value};
use std::fs::File;
use std::sync::Arc;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The labels of a column, one per row.
fn labels(column: &Column, n_rows: u32) -> Vec<Option<&str>> {
    let Column::Labels(labels) = column else { panic!("{column:?} must be labels") };
    (0..n_rows).map(|row| labels.get(ItemId::new(row))).collect()
}

impl Folder {
    fn write_parquet<const N: usize>(&self, name: &str, columns: [(&str, ArrayRef); N]) {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = File::create(self.0.path().join(name)).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
}

#[test]
fn codes_stay_text_and_numbers_become_numbers() {
    let folder = Folder::with(&[
        ("a.csv", "user,item,branch,till\nu1,007,01,1\nu1,7,12,2.50\n"),
        ("i.csv", "item,ean,weight\n007,0012,1.50\n7,34,2\n"),
        ("u.csv", "user,zip,age\nu1,02139,30\nu2,90210,\n"),
        (
            "a.jsonl",
            "{\"user\":\"u1\",\"item\":\"007\",\"branch\":\"01\",\"till\":1}\n{\"user\":\"u1\",\"item\":7,\"branch\":\"12\",\"till\":2.50}\n",
        ),
    ]);
    for interactions in ["a.csv", "a.jsonl"] {
        let spec = ImportSpec {
            interactions: Some(folder.file(interactions)),
            items: Some(folder.file("i.csv")),
            users: Some(folder.file("u.csv")),
            ..ImportSpec::default()
        };
        let (read, _) = read(&spec, &Silent).unwrap();
        let kept = folder.0.path().join("kept");
        read.save(&kept).unwrap();
        // The second time from Parquet.
        for dataset in [&read, &Dataset::load(&kept).unwrap()] {
            let keys: Vec<&str> = dataset.catalog.ids().map(|id| dataset.catalog.key(id).as_str()).collect();
            assert_eq!(keys, ["007", "7"], "{interactions}");
            assert_eq!(labels(&dataset.catalog.extra()["ean"], 2), [Some("0012"), Some("34")]);
            assert_eq!(dataset.catalog.extra()["weight"], Column::Numbers(vec![1.5, 2.0]));
            assert_eq!(
                dataset.users[0],
                BTreeMap::from([("age".into(), Value::Number(30.0)), ("zip".into(), text("02139"))])
            );
            assert_eq!(dataset.users[1], BTreeMap::from([("zip".into(), text("90210"))]));
            assert_eq!(labels(&dataset.extra["branch"], 2), [Some("01"), Some("12")]);
            assert_eq!(dataset.extra["till"], Column::Numbers(vec![1.0, 2.5]));
        }
    }
}

#[test]
fn films_are_older_than_the_epoch() {
    let folder = Folder::with(&[
        ("a.csv", "user,item\nu,a\n"),
        (
            "i.csv",
            "item,created_at\na,1922-03-04\nb,-1500000000\nc,04-Mar-1922\nd,0001-01-01T00:00:00Z\ne,\n",
        ),
    ]);
    let spec = ImportSpec {
        interactions: Some(folder.file("a.csv")),
        items: Some(folder.file("i.csv")),
        ..ImportSpec::default()
    };
    let catalog = read(&spec, &Silent).unwrap().0.catalog;
    let at: Vec<Option<i64>> =
        catalog.ids().map(|id| catalog.created_at(id).map(|at| at.millis() / 1_000)).collect();
    assert_eq!(at, [Some(-1_509_408_000), Some(-1_500_000_000), Some(-1_509_408_000), None, None]);
}

#[test]
fn a_named_file_wins_over_that_of_the_folder() {
    let folder = Folder::with(&[
        ("ratings.csv", "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n"),
        ("movies.csv", "movieId,title,genres\n31,\"President, The (1995)\",Comedy|Drama\n"),
        ("better.csv", "movieId,title,genres\n31,\"The President (1995)\",Comedy\n"),
        ("own.jsonl", "{\"item\":31,\"title\":\"Mine (1995)\"}\n"),
        ("people.csv", "name,town\n1,Graz\n"),
    ]);
    let title = |items: Option<&str>| {
        let spec = ImportSpec {
            interactions: Some(folder.file("")),
            items: items.map(|name| folder.file(name)),
            users: Some(FileSpec {
                columns: BTreeMap::from([("user".to_owned(), "name".to_owned())]),
                ..folder.file("people.csv")
            }),
            preset: Some(Preset::MovielensCsv),
            ..ImportSpec::default()
        };
        let (dataset, _) = read(&spec, &Silent).unwrap();
        assert_eq!(dataset.users[0]["town"], text("Graz"));
        dataset.catalog.title(ItemId::new(0)).to_owned()
    };
    assert_eq!(title(None), "President, The");
    assert_eq!(title(Some("better.csv")), "The President");
    assert_eq!(title(Some("own.jsonl")), "Mine (1995)", "a file of another kind has a layout of its own");
    // Of the folder's own file only the columns are told.
    let renamed = Folder::with(&[
        ("feedback.csv", "user_id,item_id\n1,31\n"),
        ("items.csv", "item_id,label\n31,Tea\n"),
    ]);
    let columns = BTreeMap::from([("title".to_owned(), "label".to_owned())]);
    let spec = ImportSpec {
        interactions: Some(renamed.file("")),
        items: Some(FileSpec { columns, ..FileSpec::default() }),
        preset: Some(Preset::Gorse),
        ..ImportSpec::default()
    };
    assert_eq!(read(&spec, &Silent).unwrap().0.catalog.title(ItemId::new(0)), "Tea");
    let saved = folder.0.path().join("saved");
    folder.read("ratings.csv", None).unwrap().0.save(&saved).unwrap();
    let spec = ImportSpec {
        interactions: Some(FileSpec::new(saved)),
        items: Some(folder.file("better.csv")),
        ..ImportSpec::default()
    };
    let catalog = read(&spec, &Silent).unwrap().0.catalog;
    assert_eq!(catalog.title(ItemId::new(0)), "The President (1995)");
}

#[test]
fn recbole_headers_say_what_the_columns_are() {
    let folder = Folder::with(&[
        (
            "x.inter",
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\tdwell:float\n05\t6\t4.5\t978300760\t3.0\n",
        ),
        (
            "x.item",
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tmoods:token_seq\tlength:float\n\
             6\tA Film\t1995\tDrama War\tdark  slow\t90.50\n",
        ),
        ("x.user", "user_id:token\tage:token\tzip_code:token\tlikes:token_seq\n05\t24\t02139\tjazz soul\n"),
    ]);
    let (dataset, _) = folder.read("", Some(Preset::Recbole)).unwrap();
    let (catalog, id) = (&dataset.catalog, ItemId::new(0));
    assert_eq!(rows(&dataset), [("05", "6", "rating", 4.5, 978_300_760)]);
    assert_eq!((catalog.title(id), catalog.category().get(id)), ("A Film", Some("Drama")));
    assert_eq!(catalog.tags().get(id).collect::<Vec<_>>(), ["Drama", "War"]);
    let Column::Tags(moods) = &catalog.extra()["moods"] else { panic!("moods are a list") };
    assert_eq!(moods.get(id).collect::<Vec<_>>(), ["dark", "slow"]);
    assert_eq!(labels(&catalog.extra()["release_year"], 1), [Some("1995")], "a token is no number");
    assert_eq!(catalog.extra()["length"], Column::Numbers(vec![90.5]));
    assert_eq!(dataset.extra["dwell"], Column::Numbers(vec![3.0]));
    let likes = Value::List(vec!["jazz".into(), "soul".into()]);
    let user = BTreeMap::from([
        ("age".into(), text("24")),
        ("zip_code".into(), text("02139")),
        ("likes".into(), likes),
    ]);
    assert_eq!(dataset.users[0], user);
    let saved = folder.0.path().join("saved");
    dataset.save(&saved).unwrap();
    assert_eq!(Dataset::load(&saved).unwrap().users, dataset.users);
}

#[test]
fn keys_of_the_last_line_are_kept() {
    let early = "{\"user\":1,\"item\":\"a\"}\n".repeat(40_000);
    let late = "{\"coupon\":\"x\",\"item\":\"b\",\"seen\":[\"p\",\"q\"],\"user\":12345678901234567890123,\"coupon id\":null}\n";
    let folder = Folder::with(&[("a.jsonl", &(early + late))]);
    let (dataset, report) = folder.read("a.jsonl", None).unwrap();
    assert_eq!(report.kept_columns[2], ["coupon", "seen", "coupon id"]);
    let coupons = labels(&dataset.extra["coupon"], 40_001);
    assert_eq!((coupons[0], coupons[40_000]), (None, Some("x")));
    let Column::Tags(seen) = &dataset.extra["seen"] else { panic!("seen is a list") };
    assert_eq!(seen.get(ItemId::new(40_000)).collect::<Vec<_>>(), ["p", "q"]);
    assert_eq!(dataset.log.users.keys()[1].as_str(), "12345678901234567890123");
}

#[test]
fn numbers_of_64_bits_are_not_rounded() {
    let folder = Folder::with(&[]);
    let (large, huge) = (9_007_199_254_740_993, u64::MAX);
    let columns: [(&str, ArrayRef); 4] = [
        ("user", Arc::new(UInt64Array::from(vec![huge, 1]))),
        ("item", Arc::new(Int64Array::from(vec![large, large - 1]))),
        ("session", Arc::new(Int64Array::from(vec![large, large - 1]))),
        ("zip", Arc::new(StringArray::from(vec!["12", "34"]))),
    ];
    folder.write_parquet("a.parquet", columns);
    let (dataset, _) = folder.read("a.parquet", None).unwrap();
    assert_eq!(dataset.log.users.keys()[0].as_str(), "18446744073709551615");
    assert_eq!(dataset.catalog.key(ItemId::new(0)).as_str(), "9007199254740993");
    let sessions = labels(&dataset.extra["session"], 2);
    assert_eq!(sessions, [Some("9007199254740993"), Some("9007199254740992")]);
    assert_eq!(labels(&dataset.extra["zip"], 2), [Some("12"), Some("34")], "the file says that it is text");
}

#[test]
fn moments_of_users_stay_told_from_numbers() {
    let folder = Folder::with(&[("a.csv", "user,item\nann,tea\n")]);
    let joined = TimestampMillisecondArray::from(vec![1_496_320_200_000]);
    let columns: [(&str, ArrayRef); 2] =
        [("user", Arc::new(StringArray::from(vec!["ann"]))), ("joined", Arc::new(joined))];
    folder.write_parquet("u.parquet", columns);
    let spec = ImportSpec {
        interactions: Some(folder.file("a.csv")),
        users: Some(folder.file("u.parquet")),
        ..ImportSpec::default()
    };
    let (dataset, _) = read(&spec, &Silent).unwrap();
    assert_eq!(dataset.users[0]["joined"], text("2017-06-01T12:30:00Z"));
}

#[test]
fn attributes_named_like_fields_survive() {
    let folder = Folder::with(&[("a.csv", "who,item,value,stars,date\nann,tea,high,5,2020-01-01\n")]);
    let columns =
        [("user", "who"), ("value", "stars")].map(|(field, column)| (field.to_owned(), column.to_owned()));
    let interactions = FileSpec { columns: columns.into(), ..folder.file("a.csv") };
    let spec = ImportSpec { interactions: Some(interactions), ..ImportSpec::default() };
    let (dataset, report) = read(&spec, &Silent).unwrap();
    assert_eq!((rows(&dataset)[0].3, &report.kept_columns[2]), (5.0, &vec!["value_2".to_owned()]));
    let saved = folder.0.path().join("saved");
    dataset.save(&saved).unwrap();
    assert_eq!(Dataset::load(&saved).unwrap().extra, dataset.extra);
}

#[test]
fn what_was_saved_means_exactly_what_it_says() {
    let folder = Folder::with(&[("a.csv", "user,item,value,rating,sku\nann,tea,2,5,x1\n")]);
    let (dataset, _) = folder.read("a.csv", None).unwrap();
    let saved = folder.0.path().join("saved");
    dataset.save(&saved).unwrap();
    let loaded = Dataset::load(&saved).unwrap();
    assert_eq!((rows(&loaded), &loaded.extra), (rows(&dataset), &dataset.extra));
}

#[test]
fn gorse_exports_lines_of_json() {
    let folder = Folder::with(&[
        (
            "feedback.jsonl",
            "{\"FeedbackType\":\"star\",\"UserId\":\"9\",\"ItemId\":\"8\",\"Value\":3.5,\"Timestamp\":\"2020-01-01T00:00:00Z\",\"Updated\":\"2020-01-02T00:00:00Z\",\"Comment\":\"\"}\n\
             {\"FeedbackType\":\"read\",\"UserId\":\"9\",\"ItemId\":\"7\",\"Value\":0,\"Timestamp\":\"0001-01-01T00:00:00Z\",\"Comment\":\"\"}\n",
        ),
        (
            "items.jsonl",
            "{\"ItemId\":\"8\",\"IsHidden\":true,\"Categories\":[\"film\",\"old\"],\"Timestamp\":\"2020-01-01T01:01:01.000000001Z\",\"Labels\":{\"genre\":[\"comedy\",\"sci-fi\"],\"embedding\":[0.1]},\"Comment\":\"o,n,e\"}\n\
             {\"ItemId\":\"7\",\"IsHidden\":false,\"Categories\":null,\"Timestamp\":\"0001-01-01T00:00:00Z\",\"Labels\":null,\"Comment\":\"\"}\n",
        ),
        (
            "users.jsonl",
            "{\"UserId\":\"9\",\"Labels\":{\"job\":\"writer\"},\"Subscribe\":null,\"Comment\":\"\"}\n",
        ),
        ("old.csv", "feedback_type,user_id,item_id,time_stamp\nlike,9,8,2020-01-01 00:00:00 +0000 UTC\n"),
    ]);
    let (dataset, report) = folder.read("", Some(Preset::Gorse)).unwrap();
    assert_eq!(
        rows(&dataset),
        [("9", "8", "star", 3.5, 1_577_836_800), ("9", "7", "read", 0.0, 0)],
        "nobody knows when the second one was"
    );
    let (catalog, id) = (&dataset.catalog, ItemId::new(0));
    assert_eq!((catalog.category().get(id), catalog.title(id)), (Some("film"), "o,n,e"));
    assert_eq!(catalog.title(ItemId::new(1)), "7", "the key where there is no comment");
    assert_eq!(catalog.tags().get(id).collect::<Vec<_>>(), ["comedy", "sci-fi"]);
    assert!(!catalog.is_active(id) && catalog.is_active(ItemId::new(1)));
    assert_eq!(catalog.created_at(id), Some(Timestamp::from_millis(1_577_840_461_000)));
    assert_eq!((report.items_without_row, &dataset.users[0]["Labels"]), (0, &text("{\"job\":\"writer\"}")));
    assert_eq!(folder.read("old.csv", Some(Preset::Gorse)).unwrap().0.log.actions[0].name(), "like");
}
