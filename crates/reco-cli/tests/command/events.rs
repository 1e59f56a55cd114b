//! Events that a real server keeps: killed, on a full disk, rejected and tried again.

use crate::support::{Server, answer, ask, reco, refusal, stop};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A shop in a folder of its own.
fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let bought = (0..40).map(|n| format!("u{},i{},purchase,{}\n", n % 8, n % 5, 1_700_000_000 + n));
    let data: String = ["user,item,action,timestamp\n".to_owned()].into_iter().chain(bought).collect();
    fs::write(folder.path().join("interactions.csv"), data).expect("a file");
    folder
}

const DATA: [&str; 4] = ["--interactions", "interactions.csv", "--set", "clock=system"];

fn serve(folder: &Path) -> Server {
    Server::start(folder, &DATA)
}

fn events(from: u64, n: u64) -> String {
    let event = |number: u64| {
        let id = format!("{:032x}", number + 1);
        json!({"id": id, "user_id": "ann", "item_id": format!("i{}", number % 5), "action": "click", "value": number})
    };
    Value::from((from..from + n).map(event).collect::<Vec<_>>()).to_string()
}

/// The values of all events that are kept, in order.
fn kept(folder: &Path) -> Vec<u64> {
    let listed = answer(folder, &["events", "list", "--limit", "0"]);
    let values = listed.as_array().expect("a list").iter().map(|event| event["value"].as_f64());
    values.map(|value| value.expect("a number") as u64).collect()
}

#[test]
fn what_was_accepted_is_there_after_a_kill_and_counts_once() {
    let folder = shop();
    let mut sent = 0;
    for kill in 0..4 {
        let server = serve(folder.path());
        for _ in 0..3 {
            // The last batch before the kill again, as a client does that is not sure.
            let from = u64::saturating_sub(sent, 10);
            let (status, outcome) =
                ask(&server, "POST", "/interactions", &events(from, sent + 10 - from)).expect("an answer");
            assert_eq!((status, &outcome["duplicates"]), (202, &json!(sent - from)), "{outcome}");
            sent += 10;
        }
        let (_, history) = ask(&server, "GET", "/history?user_id=ann", "").expect("an answer");
        let counts = history["items"].as_array().expect("a list").iter().map(|item| item["count"].as_u64());
        assert_eq!(
            counts.sum::<Option<u64>>(),
            Some(sent.min(100)),
            "kill {kill}: the next page knows of them"
        );
    }
    assert_eq!(kept(folder.path()), (0..sent).collect::<Vec<_>>());
    assert_eq!(answer(folder.path(), &["events", "check"])["events"], sent);
}

