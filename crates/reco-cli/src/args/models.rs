//! `reco models`: what to do with the versions in a registry.

use clap::{Args, Subcommand};
use reco_core::registry::Alias;
use std::path::PathBuf;
use std::str::FromStr;

/// A version by its number or by its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Number(u64),
    Named(Alias),
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "champion" => Ok(Self::Named(Alias::Champion)),
            "challenger" => Ok(Self::Named(Alias::Challenger)),
            text => {
                let number = text.strip_prefix('v').unwrap_or(text).parse();
                number.map(Self::Number).map_err(|_| "must be a version such as v3, champion or challenger")
            }
        }
    }
}

/// Where the registry is.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RegistryArgs {
    /// Folder of the registry [default: registry.path].
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) registry: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(subcommand)]
    pub(crate) what: Models,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// Lists all versions; damaged ones are named.
    List,
    /// Prints what is known about a version.
    Show {
        /// As v3, champion or challenger.
        #[arg(default_value = "champion")]
        version: Role,
    },
    /// Prints in what two versions differ: data, configuration, models, metrics.
    Diff {
        /// As v3, champion or challenger.
        one: Role,
        /// Likewise.
        other: Role,
    },
    /// Makes a version the champion, which serves, or the challenger.
    Promote {
        /// As v3, or challenger.
        version: Role,
        /// Makes it the challenger instead, which servers give to a tenth of the users: see `reco rollout`.
        #[arg(long)]
        challenger: bool,
    },
    /// Makes the champion before this one champion again.
    Rollback,
    /// Removes old versions; champion, challenger, the champion before and the latest always stay.
    Prune {
        /// How many of the latest to keep.
        #[arg(long, default_value_t = 10, value_name = "N")]
        keep: usize,
    },
}
