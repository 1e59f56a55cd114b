//! What cannot be used is refused by name, or left out and reported.

use super::*;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::fs::File;
use std::sync::Arc;

#[test]
fn errors_name_file_row_column_and_value() {
    let folder = Folder::with(&[
        ("time.csv", "user,item,timestamp\na,b,5\na,b,soon\n"),
        ("fields.csv", "user,item\na,b,c\n"),
        ("empty.csv", "user,item\na,\n"),
        ("column.csv", "who,item\na,b\n"),
        ("nothing.csv", ""),
        ("not.parquet", "hello"),
        ("not.arrow", "hello"),
        ("old.feather", "FEA1 and so on"),
        ("list.jsonl", "[1]\n"),
        ("odd.xyz", ""),
        ("twice.csv", "user,item,price,price\na,b,1,2\n"),
        ("twice.jsonl", "{\"user\":1,\"item\":2}\n{\"user\":1,\"item\":2,\"user\":3}\n"),
        ("float.inter", "user_id:token\titem_id:token\tdwell:float\na\tb\t1.5\na\tb\tlong\n"),
        ("early.csv", "user,item,timestamp\na,b,-7\n"),
        ("quote.csv", "user,item\na,\"b\nc,d\n"),
        ("header.csv", "user,item\n"),
        ("binary.csv", "\0\u{1},\0\n"),
        ("unrated.csv", "user,item,rating\na,b,4\na,c,\n"),
        ("rated.csv", "user,item,action\na,b,rating\n"),
        ("infinite.csv", "user,item,rating\na,b,4\na,c,inf\n"),
    ]);
    fs::create_dir(folder.0.path().join("folder")).unwrap();
    let many: String = (0..257).map(|action| format!("a,b,act{action}\n")).collect();
    fs::write(folder.0.path().join("actions.csv"), format!("user,item,action\n{many}")).unwrap();
    for (name, parts) in [
        ("time.csv", &["time.csv", "row 3", "`timestamp`", "\"soon\"", "seconds"][..]),
        ("fields.csv", &["row 2", "\"a,b,c\"", "has 3 fields, must have 2"]),
        ("empty.csv", &["row 2", "`item`", "must be an id"]),
        ("column.csv", &["no column for `user`", "who, item", "--column user=COLUMN"]),
        ("nothing.csv", &["nothing.csv", "empty"]),
        ("not.parquet", &["not.parquet", "Parquet"]),
        ("not.arrow", &["not.arrow", "Arrow"]),
        ("old.feather", &["old.feather", "version 2"]),
        ("list.jsonl", &["row 1", "must be a JSON object"]),
        ("odd.xyz", &["odd.xyz", "endings known"]),
        ("absent.csv", &["absent.csv"]),
        ("absent", &["absent: No such file"]),
        ("twice.csv", &["twice.csv", "two columns named `price`"]),
        ("twice.jsonl", &["row 2", "the key `user` stands there twice"]),
        ("float.inter", &["row 3", "`dwell`", "\"long\"", "must be a number"]),
        ("early.csv", &["row 2", "`timestamp`", "\"-7\"", "before 1970"]),
        ("quote.csv", &["row 2", "must be an id"]),
        ("actions.csv", &["row 258", "`action`", "\"act256\"", "257th distinct action"]),
        ("header.csv", &["header.csv", "has no rows"]),
        ("binary.csv", &["binary.csv", "its first line is no text"]),
        ("unrated.csv", &["row 3", "`rating`", "must be the rating"]),
        ("rated.csv", &["row 2", "`action`", "needs a value", "--column value=COLUMN"]),
        ("infinite.csv", &["row 3", "`rating`", "\"inf\"", "must be a finite number"]),
        ("folder", &["folder", "holds no file interactions.parquet"]),
    ] {
        let error = folder.read(name, None).expect_err(name).to_string();
        for part in parts {
            assert!(error.contains(part), "{name}: {error:?} lacks {part:?}");
        }
    }
}

#[test]
fn what_files_lack_is_told_together_and_before_their_rows_are_read() {
    let folder = Folder::with(&[("a.csv", "user,item\na,\n"), ("items.csv", "name\nx\n")]);
    let [mut interactions, items, users] = ["a.csv", "items.csv", "none.csv"].map(|name| folder.file(name));
    let spec = |interactions: &FileSpec| ImportSpec {
        interactions: Some(interactions.clone()),
        items: Some(items.clone()),
        users: Some(users.clone()),
        ..ImportSpec::default()
    };
    assert_eq!(problems(&spec(&interactions)).len(), 2, "the row of nobody is found by reading");
    interactions.columns.insert("user".to_owned(), "cust".to_owned());
    let told = problems(&spec(&interactions));
    for (line, part) in told.iter().zip([
        "no column `cust`, which is to hold `user`; the columns are user, item",
        "no column for `item`; the columns are name",
        "none.csv: No such file",
    ]) {
        assert!(line.contains(part), "{line:?} lacks {part:?}");
    }
    assert_eq!(told.len(), 3);
}

