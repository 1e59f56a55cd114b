//! What a journal promises, with its files cut, damaged and grown old.

use super::*;
use crate::time::ManualClock;
use proptest::prelude::*;
use std::fs;

const NAME: &str = "journal";

fn record(id: u128) -> Record {
    Record { id, text: format!("the text of record {id}").into_bytes().into(), event: None }
}

fn open(folder: &Path) -> (Journal, Recovery) {
    open_with(folder, &LogConfig::default())
}

fn open_with(folder: &Path, config: &LogConfig) -> (Journal, Recovery) {
    Journal::open(folder, config, Arc::new(ManualClock::starting_at(Timestamp::from_secs(0)))).unwrap()
}

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// One commit for each range.
fn append(journal: &Journal, commits: impl IntoIterator<Item = std::ops::Range<u128>>) {
    for ids in commits {
        block_on(journal.append(NAME, ids.map(record).collect())).unwrap();
    }
}

/// The ids that can be read with their positions, and what cannot.
fn read(journal: &Journal) -> (Vec<(u64, u128)>, Vec<Damage>) {
    let (mut ids, mut damaged, mut cursor) = (Vec::new(), Vec::new(), journal.cursor(0));
    loop {
        match cursor.step().unwrap() {
            reader::Step::Records(records) => {
                assert!(records.iter().all(|(_, read)| *read == record(read.id)), "texts come back");
                ids.extend(records.into_iter().map(|(position, record)| (position, record.id)));
            }
            reader::Step::Damage(damage) => damaged.push(damage),
            reader::Step::End | reader::Step::Closed => return (ids, damaged),
        }
    }
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    Segment::list(folder).unwrap().into_iter().map(|segment| segment.path).collect()
}

fn numbered(ids: impl IntoIterator<Item = u128>) -> Vec<(u64, u128)> {
    (0..).zip(ids).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever a killed process leaves of its last commit, all earlier ones are there and writing goes on.
    #[test]
    fn a_torn_end_costs_the_last_commit_at_most(
        lengths in prop::collection::vec(1u128..6, 1..6),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut ids = 0..0;
        let commits: Vec<_> = lengths.iter().map(|n| { ids = ids.end..ids.end + n; ids.clone() }).collect();
        let (last, whole) = commits.split_last().unwrap();
        let (journal, _) = open(folder.path());
        append(&journal, whole.iter().cloned());
        let path = segments(folder.path()).remove(0);
        let before = fs::metadata(&path).unwrap().len() as usize;
        append(&journal, Some(last.clone()));
        drop(journal);
        let bytes = fs::read(&path).unwrap();
        let kept = before + cut.index(bytes.len() - before);
        fs::write(&path, [&bytes[..kept], &noise].concat()).unwrap();

        let (journal, recovery) = open(folder.path());
        prop_assert_eq!(recovery.cut.map_or(0, |(_, bytes)| bytes as usize), kept + noise.len() - before);
        prop_assert_eq!(recovery.damaged, vec![]);
        prop_assert_eq!(read(&journal), (numbered(0..last.start), vec![]));
        // Sent again, what was lost counts once and what was not lost is known.
        append(&journal, Some(0..last.end));
        prop_assert_eq!(read(&journal), (numbered(0..last.end), vec![]));
    }

    /// Bytes that rot in between cost the commits that they belong to, and what they cost is told.
    #[test]
    fn damage_in_between_is_told_and_costs_nothing_else(
        at in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 1..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = open(folder.path());
        let commits: Vec<_> = (0..8u128).map(|commit| commit * 3..commit * 3 + 3).collect();
        append(&journal, commits[..7].iter().cloned());
        let path = segments(folder.path()).remove(0);
        let last = fs::metadata(&path).unwrap().len() as usize;
        append(&journal, commits[7..].iter().cloned());
        drop(journal);
        let mut bytes = fs::read(&path).unwrap();
        let at = segment::HEADER_BYTES + at.index(last - segment::HEADER_BYTES - noise.len());
        let unlike = bytes[at..].iter_mut().zip(&noise).filter(|(byte, noise)| **byte != **noise).count();
        bytes[at..at + noise.len()].copy_from_slice(&noise);
        fs::write(&path, &bytes).unwrap();

        let (journal, recovery) = open(folder.path());
        prop_assert_eq!(recovery.cut, None);
        let (ids, damaged) = read(&journal);
        prop_assert_eq!(&damaged, &recovery.damaged);
        prop_assert_eq!(damaged.is_empty(), unlike == 0);
        let is_lost = |position: u64| damaged.iter().any(|damage| damage.lost.contains(&position));
        let rest: Vec<_> = numbered(0..24).into_iter().filter(|(position, _)| !is_lost(*position)).collect();
        prop_assert_eq!(ids, rest, "{:?}", damaged);
        let n_lost: u64 = damaged.iter().map(|damage| damage.lost.end - damage.lost.start).sum();
        prop_assert!(n_lost <= 3 * (2 + noise.len() as u64 / 100), "{:?}", damaged);
        let is_told = |damage: &Damage| {
            damage.bytes.start < (at + noise.len()) as u64 && (at as u64) < damage.bytes.end
        };
        prop_assert!(damaged.iter().all(is_told), "{:?} is not about byte {}", damaged, at);
    }
}

