use super::part::Part;
use super::*;
use crate::data::Dataset;
use crate::progress::Silent;
use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use reco_core::catalog::{Catalog, Column, ItemRecord};
use reco_core::event::{Action, Event, EventId};
use reco_core::id::ItemId;
use reco_core::store::Place;
use reco_core::time::Timestamp;
use std::fs::File;

const DAY: i64 = 86_400;

/// Three days take turns.
fn delivery(offset: u64) -> Delivery {
    let event = Event {
        id: EventId(offset.into()),
        user: format!("user{}", offset % 3).into(),
        item: "tea".into(),
        action: Action::Purchase,
        value: offset.is_multiple_of(2).then_some(2.0),
        at: Timestamp::from_secs(20_000 * DAY + (offset % 3) as i64 * DAY + offset as i64),
        details: None,
    };
    Delivery { place: Place { partition: (offset % 2) as u32, offset }, event }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

/// Writes events, a few at a time.
fn write(history: &mut HistoryWriter, offsets: std::ops::Range<u64>, at_a_time: u64) {
    for first in offsets.clone().step_by(at_a_time as usize) {
        let some: Vec<Delivery> = (first..(first + at_a_time).min(offsets.end)).map(delivery).collect();
        block_on(async {
            history.take(&some).await.expect("it takes in");
            history.flush().await.expect("it writes");
        });
    }
}

/// The offsets in all files of a history, in order, each as often as it is there.
fn offsets(folder: &Path) -> Vec<u64> {
    let mut offsets = Vec::new();
    for part in parts(folder).expect("it can be listed") {
        let file = File::open(part).expect("a file");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("rows");
        for batch in reader {
            let batch = batch.expect("rows");
            let column = batch.column_by_name("offset").expect("a column");
            offsets.extend(column.as_primitive::<UInt64Type>().values());
        }
    }
    offsets.sort_unstable();
    offsets
}

#[test]
fn events_are_in_files_of_their_dates() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&mut HistoryWriter::new(folder.path()), 0..10, 10);
    let names: Vec<String> = parts(folder.path())
        .expect("a list")
        .iter()
        .map(|part| part.strip_prefix(folder.path()).expect("below").display().to_string())
        .collect();
    assert_eq!(
        names,
        [
            "date=2024-10-04/events-p0-00000000000000000000.parquet",
            "date=2024-10-05/events-p0-00000000000000000004.parquet",
            "date=2024-10-06/events-p0-00000000000000000002.parquet",
        ]
    );
    assert_eq!(offsets(folder.path()), (0..10).collect::<Vec<_>>());
}

#[test]
fn data_grow_by_what_is_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&mut HistoryWriter::new(folder.path()), 0..10, 4);
    let mut catalog = Catalog::builder();
    catalog.push(ItemRecord::new("tea")).expect("a new item");
    let mut dataset = Dataset { catalog: catalog.build(), ..Dataset::default() };
    let user = dataset.log.users.intern("user1");
    dataset.log.push(user, ItemId::new(0), &Action::View, None, Timestamp::from_secs(7));
    dataset.extra.insert("channel".to_owned(), Column::Numbers(vec![7.0]));
    let report = append(&mut dataset, folder.path(), &Silent).expect("it can be read");
    assert_eq!((report.events, dataset.log.len(), dataset.log.users.len()), (10, 11, 3));
    assert_eq!(dataset.log.at.iter().max(), Some(&delivery(8).event.at));
    assert_eq!(dataset.log.value.iter().filter(|value| !value.is_nan()).count(), 5);
    assert!(matches!(&dataset.extra["channel"], Column::Numbers(numbers) if numbers.len() == 11));
    let mut other = Dataset::default();
    let report = append(&mut other, folder.path(), &Silent).expect("it can be read");
    assert_eq!(
        (report.events, report.on_unknown_items, report.unknown_items),
        (0, 10, vec!["tea".to_owned()])
    );
}

#[test]
fn many_small_files_become_few() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&mut HistoryWriter::new(folder.path()), 0..900, 3);
    assert_eq!(offsets(folder.path()), (0..900).collect::<Vec<_>>());
    let n_parts = parts(folder.path()).expect("a list").len();
    assert!(n_parts <= 3 * 3 * 15, "{n_parts} files");
}

