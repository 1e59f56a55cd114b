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
fn a_merge_that_was_cut_off_is_finished() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&mut HistoryWriter::new(folder.path()), 0..60, 30);
    let date = folder.path().join("date=2024-10-04");
    let read = |path: &PathBuf| Part::read(path).expect("a part");
    let small: Vec<PathBuf> =
        parts(folder.path()).expect("a list").into_iter().filter(|part| part.starts_with(&date)).collect();
    assert_eq!(small.len(), 2);
    let copies: Vec<Vec<u8>> = small.iter().map(|path| fs::read(path).expect("bytes")).collect();
    let merged = Part::merge(&date, &small.iter().map(read).collect::<Vec<_>>()).expect("it merges");
    assert_eq!(merged.rows, 20);
    // As it is when the process ends after the first of the small files was removed.
    let whole = small.iter().min().expect("two").clone();
    fs::rename(&whole, date.join(format!("_merged-{}", whole.file_name().expect("a name").display())))
        .expect("it is renamed");
    fs::write(&small[1], &copies[1]).expect("it is back");
    let mut next = HistoryWriter::new(folder.path());
    write(&mut next, 0..61, 61);
    assert_eq!(offsets(folder.path()), (0..61).collect::<Vec<_>>());
}

#[test]
fn what_is_no_file_of_a_history_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let date = folder.path().join("date=2024-10-04");
    fs::create_dir_all(&date).expect("a folder");
    fs::write(date.join("events-p0-7.parquet"), "nothing").expect("a file");
    let mut history = HistoryWriter::new(folder.path());
    let refused = block_on(async {
        history.take(&[delivery(0)]).await.expect("it takes in");
        history.flush().await.expect_err("it cannot be known what is in it")
    });
    assert!(refused.message().contains("events-p0-7.parquet"), "{}", refused.message());
    fs::remove_file(date.join("events-p0-7.parquet")).expect("it is there");
    block_on(history.flush()).expect("it is tried again");
    assert_eq!(offsets(folder.path()), [0]);
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
            write(&mut HistoryWriter::new(folder.path()), first..end, at_a_time);
            // The latest of a flush's files may not have been written.
            let date = folder.path().join(format!("date=2024-10-0{}", 4 + n_lost));
            let latest = parts(folder.path()).expect("a list").into_iter().filter(|part| part.starts_with(&date)).max();
            if let Some(latest) = latest {
                let of_last_run = Part::read(&latest).expect("a part").places.count_before(0, first) == 0
                    && Part::read(&latest).expect("a part").places.count_before(1, first) == 0;
                if of_last_run && first + at_a_time >= end {
                    fs::remove_file(latest).expect("it is there");
                    write(&mut HistoryWriter::new(folder.path()), first..end, at_a_time);
                }
            }
            prop_assert_eq!(offsets(folder.path()), (0..end).collect::<Vec<_>>());
        }
    }
}
