//! What to read and how.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Files to read. Without `items` and `users`, what the interactions name is all that is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportSpec {
    /// Interactions.
    pub interactions: Option<FileSpec>,
    /// Items.
    pub items: Option<FileSpec>,
    /// Users.
    pub users: Option<FileSpec>,
    /// Layout of a well-known data set.
    pub preset: Option<Preset>,
    /// The action of interactions that do not say; `rating` where there is a rating column, else `purchase`.
    pub default_action: Option<String>,
    /// Rows that may be unusable; they are left out and reported.
    pub skip_bad_rows: usize,
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileSpec {
    /// Where it is.
    pub path: PathBuf,
    /// How it is written; by its ending unless set.
    pub format: Option<Format>,
    /// Column per field, for names that are not recognised.
    pub columns: BTreeMap<String, String>,
}

impl FileSpec {
    /// A file whose format and columns are to be recognised.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow IPC, file or stream.
    Arrow,
    /// Comma-separated with a header.
    Csv,
    /// Tab-separated with a header.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// RecBole atomic files: tab-separated, `name:type` headers.
    Recbole,
    /// Text without a header, fields divided by a separator; the layout names the columns.
    #[serde(skip)]
    Bare(Bare),
}

/// Text without a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bare {
    /// What divides the fields.
    pub separator: &'static str,
    /// Names in order.
    pub columns: &'static [&'static str],
}

impl Format {
    /// By the ending of the name.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "parquet" | "pq" => Self::Parquet,
            "arrow" | "ipc" | "feather" | "arrows" => Self::Arrow,
            "csv" => Self::Csv,
            "tsv" | "tab" => Self::Tsv,
            "jsonl" | "ndjson" | "json" => Self::Jsonl,
            "inter" | "item" | "user" => Self::Recbole,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow IPC",
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Jsonl => "JSON Lines",
            Self::Recbole => "RecBole atomic file",
            Self::Bare(_) => "separated text",
        }
    }
}

/// Layout of a well-known data set. The files' own names are known, so that `interactions` may also be the
/// folder that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Preset {
    /// u.data, u.item, u.user.
    #[serde(rename = "movielens-100k")]
    Movielens100k,
    /// ratings.dat, movies.dat, users.dat, divided by `::`.
    #[serde(rename = "movielens-1m")]
    Movielens1m,
    /// ratings.csv and movies.csv of the newer releases.
    MovielensCsv,
    /// NAME.inter, NAME.item, NAME.user.
    Recbole,
    /// feedback.csv, items.csv, users.csv as gorse exports them.
    Gorse,
}

impl Preset {
    /// All presets with their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("movielens-100k", Self::Movielens100k),
        ("movielens-1m", Self::Movielens1m),
        ("movielens-csv", Self::MovielensCsv),
        ("recbole", Self::Recbole),
        ("gorse", Self::Gorse),
    ];
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, preset)| *preset).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|(known, _)| *known).collect();
            format!("there is no preset `{name}`; there are {}", known.join(", "))
        })
    }
}