/// Asks the server until its answer is right.
fn eventually(server: &Server, target: &str, is_right: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let (_, body) = ask(server, "GET", target, "").expect("an answer");
        if is_right(&body) {
            return body;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{target} did not become right");
}

#[test]
fn what_is_known_is_written_down_and_gone_on_from() {
    let folder = shop();
    let often = [&DATA[..], &["--set", "events.checkpoint_minutes=0.01"]].concat();
    let server = Server::start(folder.path(), &often);
    ask(&server, "POST", "/interactions", &events(0, 10)).expect("an answer");
    let flushed = |n: u64| move |health: &Value| health["consumers"]["live"]["flushed"] == n;
    eventually(&server, "/health", flushed(10));
    // Killed with some events behind the checkpoint, or so many as came before the next one.
    ask(&server, "POST", "/interactions", &events(10, 7)).expect("an answer");
    let (_, before) = ask(&server, "GET", "/features?user_id=ann", "").expect("an answer");
    assert_eq!((&before["interactions"], &before["session"]["events"]), (&json!(17), &json!(17)), "{before}");
    drop(server);

    let known = |server: &Server| {
        let (_, mut features) = ask(server, "GET", "/features?user_id=ann", "").expect("an answer");
        features.as_object_mut().expect("an object").remove("now");
        features
    };
    let server = Server::start(folder.path(), &often);
    let same = known(&server);
    assert_eq!((&same["actions"], &same["last_items"]), (&before["actions"], &before["last_items"]));
    let (_, twice) = ask(&server, "POST", "/interactions", &events(5, 10)).expect("an answer");
    assert_eq!((&twice["accepted"], &known(&server)), (&json!(0), &same), "what comes again changes nothing");
    drop(server);

    let rebuild = |more: &[&str]| answer(folder.path(), &[&["rebuild"], more, &DATA].concat());
    let checked = rebuild(&["--check"]);
    assert_eq!(
        (&checked["same"], &checked["events"], &checked["users"]),
        (&json!(true), &json!(17), &json!(1))
    );
    let checkpoint = folder.path().join("reco-events/live.checkpoint");
    let whole = fs::read(&checkpoint).expect("a checkpoint");
    fs::write(&checkpoint, &whole[..whole.len() / 2]).expect("a file");
    assert_eq!(known(&Server::start(folder.path(), &often)), same, "the log has everything");
    fs::remove_file(&checkpoint).expect("there is one");
    assert!(refusal(folder.path(), &[&["rebuild", "--check"], &DATA[..]].concat()).contains("none to check"));
    assert_eq!(rebuild(&[])["events"], 17);
    assert_eq!(known(&Server::start(folder.path(), &often)), same);
}

#[test]
fn a_server_that_is_asked_to_stop_leaves_everything_to_go_on_from_and_to_train_on() {
    let folder = shop();
    let server = serve(folder.path());
    ask(&server, "POST", "/interactions", &events(0, 10)).expect("an answer");
    eventually(&server, "/health", |health| {
        let taken = |consumer: &str| &health["consumers"][consumer]["taken"] == 10;
        taken("live") && taken("history") && taken("analytics")
    });
    let (_, happened) = ask(&server, "GET", "/analytics?hours=2", "").expect("an answer");
    let Value::Object(total) = &happened["total"] else { panic!("{happened}") };
    assert_eq!((&total["actions"], &total["active_users"]), (&json!({"click": 10}), &json!(1)));
    assert_eq!(
        (&total["popular"][0], happened["hours"].as_array().map(Vec::len)),
        (&json!(["i0", 2]), Some(2))
    );
    stop(server);
    let checked = answer(folder.path(), &[&["rebuild", "--check"], &DATA[..]].concat());
    assert_eq!((&checked["same"], &checked["events"]), (&json!(true), &json!(10)));
    let import = ["import", "--out", "all", "--set", "data.history=reco-events/history"];
    let read = answer(folder.path(), &[&import, &DATA[..]].concat());
    assert_eq!((&read["history"]["events"], &read["interactions"]), (&json!(10), &json!(50)), "{read}");
}

#[test]
fn finished_sessions_are_written_once_whatever_was_damaged() {
    let folder = shop();
    let sessions = folder.path().join("reco-events/sessions");
    let written = || fs::read_to_string(sessions.join("sessions-2023-11-14.jsonl")).unwrap_or_default();
    let event = |user: &str, item: &str, minute: u64| {
        let at = 1_699_956_000_000 + 60_000 * minute;
        json!({"user_id": user, "item_id": item, "action": "click", "timestamp": at})
    };
    // A server that takes in these and as many events in all, and ends.
    let run = |events: Value, taken: u64| {
        let server = serve(folder.path());
        if events != json!([]) {
            assert_eq!(ask(&server, "POST", "/interactions", &events.to_string()).expect("an answer").0, 202);
        }
        eventually(&server, "/health", |health| health["consumers"]["sessions"]["taken"] == taken);
        stop(server);
    };
    run(json!([event("ann", "i1", 0), event("ann", "i2", 29)]), 2);
    assert_eq!(written(), "", "it may go on");
    run(json!([event("bob", "i1", 120)]), 1);
    let of_ann = written();
    let line: Value = serde_json::from_str(&of_ann).expect("one line");
    assert_eq!((&line["user"], &line["items"]), (&json!("ann"), &json!(["i1", "i2"])), "{line}");
    // The log has everything.
    fs::write(sessions.join("running.sessions"), "nothing").expect("a file");
    run(json!([]), 3);
    assert_eq!(written(), of_ann);
    assert!(sessions.with_extension("damaged").exists());
}

#[test]
fn what_was_made_of_a_log_that_is_gone_is_not_taken_for_this_ones() {
    let folder = shop();
    let server = serve(folder.path());
    ask(&server, "POST", "/interactions", &events(0, 3)).expect("an answer");
    drop(server);
    answer(folder.path(), &[&["rebuild"], &DATA[..]].concat());
    for file in fs::read_dir(folder.path().join("reco-events")).expect("a folder") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|ending| ending == "log") {
            fs::remove_file(path).expect("it is there");
        }
    }
    let why = refusal(folder.path(), &[&["serve", "--listen", "127.0.0.1:0"], &DATA[..]].concat());
    assert!(why.contains("live.checkpoint of an earlier one; move"), "{why}");
}

