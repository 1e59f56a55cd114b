//! `reco config`: the configuration in effect.

use crate::args::ConfigArgs;
use crate::config::Config;
use crate::{Failure, Session};

pub(crate) fn run(session: &Session, args: &ConfigArgs) -> Result<(), Failure> {
    let defaults = Config::default();
    let config = if args.defaults { &defaults } else { &session.config };
    let text = toml::to_string_pretty(config)?;
    session.output.result(config, |_| text)
}