#[test]
fn bad_rows_are_tolerated_up_to_the_limit() {
    let folder = Folder::with(&[("a.csv", "user,item,timestamp\na,b,5\na,b,x\na,b,6\na\na,b,-7\n")]);
    let read_with = |skip_bad_rows| {
        let interactions = Some(folder.file("a.csv"));
        read(&ImportSpec { interactions, skip_bad_rows, ..ImportSpec::default() }, &Silent)
    };
    let (dataset, report) = read_with(3).unwrap();
    assert_eq!((dataset.log.len(), report.bad_rows, report.bad_examples.len()), (2, 3, 3));
    let error = read_with(2).unwrap_err().to_string();
    assert!(error.starts_with("3 bad rows, at most 2 are tolerated"), "{error}");
}

#[test]
fn lines_without_end_are_no_rows() {
    let long = "x".repeat(3 << 20);
    let folder = Folder::with(&[
        ("ratings.dat", &format!("1::2::3::4\n1::{long}::3::4\n5::6::3::4\n")),
        (
            "a.jsonl",
            &format!(
                "{{\"user\":1,\"item\":2}}\n{{\"user\":1,\"item\":\"{long}\"}}\n{{\"user\":5,\"item\":6}}\n"
            ),
        ),
    ]);
    for (name, preset) in [("ratings.dat", Some(Preset::Movielens1m)), ("a.jsonl", None)] {
        let interactions = Some(folder.file(name));
        let spec = ImportSpec { interactions, preset, skip_bad_rows: 1, ..ImportSpec::default() };
        let (dataset, report) = read(&spec, &Silent).unwrap();
        let bad = &report.bad_examples[0];
        assert_eq!((dataset.log.len(), bad.row, bad.want.contains("is longer than")), (2, 2, true), "{bad}");
    }
}

#[test]
fn one_action_too_many_is_a_bad_row() {
    let actions = (0..300).map(|action| format!("a,b,act{action}\n"));
    // Known actions and the usual one are welcome afterwards; the latter only while there is room.
    let text: String = std::iter::once("user,item,action\n".to_owned()).chain(actions).collect();
    let folder = Folder::with(&[("a.csv", &(text + "a,b,act7\na,b,\n"))]);
    let interactions = Some(folder.file("a.csv"));
    let spec = ImportSpec { interactions, skip_bad_rows: 45, ..ImportSpec::default() };
    let (dataset, report) = read(&spec, &Silent).unwrap();
    assert_eq!((dataset.log.len(), dataset.log.actions.len(), report.bad_rows), (257, 256, 45));
    assert_eq!(report.bad_examples[0].value, "act256");
}

#[test]
fn a_refused_row_leaves_no_trace() {
    let folder = Folder::with(&[("a.csv", "user,item,value,store\nann,tea,2,5\nbob,,3,6\ncid,jam,x,7\n")]);
    let interactions = Some(folder.file("a.csv"));
    let spec = ImportSpec { interactions, skip_bad_rows: 9, ..ImportSpec::default() };
    let (dataset, report) = read(&spec, &Silent).unwrap();
    assert_eq!((report.users, report.items, report.interactions, report.bad_rows), (1, 1, 1, 2));
    assert_eq!(dataset.extra["store"], reco_core::catalog::Column::Numbers(vec![5.0]));
}

#[test]
fn typed_files_cannot_name_two_columns_alike_either() {
    let folder = Folder::with(&[]);
    let schema = ["user", "item", "item"].map(|name| Field::new(name, DataType::Utf8, false));
    let schema = Arc::new(Schema::new(schema.to_vec()));
    let column: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&column), Arc::clone(&column), column])
            .unwrap();
    let path = |name: &str| folder.0.path().join(name);
    let mut parquet = parquet::arrow::ArrowWriter::try_new(
        File::create(path("a.parquet")).unwrap(),
        Arc::clone(&schema),
        None,
    )
    .unwrap();
    parquet.write(&batch).unwrap();
    parquet.close().unwrap();
    let mut ipc =
        arrow::ipc::writer::FileWriter::try_new(File::create(path("a.arrow")).unwrap(), &schema).unwrap();
    ipc.write(&batch).unwrap();
    ipc.finish().unwrap();
    for name in ["a.parquet", "a.arrow"] {
        let error = folder.read(name, None).expect_err(name).to_string();
        assert!(error.contains(name) && error.contains("two columns named `item`"), "{error}");
    }
}

