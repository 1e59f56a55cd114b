//! Lists that are computed in advance, and pages that use them.

use crate::support::{Server, answer, ask, refusal};
use std::fs;

const DATA: [&str; 2] = ["--interactions", "interactions.csv"];

#[test]
fn lists_of_a_file_are_proposed_from_once_they_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let bought = (0..40).map(|n| format!("u{},i{},purchase,{}\n", n % 8, n % 5, 1_700_000_000 + n));
    let data: String = ["user,item,action,timestamp\n".to_owned()].into_iter().chain(bought).collect();
    fs::write(folder.path().join("interactions.csv"), data).expect("a file");
    let page = || {
        let server = Server::start(folder.path(), &[&DATA[..], &["--set", "events.keep=memory"]].concat());
        let (status, page) = ask(&server, "GET", "/recommendations?user_id=u1", "").expect("an answer");
        assert_eq!(status, 200, "{page}");
        page.to_string()
    };
    assert!(!page().contains("\"lists\""));
    let written = answer(folder.path(), &[&["precompute"], &DATA[..]].concat());
    assert_eq!((written["users"].as_u64(), written["kept"].as_u64()), (Some(8), Some(0)), "{written}");
    assert!(page().contains("\"lists\""), "{}", page());
    let nowhere = [&["precompute", "--set", "lists.path=nowhere/lists"], &DATA[..]].concat();
    assert!(refusal(folder.path(), &nowhere).contains("nowhere/lists"));
}
