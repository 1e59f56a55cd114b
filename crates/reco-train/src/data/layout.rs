//! Which column holds which field.

use super::DataError;
use super::spec::FileSpec;
use super::tables::{Table, Text};

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

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Interactions => "interactions",
            Self::Items => "items",
            Self::Users => "users",
        }
    }

    /// How the option `--column` spells a field.
    fn option(self, field: &str) -> String {
        match self {
            Self::Interactions => field.to_owned(),
            Self::Items | Self::Users => format!("{}.{field}", self.name()),
        }
    }
}

/// Which column holds which field, and which are kept as attributes.
pub(super) struct Layout {
    role: Role,
    /// Column of every field of the role.
    fields: Vec<Option<usize>>,
    /// Columns that hold no field.
    pub(super) extra: Vec<Extra>,
}

/// A column that is kept as an attribute.
#[derive(Clone, Debug)]
pub(super) struct Extra {
    pub(super) column: usize,
    /// Its name, told apart from the fields'.
    pub(super) name: String,
    /// Whether the file knows no types, so that its text may be numbers.
    pub(super) is_untyped: bool,
}

impl Layout {
    /// Finds the columns of `table`. Where names mean exactly what they say, other names are not recognised.
    pub(super) fn new(role: Role, file: &FileSpec, table: &Table) -> Result<Self, DataError> {
        known_fields(role, file)?;
        let names = &table.names;
        let mut fields: Vec<Option<usize>> = Vec::with_capacity(role.fields().len());
        for field in role.fields() {
            let wanted = file.columns.get(field.name);
            let column = wanted.and_then(|name| names.iter().position(|known| known == name));
            if wanted.is_some() && column.is_none() {
                return Err(no_column(role, field, file, names));
            }
            fields.push(column);
        }
        for (place, field) in role.fields().iter().enumerate() {
            if fields[place].is_none() {
                let is_free = |column: &usize| !fields.contains(&Some(*column));
                let free: Vec<usize> = (0..names.len()).filter(is_free).collect();
                fields[place] = recognised(field, names, &free, table.canonical);
            }
            if field.required && fields[place].is_none() {
                return Err(no_column(role, field, file, names));
            }
        }
        let extra = rest(role, &fields, table);
        Ok(Self { role, fields, extra })
    }

    /// The column of a field.
    pub(super) fn column(&self, field: &str) -> Option<usize> {
        let place = self.role.fields().iter().position(|known| known.name == field)?;
        self.fields[place]
    }
}

fn known_fields(role: Role, file: &FileSpec) -> Result<(), DataError> {
    let is_unknown = |name: &&String| role.fields().iter().all(|field| field.name != name.as_str());
    let Some(unknown) = file.columns.keys().find(is_unknown) else { return Ok(()) };
    let known: Vec<&str> = role.fields().iter().map(|field| field.name).collect();
    let known = known.join(", ");
    Err(DataError::Spec(format!("{} have no field `{unknown}`; there are {known}", role.name())))
}

fn no_column(role: Role, field: &Field, file: &FileSpec, names: &[String]) -> DataError {
    DataError::NoColumn {
        path: file.path.clone(),
        field: field.name,
        named: file.columns.get(field.name).map(|named| named.as_str().into()),
        option: role.option(field.name),
        columns: names.join(", "),
    }
}

/// The first of the field's names that a free column has.
fn recognised(field: &Field, names: &[String], free: &[usize], exactly: bool) -> Option<usize> {
    if exactly {
        return free.iter().copied().find(|&column| names[column] == field.name);
    }
    let by = |alias: &&str| free.iter().copied().find(|&column| plain(&names[column]) == **alias);
    field.aliases.iter().find_map(by)
}

/// `User_ID` is `userid`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn rest(role: Role, fields: &[Option<usize>], table: &Table) -> Vec<Extra> {
    let columns = (0..table.names.len()).filter(|column| !fields.contains(&Some(*column)));
    let extra = |column| Extra {
        column,
        name: distinct(role, column, &table.names),
        is_untyped: table.texts[column] == Text::Untyped,
    };
    columns.map(extra).collect()
}

/// The name of a column, numbered where it is that of a field which another column holds.
fn distinct(role: Role, column: usize, names: &[String]) -> String {
    let name = &names[column];
    if role.fields().iter().all(|field| field.name != name) {
        return name.clone();
    }
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    numbered.into_iter().find(|free| !names.contains(free)).unwrap_or_default()
}
