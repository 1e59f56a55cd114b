//! A command line before it is understood.

use std::ffi::OsString;

/// The line with every `--set` at its end, in their order: clap would let those behind the command take the place of
/// those before it.
pub(super) fn with_sets_last(mut line: Vec<OsString>) -> Vec<OsString> {
    // What follows is no flag of ours.
    let rest = line.split_off(line.iter().position(|arg| arg == "--").unwrap_or(line.len()));
    let (mut others, mut sets) = (Vec::new(), Vec::new());
    let mut args = line.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--set" {
            sets.push(arg);
            sets.extend(args.next());
        } else if arg.to_str().is_some_and(|text| text.starts_with("--set=")) {
            sets.push(arg);
        } else {
            others.push(arg);
        }
    }
    [others, sets, rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;

    #[test]
    fn settings_add_up_wherever_they_stand() {
        for (line, set) in [
            ("reco --set a=1 serve --set b=2", &["a=1", "b=2"][..]),
            ("reco --set=a=1 models --set b=2 list --set a=3", &["a=1", "b=2", "a=3"]),
            ("reco --set a=1 --listen 127.0.0.1:9 --set b=2", &["a=1", "b=2"]),
            ("reco config", &[]),
        ] {
            let cli = Cli::read(line.split(' ').map(OsString::from)).unwrap();
            assert_eq!(cli.global.set, set, "{line}");
        }
        for line in ["reco config --set", "reco config --set --json"] {
            assert!(Cli::read(line.split(' ').map(OsString::from)).is_err(), "{line}");
        }
    }
}