#[test]
fn nothing_is_rebuilt_from_nothing_and_nothing_is_lost_by_other_rules() {
    let folder = shop();
    let rebuild = |more: &[&str]| refusal(folder.path(), &[&["rebuild"], more, &DATA].concat());
    assert!(rebuild(&[]).contains("reco-events: no events are kept here"));
    assert!(!folder.path().join("reco-events").exists());
    drop(serve(folder.path()));
    assert!(rebuild(&[]).contains("there is no event to rebuild from"));
    // A log of several files, the first of which leave when there is less room.
    let small = [&DATA[..], &["--set", "events.log.segment_mb=1"]].concat();
    let server = Server::start(folder.path(), &small);
    for from in (0..20_000).step_by(1_000) {
        assert_eq!(ask(&server, "POST", "/interactions", &events(from, 1_000)).expect("an answer").0, 202);
    }
    stop(server);
    let smaller = [&small[..], &["--set", "events.log.keep_mb=1"]].concat();
    drop(Server::start(folder.path(), &smaller));
    let first = &answer(folder.path(), &["events", "list", "--limit", "1"])[0]["position"];
    assert!(first.as_u64() > Some(0), "the first file is there");
    let other = ["--set", "weights.view=0.3"];
    assert!(rebuild(&other).contains("that it holds have left the log"), "{}", rebuild(&other));
    assert!(rebuild(&["--check"]).contains("cannot be checked"));
    let serve = refusal(folder.path(), &[&["serve", "--listen", "127.0.0.1:0"], &other[..], &DATA].concat());
    assert!(serve.contains("reco rebuild --force"), "{serve}");
    assert!(
        answer(folder.path(), &[&["rebuild", "--force"], &other[..], &DATA].concat())["events"].as_u64()
            < Some(20_000)
    );
}

#[test]
fn hours_that_are_gone_or_damaged_are_counted_anew() {
    let folder = shop();
    let counts = folder.path().join("reco-events/analytics.counts");
    let all_counted = |total: &Value| total["total"]["actions"] == json!({"click": 10});
    let server = serve(folder.path());
    ask(&server, "POST", "/interactions", &events(0, 10)).expect("an answer");
    eventually(&server, "/analytics", all_counted);
    stop(server);
    fs::remove_file(&counts).expect("it is there");
    let server = serve(folder.path());
    eventually(&server, "/analytics", all_counted);
    stop(server);
    fs::write(&counts, "no counts").expect("a file");
    let server = serve(folder.path());
    eventually(&server, "/analytics", all_counted);
    assert!(counts.with_extension("damaged").exists());
}

#[test]
fn two_servers_do_not_share_a_log() {
    let folder = shop();
    let _server = serve(folder.path());
    let why = refusal(folder.path(), &[&["serve", "--listen", "127.0.0.1:0"], &DATA[..]].concat());
    assert!(why.contains("another process keeps its events there") && why.contains("events.path"), "{why}");
}

