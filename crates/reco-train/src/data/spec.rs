//! What to read and how.

use super::Preset;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files to read. Without `items` and `users`, what the interactions name is all that is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportSpec {
    /// Interactions: their file, or a folder that holds all three under their usual names.
    pub interactions: Option<FileSpec>,
    /// Items; wins over what a folder holds.
    pub items: Option<FileSpec>,
    /// Users; win over what a folder holds.
    pub users: Option<FileSpec>,
    /// A folder of events that a server has written since: its [history](crate::history).
    pub history: Option<PathBuf>,
    /// Layout of a well-known data set.
    pub preset: Option<Preset>,
    /// The action of interactions that do not say; `rating` where the column of values is named after ratings,
    /// stars or scores, else `purchase`.
    pub default_action: Option<String>,
    /// Rows that may be unusable; they are left out and reported.
    pub skip_bad_rows: usize,
}

impl ImportSpec {
    /// Another file of interactions whose columns are called as they are in this one's. It is written the same
    /// way where its name has the same ending.
    #[must_use]
    pub fn beside(&self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let file = self.interactions.clone().unwrap_or_default();
        let alike = path.extension() == file.path.extension();
        let file = if alike { file } else { FileSpec { columns: file.columns, ..FileSpec::default() } };
        Self { interactions: Some(FileSpec { path, ..file }), items: None, users: None, ..self.clone() }
    }
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileSpec {
    /// Where it is. May be left out where `interactions` is a folder: the file in it is meant then.
    pub path: PathBuf,
    /// How it is written; by its ending unless set.
    pub format: Option<Format>,
    /// What divides the fields of separated text; a comma or a tab by its format unless set.
    pub separator: Option<String>,
    /// The columns in order, for separated text without a header.
    pub names: Option<Vec<String>>,
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
        }
    }
}
