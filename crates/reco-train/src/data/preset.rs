//! Layouts of well-known data sets: how their files are called and written.

use super::layout::Role;
use super::spec::{FileSpec, Format};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

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
    /// feedback.jsonl, items.jsonl, users.jsonl as gorse exports them, or the CSV files of its older releases.
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

const RATINGS: &[&str] = &["user", "item", "rating", "timestamp"];

/// Columns of u.item before the genres.
const FILM: [&str; 5] = ["item", "title", "created_at", "video_release", "url"];

/// Columns of u.item that say with 1 or 0 whether a film is of that genre.
const GENRES: [&str; 19] = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

impl Preset {
    /// Says how `file` is written, as far as it does not say so itself.
    pub(super) fn describe(self, role: Role, file: &mut FileSpec) {
        let (format, headless) = self.layout(role);
        let of_ending = Format::of(&file.path).filter(|&of_ending| self.has(role, of_ending));
        file.format = file.format.or(of_ending).or(Some(format));
        if let Some((separator, names)) = headless {
            file.separator.get_or_insert_with(|| separator.to_owned());
            file.names.get_or_insert_with(|| names.into_iter().map(str::to_owned).collect());
        }
    }

    /// Whether its file may be of this format.
    pub(super) fn has(self, role: Role, format: Format) -> bool {
        format == self.layout(role).0 || (self == Self::Gorse && format == Format::Csv)
    }

    /// Usual format and, where files have no header, separator and columns.
    fn layout(self, role: Role) -> (Format, Option<(&'static str, Vec<&'static str>)>) {
        let headless = |separator, names: &[&'static str]| (Format::Tsv, Some((separator, names.to_vec())));
        match (self, role) {
            (Self::Movielens100k, Role::Interactions) => headless("\t", RATINGS),
            (Self::Movielens100k, Role::Items) => headless("|", &[&FILM[..], &GENRES].concat()),
            (Self::Movielens100k, Role::Users) => {
                headless("|", &["user", "age", "gender", "occupation", "zip_code"])
            }
            (Self::Movielens1m, Role::Interactions) => headless("::", RATINGS),
            (Self::Movielens1m, Role::Items) => headless("::", &["item", "title", "genres"]),
            (Self::Movielens1m, Role::Users) => {
                headless("::", &["user", "gender", "age", "occupation", "zip_code"])
            }
            (Self::Recbole, _) => (Format::Recbole, None),
            (Self::MovielensCsv, _) => (Format::Csv, None),
            (Self::Gorse, _) => (Format::Jsonl, None),
        }
    }

    /// Names or endings of the file in a folder, the usual one first.
    pub(super) fn file_names(self, role: Role) -> &'static [&'static str] {
        match (self, role) {
            (Self::Movielens100k, Role::Interactions) => &["u.data"],
            (Self::Movielens100k, Role::Items) => &["u.item"],
            (Self::Movielens100k, Role::Users) => &["u.user"],
            (Self::Movielens1m, Role::Interactions) => &["ratings.dat"],
            (Self::Movielens1m, Role::Items) => &["movies.dat"],
            (Self::Movielens1m, Role::Users) => &["users.dat"],
            (Self::MovielensCsv, Role::Interactions) => &["ratings.csv"],
            (Self::MovielensCsv, Role::Items) => &["movies.csv"],
            (Self::MovielensCsv, Role::Users) => &["users.csv"],
            (Self::Recbole, Role::Interactions) => &[".inter"],
            (Self::Recbole, Role::Items) => &[".item"],
            (Self::Recbole, Role::Users) => &[".user"],
            (Self::Gorse, Role::Interactions) => &["feedback.jsonl", "feedback.csv"],
            (Self::Gorse, Role::Items) => &["items.jsonl", "items.csv"],
            (Self::Gorse, Role::Users) => &["users.jsonl", "users.csv"],
        }
    }

    /// Whether an interaction may say that nobody knows when it was.
    pub(super) fn has_unknown_moments(self) -> bool {
        self == Self::Gorse
    }

    /// Whether film titles end with the year in parentheses.
    pub(super) fn titles_have_years(self) -> bool {
        matches!(self, Self::Movielens100k | Self::Movielens1m | Self::MovielensCsv)
    }

    /// Whether what is said about an item is how people call it.
    pub(super) fn comments_are_titles(self) -> bool {
        self == Self::Gorse
    }

    /// Whether a column of the items is a genre that a film may be of.
    pub(super) fn is_genre(self, column: &str) -> bool {
        self == Self::Movielens100k && GENRES.contains(&column)
    }
}