#[test]
fn damage_before_what_is_looked_for_takes_nobody_back() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, [0..3, 3..6, 6..9]);
    drop(journal);
    let path = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[segment::HEADER_BYTES] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (journal, _) = open(folder.path());
    let mut cursor = journal.cursor(7);
    let reader::Step::Records(records) = cursor.step().unwrap() else { panic!("there are records") };
    assert_eq!(records.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [7, 8]);
    assert!(matches!(cursor.step().unwrap(), reader::Step::End));
    assert_eq!(read(&journal).1.len(), 1, "whoever looks for what is lost is told");
}

#[test]
fn what_a_group_has_seen_is_not_called_by_its_position_again() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, [0..3, 3..6]);
    let mut reader = journal.reader(NAME, "features").unwrap();
    let ids = |reader: &mut JournalReader| block_on(reader.poll(9, |_, record| Ok(record.id))).unwrap();
    assert_eq!([ids(&mut reader), ids(&mut reader)].concat(), [0, 1, 2, 3, 4, 5]);
    reader.commit().unwrap();
    drop(journal);
    // Somebody moved the file away.
    fs::remove_file(segments(folder.path()).remove(0)).unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, Some(6..8));
    assert_eq!(ids(&mut journal.reader(NAME, "features").unwrap()), [6, 7]);
}

/// Segments of one commit each.
fn several_segments(folder: &Path, keep_mb: u64) -> (Journal, Recovery) {
    let config = LogConfig { segment_mb: 1, keep_mb, ..LogConfig::default() };
    open_with(folder, &config)
}

/// A commit that fills a segment.
fn fill(journal: &Journal, id: u128) {
    let text = vec![b'x'; 1 << 20].into_boxed_slice();
    block_on(journal.append(NAME, vec![Record { id, text, event: None }])).unwrap();
}

#[test]
fn a_segment_that_is_gone_is_told_where_it_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = several_segments(folder.path(), 100);
    (0..3).for_each(|id| fill(&journal, id));
    drop(journal);
    fs::remove_file(&segments(folder.path())[1]).unwrap();
    let (journal, recovery) = several_segments(folder.path(), 100);
    assert_eq!(recovery.damaged.iter().flat_map(|damage| damage.lost.clone()).collect::<Vec<_>>(), [1]);
    let mut cursor = journal.cursor(0);
    let mut positions = Vec::new();
    while let step @ (reader::Step::Records(_) | reader::Step::Damage(_)) = cursor.step().unwrap() {
        if let reader::Step::Records(records) = step {
            positions.extend(records.into_iter().map(|(position, _)| position));
        }
    }
    assert_eq!(positions, [0, 2]);
}

#[test]
fn old_segments_leave_once_every_group_has_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = several_segments(folder.path(), 2);
    let mut slow = journal.reader(NAME, "slow").unwrap();
    (0..5).for_each(|id| fill(&journal, id));
    assert_eq!(journal.range(), 0..5, "one group has read nothing");
    assert_eq!(journal.lags(), [("slow".into(), 5)]);
    block_on(async {
        for _ in 0..3 {
            slow.poll(1, |_, record| Ok(record.id)).await.unwrap();
        }
    });
    slow.commit().unwrap();
    fill(&journal, 5);
    assert_eq!(journal.range(), 3..6, "what it committed has left");
    assert!(journal.forget_group("slow").unwrap());
    fill(&journal, 6);
    assert_eq!(journal.range().start, 5, "nobody holds anything any more");
    assert_eq!(segments(folder.path()).len(), 2);
}