#[test]
fn a_described_file_needs_a_place() {
    let folder = Folder::with(&[("a.csv", "user,item\na,b\n")]);
    let columns = BTreeMap::from([("title".to_owned(), "name".to_owned())]);
    let items = Some(FileSpec { columns, ..FileSpec::default() });
    let spec = ImportSpec { interactions: Some(folder.file("a.csv")), items, ..ImportSpec::default() };
    let error = read(&spec, &Silent).unwrap_err().to_string();
    assert!(error.contains("the file of items is described, but has no path"), "{error}");
}

#[test]
fn the_first_bad_row_is_the_first_of_the_file() {
    let late = format!("user,item,value\na,b,x\na,\na,b,1\nc,\n{}", "a,b,1\n".repeat(20_000));
    let early = format!("user,item,value\na\na,b,x\n{}", "a,b,1\n".repeat(20_000));
    let broken = format!("user,item\na,\n\"{}\n", "b\n".repeat(1_100));
    let folder = Folder::with(&[
        ("late.csv", &late),
        ("early.csv", &early),
        ("broken.csv", &broken),
        ("a.jsonl", "{\"user\":1,\"item\":null}\n[1]\n{\"user\":1,\"item\":2}\n"),
    ]);
    for (name, row, column) in
        [("late.csv", 2, "value"), ("early.csv", 2, ""), ("broken.csv", 2, "item"), ("a.jsonl", 1, "item")]
    {
        let Err(DataError::BadRow(first)) = folder.read(name, None) else { panic!("{name} has a bad row") };
        assert_eq!((first.row, first.column.as_str()), (row, column), "{name}");
    }
    let spec =
        ImportSpec { interactions: Some(folder.file("late.csv")), skip_bad_rows: 9, ..ImportSpec::default() };
    let rows: Vec<u64> = read(&spec, &Silent).unwrap().1.bad_examples.iter().map(|bad| bad.row).collect();
    assert_eq!(rows, [2, 3, 5]);
}

#[test]
fn files_without_rows_are_named() {
    let folder = Folder::with(&[
        ("a.csv", "user,item\na,b\n"),
        ("items.csv", "item,title\n"),
        ("bad.csv", "user,item\na,\n,b\n"),
        ("ratings.dat", "1::2::3::4\n"),
    ]);
    let items = Some(folder.file("items.csv"));
    let spec = ImportSpec { interactions: Some(folder.file("a.csv")), items, ..ImportSpec::default() };
    let (_, report) = read(&spec, &Silent).unwrap();
    assert_eq!(report.empty_files, [folder.file("items.csv").path]);
    let spec =
        ImportSpec { interactions: Some(folder.file("bad.csv")), skip_bad_rows: 5, ..ImportSpec::default() };
    let error = read(&spec, &Silent).unwrap_err().to_string();
    assert!(error.ends_with("none of its 2 rows can be used"), "{error}");
    let error = folder.read("", None).unwrap_err().to_string();
    assert!(error.contains("for its ratings.dat say --preset movielens-1m"), "{error}");
}

#[test]
fn a_user_or_an_item_has_one_row() {
    let folder = Folder::with(&[
        ("a.csv", "user,item\nann,tea\n"),
        ("users.csv", "user,age\nann,30\nbob,\nann,31\n"),
        ("items.csv", "item,title\ntea,Tea\ntea,Green tea\n"),
    ]);
    let spec = |skip_bad_rows| ImportSpec {
        interactions: Some(folder.file("a.csv")),
        users: Some(folder.file("users.csv")),
        skip_bad_rows,
        ..ImportSpec::default()
    };
    let error = read(&spec(0), &Silent).unwrap_err().to_string();
    assert!(
        error.ends_with("users.csv, row 4, column `user`: \"ann\" is there already; a user has one row"),
        "{error}"
    );
    let (dataset, _) = read(&spec(1), &Silent).unwrap();
    assert_eq!(dataset.users[0]["age"], reco_core::catalog::Value::Number(30.0));
    let items = ImportSpec { items: Some(folder.file("items.csv")), users: None, ..spec(0) };
    let error = read(&items, &Silent).unwrap_err().to_string();
    assert!(
        error.ends_with("row 3, column `item`: \"tea\" is there already; an item has one row"),
        "{error}"
    );
}
