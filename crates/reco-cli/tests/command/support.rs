//! The command in a folder of its own, with an environment of its own, and what it answers.

use serde_json::Value;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

/// The command, started in this folder.
pub(crate) fn reco(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reco"));
    command.current_dir(folder).env_clear();
    command
}

/// What it does for machines.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Output {
    reco(folder).args(["--quiet", "--json"]).args(args).output().expect("the command runs")
}

/// The answer of a command that succeeds.
pub(crate) fn answer(folder: &Path, args: &[&str]) -> Value {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", told(&output));
    serde_json::from_slice(&output.stdout).expect("an answer in JSON")
}

/// What a command that fails says.
pub(crate) fn refusal(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(1), "{args:?} is refused");
    told(&output)
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    /// Where it listens.
    pub(crate) address: String,
}

impl Server {
    /// Waits until `serve` with these flags listens on a port of its choice.
    pub(crate) fn start(folder: &Path, flags: &[&str]) -> Self {
        let mut command = reco(folder);
        command
            .args(["--quiet", "--json", "serve", "--listen", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Self::listening(command.spawn().expect("the command runs"))
    }

    /// Waits until a server that was started listens.
    pub(crate) fn listening(mut child: Child) -> Self {
        let lines = BufReader::new(child.stderr.take().expect("it was piped")).lines();
        let mut server = Self { child, lines, address: String::new() };
        let line: Value = serde_json::from_str(&server.wait_for("\"listening\"")).expect("JSON");
        server.address = line["listening"]["address"].as_str().expect("an address").into();
        server
    }

    /// The next line that has these words.
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        let mut told = Vec::new();
        for line in self.lines.by_ref().map_while(Result::ok) {
            if line.contains(words) {
                return line;
            }
            told.push(line);
        }
        panic!("the server ended and did not say `{words}` but {told:?}")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    /// As hard as it can be.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_mins(2);

/// The status and body of an answer, or why there is none.
pub(crate) fn ask(server: &Server, method: &str, target: &str, body: &str) -> std::io::Result<(u16, Value)> {
    ask_at(&server.address, method, target, body)
}

/// The same of whatever listens at an address.
pub(crate) fn ask_at(address: &str, method: &str, target: &str, body: &str) -> std::io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: reco\r\nconnection: close\r\ncontent-type: application/json\r\n"
    );
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let cut = || std::io::Error::other(format!("an answer that was cut: {answer}"));
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(cut)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    Ok((status, serde_json::from_str(body).map_err(|_| cut())?))
}

/// Asks the server to end, and waits until it has.
pub(crate) fn stop(mut server: Server) {
    let asked = Command::new("kill").arg(server.pid().to_string()).status().expect("kill runs");
    assert!(asked.success());
    server.wait_for("stopped");
}