#[test]
fn a_merge_that_was_cut_off_is_read_once_and_finished() {
    for n_left in 0..=2 {
        let folder = tempfile::tempdir().expect("a folder");
        write(&mut HistoryWriter::new(folder.path()), 0..60, 30);
        let date = folder.path().join("date=2024-10-04");
        let read = |path: &PathBuf| Part::read(path).expect("a part");
        let of_date =
            || parts(folder.path()).expect("a list").into_iter().filter(|part| part.starts_with(&date));
        let small: Vec<PathBuf> = of_date().collect();
        assert_eq!(small.len(), 2);
        let copies: Vec<Vec<u8>> = small.iter().map(|path| fs::read(path).expect("bytes")).collect();
        let merged = Part::merge(&date, &small.iter().map(read).collect::<Vec<_>>()).expect("it merges");
        assert_eq!(merged.rows, 20);
        // As it is when the process ends while the small files are removed one by one.
        let name = small[0].file_name().expect("a name").display();
        fs::rename(&small[0], date.join(format!("_merged-{name}"))).expect("it is renamed");
        for (path, bytes) in small.iter().zip(&copies).skip(2 - n_left) {
            fs::write(path, bytes).expect("it is back");
        }
        let all: Vec<u64> = (0..60).collect();
        assert_eq!(offsets(folder.path()), all, "with {n_left} of the small files");
        // Opening finishes it, whatever date is written to next.
        let _next = HistoryWriter::new(folder.path());
        assert_eq!(of_date().collect::<Vec<_>>(), small[..1]);
        assert_eq!(offsets(folder.path()), all);
    }
}

#[test]
fn a_damaged_file_is_moved_aside_and_holds_nothing_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let date = folder.path().join("date=2024-10-04");
    fs::create_dir_all(&date).expect("a folder");
    let damaged = date.join("events-p0-7.parquet");
    fs::write(&damaged, "nothing").expect("a file");
    let mut dataset = Dataset::default();
    let refused = append(&mut dataset, folder.path(), &Silent).expect_err("it is no Parquet").to_string();
    assert!(refused.contains("events-p0-7.parquet") && refused.contains("move it away"), "{refused}");
    write(&mut HistoryWriter::new(folder.path()), 0..6, 6);
    assert_eq!(offsets(folder.path()), (0..6).collect::<Vec<_>>());
    assert_eq!(fs::read(date.join("_damaged-events-p0-7.parquet")).expect("it is kept"), b"nothing");
}

#[test]
fn rows_that_cannot_be_read_do_not_hold_up_what_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut history = HistoryWriter::new(folder.path());
    write(&mut history, 0..42, 3);
    let damaged = parts(folder.path()).expect("a list").remove(0);
    let mut bytes = fs::read(&damaged).expect("bytes");
    // Behind the mark at the beginning are rows; what the file is about is at its end.
    bytes[4..64].fill(0xff);
    fs::write(&damaged, bytes).expect("it is written");
    write(&mut history, 42..90, 3);
    assert!(damaged.exists());
    fs::remove_file(&damaged).expect("it is there");
    assert_eq!(offsets(folder.path()), (1..90).collect::<Vec<_>>());
}

#[test]
fn after_a_failure_it_is_looked_at_again_what_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut history = HistoryWriter::new(folder.path());
    write(&mut history, 0..45, 3);
    // Something else has the name that the merged file needs.
    let date = folder.path().join("date=2024-10-04");
    let merged = date.join("_merged-events-p0-00000000000000000000.parquet");
    let hindrance = merged.join("in the way");
    fs::create_dir_all(&hindrance).expect("a folder");
    let failed = block_on(async {
        history.take(&(45..48).map(delivery).collect::<Vec<_>>()).await.expect("it takes in");
        history.flush().await.expect_err("the merged file cannot have its name")
    });
    assert!(failed.message().contains("_merged-"), "{}", failed.message());
    fs::remove_dir_all(&merged).expect("it is there");
    // It got further than it seemed: the small files are gone.
    let of_date = parts(folder.path()).expect("a list").into_iter().filter(|part| part.starts_with(&date));
    let of_date: Vec<Part> = of_date.map(|path| Part::read(&path).expect("a part")).collect();
    Part::merge(&date, &of_date).expect("it merges");
    block_on(history.flush()).expect("it is tried again");
    write(&mut history, 48..100, 3);
    assert_eq!(offsets(folder.path()), (0..100).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// A process is killed between any two files, and the next begins wherever the last commit was.
    #[test]
    fn every_event_is_there_once_whatever_comes_again(
        runs in prop::collection::vec((0u64..40, 1u64..60, 1u64..20, 0usize..3), 1..8),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut end = 0;
        for (back, n_events, at_a_time, n_lost) in runs {
            let first = u64::saturating_sub(end, back);
            end = end.max(first + n_events);
            let before = parts(folder.path()).unwrap_or_default();
            write(&mut HistoryWriter::new(folder.path()), first..end, at_a_time);
            // Of the files of a last flush, any may not have been written.
            let date = folder.path().join(format!("date=2024-10-0{}", 4 + n_lost));
            let mut after = parts(folder.path()).expect("a list");
            after.retain(|part| part.starts_with(&date) && !before.contains(part));
            if let (1, Some(of_flush)) = ((end - first).div_ceil(at_a_time), after.pop()) {
                fs::remove_file(of_flush).expect("it is there");
                write(&mut HistoryWriter::new(folder.path()), first..end, at_a_time);
            }
            prop_assert_eq!(offsets(folder.path()), (0..end).collect::<Vec<_>>());
        }
    }
}
