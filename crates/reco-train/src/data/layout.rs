//! Which column holds which field.

use super::spec::{Bare, FileSpec, Format, Preset};
use super::{DataError, ImportSpec};
use std::path::Path;

/// What a file tells about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Interactions,
    Items,
    Users,
}

/// A field and the names its column is known by, in lower case without separators, most telling first.
pub(super) struct Field {
    pub(super) name: &'static str,
    aliases: &'static [&'static str],
    required: bool,
}

const fn field(name: &'static str, aliases: &'static [&'static str]) -> Field {
    Field { name, aliases, required: false }
}

const fn required(name: &'static str, aliases: &'static [&'static str]) -> Field {
    Field { name, aliases, required: true }
}

const INTERACTIONS: &[Field] = &[
    required("user", &["user", "userid", "uid", "customerid", "visitorid", "householdid", "userkey"]),
    required("item", &["item", "itemid", "iid", "movieid", "productid", "articleid", "itemkey", "sku"]),
    field("action", &["action", "type", "event", "eventtype", "feedbacktype"]),
    field("value", &["value", "rating", "quantity", "score", "amount"]),
    field("timestamp", &["timestamp", "at", "time", "ts", "eventtime", "datetime", "date"]),
];

const ITEMS: &[Field] = &[
    required("item", &["item", "itemid", "key", "id", "movieid", "productid", "articleid", "sku"]),
    field("title", &["title", "name", "movietitle", "itemname", "productname"]),
    field("text", &["text", "description", "overview", "body", "abstract", "comment"]),
    field("category", &["category", "categories", "class", "department"]),
    field("subcategory", &["subcategory", "producttype"]),
    field("brand", &["brand", "maker", "vendor"]),
    field("tags", &["tags", "genres", "genre", "labels", "keywords"]),
    field("price", &["price", "unitprice"]),
    field("margin", &["margin"]),
    field("stock", &["stock", "inventory"]),
    field("active", &["active", "isactive"]),
    field("hidden", &["ishidden", "hidden"]),
    field("created_at", &["createdat", "firstseen", "timestamp", "timestampat", "releasedate"]),
];

const USERS: &[Field] = &[required("user", &["user", "userid", "key", "id", "uid", "customerid"])];

impl Role {
    pub(super) fn fields(self) -> &'static [Field] {
        match self {
            Self::Interactions => INTERACTIONS,
            Self::Items => ITEMS,
            Self::Users => USERS,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Interactions => "",
            Self::Items => "items.",
            Self::Users => "users.",
        }
    }
}

/// Finds the column of every field; the answer has one entry a field.
pub(super) fn columns(
    role: Role,
    file: &FileSpec,
    names: &[String],
) -> Result<Vec<Option<usize>>, DataError> {
    if let Some(unknown) =
        file.columns.keys().find(|name| role.fields().iter().all(|field| field.name != name.as_str()))
    {
        let known: Vec<&str> = role.fields().iter().map(|field| field.name).collect();
        return Err(DataError::Spec(format!(
            "there is no field `{unknown}`; there are {}",
            known.join(", ")
        )));
    }
    let mut taken = vec![false; names.len()];
    let mut found = Vec::with_capacity(role.fields().len());
    for field in role.fields() {
        let column = match file.columns.get(field.name) {
            Some(name) => names.iter().position(|known| known == name),
            None => by_alias(field, names, &taken),
        };
        if column.is_none() && (field.required || file.columns.contains_key(field.name)) {
            return Err(DataError::NoColumn {
                path: file.path.clone(),
                field: field.name,
                option: format!("{}{}", role.prefix(), field.name),
                columns: names.join(", "),
            });
        }
        if let Some(column) = column {
            taken[column] = true;
        }
        found.push(column);
    }
    Ok(found)
}

fn by_alias(field: &Field, names: &[String], taken: &[bool]) -> Option<usize> {
    let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
    let position = |alias: &&str| (0..names.len()).find(|&i| !taken[i] && plain[i] == **alias);
    field.aliases.iter().find_map(position)
}

/// `User_ID` is `userid`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

const GENRES: &[&str] = &[
    "item",
    "title",
    "created_at",
    "video_release",
    "url",
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
    /// Format of a file in this layout; `None`: by its ending.
    pub(super) fn format(self, role: Role) -> Option<Format> {
        let bare = |separator, columns| Some(Format::Bare(Bare { separator, columns }));
        match (self, role) {
            (Self::Movielens100k, Role::Interactions) => bare("\t", &["user", "item", "rating", "timestamp"]),
            (Self::Movielens100k, Role::Items) => bare("|", GENRES),
            (Self::Movielens100k, Role::Users) => {
                bare("|", &["user", "age", "gender", "occupation", "zip_code"])
            }
            (Self::Movielens1m, Role::Interactions) => bare("::", &["user", "item", "rating", "timestamp"]),
            (Self::Movielens1m, Role::Items) => bare("::", &["item", "title", "genres"]),
            (Self::Movielens1m, Role::Users) => {
                bare("::", &["user", "gender", "age", "occupation", "zip_code"])
            }
            (Self::Recbole, _) => Some(Format::Recbole),
            (Self::MovielensCsv, _) => Some(Format::Csv),
            (Self::Gorse, _) => None,
        }
    }

    /// Name or ending of the file in a folder.
    fn file(self, role: Role) -> &'static str {
        match (self, role) {
            (Self::Movielens100k, Role::Interactions) => "u.data",
            (Self::Movielens100k, Role::Items) => "u.item",
            (Self::Movielens100k, Role::Users) => "u.user",
            (Self::Movielens1m, Role::Interactions) => "ratings.dat",
            (Self::Movielens1m, Role::Items) => "movies.dat",
            (Self::Movielens1m, Role::Users) => "users.dat",
            (Self::MovielensCsv, Role::Interactions) => "ratings.csv",
            (Self::MovielensCsv, Role::Items) => "movies.csv",
            (Self::Recbole, Role::Interactions) => ".inter",
            (Self::Recbole, Role::Items) => ".item",
            (Self::Recbole, Role::Users) => ".user",
            (Self::Gorse, Role::Interactions) => "feedback.csv",
            (Self::Gorse, Role::Items) => "items.csv",
            (_, Role::Users) => "users.csv",
        }
    }

    /// Whether film titles end with the year in parentheses.
    pub(super) fn titles_have_years(self) -> bool {
        matches!(self, Self::Movielens100k | Self::Movielens1m | Self::MovielensCsv)
    }
}