#[test]
fn age_alone_is_a_reason_to_leave() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::starting_at(Timestamp::from_secs(0));
    let config = LogConfig { segment_mb: 1, keep_days: 2.0, ..LogConfig::default() };
    let (journal, _) = Journal::open(folder.path(), &config, Arc::new(clock.clone())).unwrap();
    for id in 0..5 {
        fill(&journal, id);
        clock.advance(std::time::Duration::from_hours(24));
    }
    fill(&journal, 5);
    assert_eq!(journal.range(), 2..6, "a segment was full when the next one was begun");
}

#[test]
fn ids_are_known_across_segments_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = several_segments(folder.path(), 100);
    (0..3).for_each(|id| fill(&journal, id));
    drop(journal);
    let (journal, _) = several_segments(folder.path(), 100);
    let kept = block_on(journal.append(NAME, (0..4).map(record).collect())).unwrap();
    assert_eq!(kept, [None, None, None, Some(3)]);
}

#[test]
fn what_damage_took_can_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = several_segments(folder.path(), 100);
    (0..3).for_each(|id| fill(&journal, id));
    drop(journal);
    let path = &Segment::list(folder.path()).unwrap()[1].path;
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
    let (journal, _) = several_segments(folder.path(), 100);
    let kept = block_on(journal.append(NAME, (0..3).map(record).collect())).unwrap();
    assert_eq!(kept, [None, Some(3), None]);
}

#[test]
fn appends_that_queue_share_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    block_on(async {
        let appends = (0..200).map(|id| journal.append(NAME, vec![record(id), record(id / 2)]));
        for kept in futures_util::future::join_all(appends).await {
            kept.unwrap();
        }
    });
    let (ids, _) = read(&journal);
    assert_eq!(ids.len(), 200, "each id once");
    let mut blocks = segment::Blocks::of(&Segment::list(folder.path()).unwrap()[0]).unwrap();
    let mut n_blocks = 0;
    while let segment::Found::Block { .. } = blocks.next(segment::Look::Ids, u64::MAX).unwrap() {
        n_blocks += 1;
    }
    assert!(n_blocks < 100, "{n_blocks} commits for 200 appends");
}

#[test]
fn a_folder_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let clock = || Arc::new(ManualClock::starting_at(Timestamp::from_secs(0)));
    let again = Journal::open(folder.path(), &LogConfig::default(), clock()).unwrap_err();
    assert!(matches!(again, JournalError::Busy(_)), "{again}");
    drop(journal);
    open(folder.path());
}

#[test]
fn what_is_no_segment_is_refused_by_name() {
    for (header, said) in [
        (&b"RECOLOG\x02........................."[..], "another version of reco"),
        (b"something else that is long enough", "no segment of a log"),
        (b"RECOLOG\x01.........................", "damaged header"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("00000000000000000000.log");
        fs::write(&path, header).unwrap();
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_secs(0)));
        let refused = Journal::open(folder.path(), &LogConfig::default(), clock).unwrap_err().to_string();
        assert!(refused.contains(said) && refused.contains("00000.log"), "{refused}");
    }
}

#[test]
fn a_segment_that_was_never_begun_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    append(&journal, Some(0..3));
    drop(journal);
    for left in [&b""[..], b"RECO", &[0; segment::HEADER_BYTES]] {
        fs::write(folder.path().join("00000000000000000003.log"), left).unwrap();
        let (journal, recovery) = open(folder.path());
        assert_eq!((read(&journal).0.len(), recovery), (3, Recovery::default()));
    }
}

#[test]
fn what_is_too_large_to_be_read_back_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path());
    let large = vec![Record { id: 1, text: vec![0; block::MOST_BODY_BYTES / 2 + 1].into(), event: None }];
    let refused = block_on(journal.append(NAME, large)).unwrap_err();
    assert_eq!(refused.kind, FaultKind::Invalid);
    append(&journal, Some(1..2));
    assert_eq!(read(&journal).0, numbered(1..2), "its id is not known");
}