#[test]
fn rejected_events_are_listed_and_tried_again() {
    let folder = shop();
    let server = serve(folder.path());
    let batch = r#"[{"user_id": "ann", "item_id": "i1", "action": "rating"}, {"user_id": 7}]"#;
    let (status, outcome) = ask(&server, "POST", "/interactions", batch).expect("an answer");
    assert_eq!((status, &outcome["error"]["code"]), (422, &json!("no_event_accepted")));
    let listed = answer(folder.path(), &["events", "rejected"]);
    assert_eq!(
        listed[0]["problems"],
        json!([{"field": "value", "problem": "is missing, a rating needs one"}])
    );
    assert_eq!((listed[1]["event"].clone(), listed[1]["number"].clone()), (json!({"user_id": 7}), json!(1)));
    let (_, replayed) = ask(&server, "POST", "/interactions/rejected/replay", "").expect("an answer");
    assert_eq!(replayed, json!({"settled": 0, "left": 2}));
    assert!(refusal(folder.path(), &["events", "replay"]).contains("another process"));
    drop(server);
    assert_eq!(answer(folder.path(), &["events", "replay"]), json!({"settled": 0, "left": 2}));
    assert!(refusal(folder.path(), &["events", "check", "--path", "nowhere"]).contains("nowhere"));
    for what in ["check", "list", "replay"] {
        let said = refusal(folder.path(), &["events", what, "--path", "."]);
        assert!(said.contains("no events are kept here"), "{what}: {said}");
    }
}

#[test]
fn a_log_in_a_file_has_no_colours() {
    let folder = shop();
    let mut command = reco(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(DATA).args(["--json", "--quiet"]);
    let child = command.env("RUST_LOG", "debug").stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut server = Server::listening(child.expect("the command runs"));
    let batch = r#"[{"user_id": 7}]"#;
    assert_eq!(ask(&server, "POST", "/interactions", batch).expect("an answer").0, 422);
    ask(&server, "POST", "/interactions/rejected/replay", "").expect("an answer");
    let line = server.wait_for("rejected events were tried again");
    assert!(line.contains("INFO") && !line.contains('\u{1b}'), "{line:?}");
}

/// As on a full disk, no file may grow past a limit; then there is room again.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_events_and_nothing_else_until_there_is_room() {
    let folder = shop();
    let script = "trap '' XFSZ; ulimit -S -f 64; exec \"$0\" \"$@\"";
    let child = Command::new("bash")
        .args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_reco"),
            "--quiet",
            "--json",
            "serve",
            "--listen",
            "127.0.0.1:0",
        ])
        .args(DATA)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash is there");
    let server = Server::listening(child);
    let mut sent = 0;
    let refused = loop {
        let (status, outcome) = ask(&server, "POST", "/interactions", &events(sent, 100)).expect("an answer");
        if status != 202 {
            break (status, outcome);
        }
        sent += 100;
        assert!(sent < 10_000, "64 kB are full some time");
    };
    assert_eq!((refused.0, &refused.1["error"]["code"]), (503, &json!("component_failed")), "{}", refused.1);
    let (status, page) = ask(&server, "GET", "/recommendations?user_id=u1", "").expect("an answer");
    assert_eq!((status, &page["rung"]), (200, &json!("full")), "pages are made as before");

    let pid = server.pid().to_string();
    let raised = Command::new("prlimit").args(["--fsize=unlimited:", "--pid", &pid]).status();
    assert!(raised.expect("prlimit is part of every Linux").success());
    let (status, outcome) = ask(&server, "POST", "/interactions", &events(sent, 100)).expect("an answer");
    assert_eq!((status, &outcome["accepted"]), (202, &json!(100)), "nothing of the refused batch was kept");
    drop(server);
    assert_eq!(kept(folder.path()), (0..sent + 100).collect::<Vec<_>>());
    assert_eq!(answer(folder.path(), &["events", "check"])["damaged"], json!([]));
}

#[test]
fn a_page_is_kept_until_its_user_does_something() {
    let folder = shop();
    let server = serve(folder.path());
    let found = |target: &str| ask(&server, "GET", target, "").expect("an answer").1["found"].clone();
    let (page, other) = ("/recommendations?user_id=u1&count=2", "/recommendations?user_id=u2&count=2");
    assert_eq!((found(page), found(page), found(other)), (Value::Null, json!("near"), Value::Null));
    let event = json!({"user_id": "u1", "item_id": "i3", "action": "purchase"}).to_string();
    assert_eq!(ask(&server, "POST", "/interactions", &event).expect("an answer").0, 202);
    assert_eq!((found(page), found(other)), (Value::Null, json!("near")));
    let (_, health) = ask(&server, "GET", "/health", "").expect("an answer");
    let pages = &health["caches"]["pages"];
    assert_eq!(
        (&pages["hit_rate"], &pages["near"]["hits"], &pages["made"]),
        (&json!(0.4), &json!(2), &json!(3))
    );
}
