//! `reco config`: the configuration in effect.

use crate::args::ConfigArgs;
use crate::config::Config;
use crate::{Failure, Session, output};

pub(crate) fn run(session: &Session, args: &ConfigArgs) -> Result<(), Failure> {
    let defaults = Config::default();
    let config = if args.defaults { &defaults } else { &session.config };
    if session.json {
        return output::json(config);
    }
    output::text(&toml::to_string_pretty(config)?);
    Ok(())
}