/// The files to read: where `interactions` is a folder, those in it.
pub(super) fn files(spec: &ImportSpec) -> Result<[Option<FileSpec>; 3], DataError> {
    let given = [spec.interactions.clone(), spec.items.clone(), spec.users.clone()];
    let Some(interactions) = &given[0] else {
        return Err(DataError::Spec("an import needs interactions".to_owned()));
    };
    if !interactions.path.is_dir() {
        return Ok(given);
    }
    let folder = interactions.path.clone();
    let roles = [Role::Interactions, Role::Items, Role::Users];
    let mut files = given;
    for (slot, role) in files.iter_mut().zip(roles) {
        let name = match spec.preset {
            Some(preset) => preset.file(role),
            None => super::store::file_name(role),
        };
        let columns = slot.take().map(|file| file.columns).unwrap_or_default();
        *slot = in_folder(&folder, name)?.map(|path| FileSpec { path, format: None, columns });
    }
    if files[0].is_none() {
        let name = spec
            .preset
            .map_or(super::store::file_name(Role::Interactions), |preset| preset.file(Role::Interactions));
        return Err(DataError::Spec(format!("{}: holds no file {name}", folder.display())));
    }
    Ok(files)
}

/// The file of that name, or with that ending when the name begins with a dot.
fn in_folder(folder: &Path, name: &str) -> Result<Option<std::path::PathBuf>, DataError> {
    let path = folder.join(name);
    if !name.starts_with('.') {
        return Ok(path.is_file().then_some(path));
    }
    let entries = std::fs::read_dir(folder).map_err(|cause| DataError::io(folder, cause))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(name));
    paths.sort();
    Ok(paths.into_iter().next())
}
