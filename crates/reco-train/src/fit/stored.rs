//! Snapshots as files.
//!
//! A file is the eight bytes `RECOSNAP`, the format's version (u32), the length of the body (u64) and its
//! CRC-32 (u32), all little-endian, then the body in postcard encoding.

use reco_core::catalog::Catalog;
use reco_core::embed::TextVectors;
use reco_core::features::{ItemTable, UserAttributes};
use reco_core::file;
use reco_core::interactions::{Histories, UserTable};
use reco_core::rank::trees::Boosted;
use reco_core::rank::{BlendModels, WideDeep};
use reco_core::retrieve::als::AlsModel;
use reco_core::retrieve::autoencoder::AutoencoderModel;
use reco_core::retrieve::bpr::BprModel;
use reco_core::retrieve::neighbors::Neighbors;
use reco_core::retrieve::popular::Popularity;
use reco_core::retrieve::repeats::Repeats;
use reco_core::retrieve::spectral::SpectralModel;
use reco_core::retrieve::trending::Trends;
use reco_core::retrieve::two_tower::TwoTowerModel;
use reco_core::snapshot::{Model, Models, Snapshot};
use reco_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"RECOSNAP";
const FORMAT: u32 = 10;
const HEADER: usize = 24;

/// Why a snapshot file is refused or was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// The file cannot be read or written.
    #[error("{path}: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is something else.
    #[error("{path}: not a reco snapshot", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// There is a file that is no snapshot.
    #[error("{path}: there is a file that is no snapshot; remove it or name another", path = .path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// Another version of reco wrote it.
    #[error("{path}: snapshot format {found}, this reco reads {known}; train it anew", path = .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// It is cut short or damaged.
    #[error("{path}: corrupt: {what}", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// How that shows.
        what: String,
    },
}

#[derive(Serialize)]
struct Outgoing<'a> {
    version: &'a str,
    data_until: Timestamp,
    catalog: &'a Catalog,
    users: &'a UserTable,
    histories: &'a Histories,
    als: Option<&'a AlsModel>,
    autoencoder: Option<&'a AutoencoderModel>,
    bpr: Option<&'a BprModel>,
    spectral: Option<&'a SpectralModel>,
    two_tower: Option<&'a TwoTowerModel>,
    neighbors: Vec<(&'a str, &'a Neighbors)>,
    popularity: Option<&'a Popularity>,
    trends: Option<&'a Trends>,
    blend: Option<&'a BlendModels>,
    items: Option<&'a ItemTable>,
    wide_deep: Option<&'a WideDeep>,
    boosted: Option<&'a Boosted>,
    attributes: Option<&'a UserAttributes>,
    text_vectors: Option<&'a TextVectors>,
}

#[derive(Deserialize)]
struct Incoming {
    version: String,
    data_until: Timestamp,
    catalog: Catalog,
    users: UserTable,
    histories: Histories,
    als: Option<AlsModel>,
    autoencoder: Option<AutoencoderModel>,
    bpr: Option<BprModel>,
    spectral: Option<SpectralModel>,
    two_tower: Option<TwoTowerModel>,
    neighbors: Vec<(String, Neighbors)>,
    popularity: Option<Popularity>,
    trends: Option<Trends>,
    blend: Option<BlendModels>,
    items: Option<ItemTable>,
    wide_deep: Option<WideDeep>,
    boosted: Option<Boosted>,
    attributes: Option<UserAttributes>,
    text_vectors: Option<TextVectors>,
}

const NEIGHBORS: [&str; 5] = [
    Neighbors::BY_USERS,
    Neighbors::BY_REGRESSION,
    Neighbors::BY_SEQUENCE,
    Neighbors::BY_CONTENT,
    Neighbors::BY_VECTOR,
];

/// Writes a snapshot with its built-in models and returns the file's length. The file appears whole or not at all.
///
/// # Errors
///
/// [`StoredError::Io`] when it cannot be written, or `path` leads to something that is no plain file.
pub fn save(snapshot: &Snapshot, path: &Path) -> Result<u64, StoredError> {
    let models = &snapshot.models;
    let outgoing = Outgoing {
        version: &snapshot.version,
        data_until: snapshot.data_until,
        catalog: &snapshot.catalog,
        users: &snapshot.users,
        histories: &snapshot.histories,
        als: models.get(AlsModel::NAME),
        autoencoder: models.get(AutoencoderModel::NAME),
        bpr: models.get(BprModel::NAME),
        spectral: models.get(SpectralModel::NAME),
        two_tower: models.get(TwoTowerModel::NAME),
        neighbors: NEIGHBORS.iter().filter_map(|name| Some((*name, models.get(name)?))).collect(),
        popularity: models.get(Popularity::NAME),
        trends: models.get(Trends::NAME),
        blend: models.get(BlendModels::NAME),
        items: models.get(ItemTable::NAME),
        wide_deep: models.get(WideDeep::NAME),
        boosted: models.get(Boosted::NAME),
        attributes: models.get(UserAttributes::NAME),
        text_vectors: models.get(TextVectors::NAME),
    };
    let io = |cause| StoredError::Io { path: path.to_owned(), cause };
    let body = postcard::to_stdvec(&outgoing).map_err(|cause| io(io::Error::other(cause)))?;
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&FORMAT.to_le_bytes());
    header.extend_from_slice(&(body.len() as u64).to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    file::replace(path, |file| file.write_all(&header).and_then(|()| file.write_all(&body))).map_err(io)?;
    Ok((HEADER + body.len()) as u64)
}

/// Whether [`save`] could write there now, to know before anything is trained, and whether it should: a file that
/// is no snapshot may well be the data to train on.
///
/// # Errors
///
/// [`StoredError::Io`] as of [`save`], [`StoredError::Occupied`] by another file.
pub fn check(path: &Path) -> Result<(), StoredError> {
    let io = |cause| StoredError::Io { path: path.to_owned(), cause };
    file::check(path).map_err(io)?;
    let Ok(there) = fs::File::open(path) else { return Ok(()) };
    let mut start = Vec::new();
    there.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(io)?;
    if start.is_empty() || start == MAGIC {
        Ok(())
    } else {
        Err(StoredError::Occupied { path: path.to_owned() })
    }
}

/// Reads what [`save`] wrote.
///
/// # Errors
///
/// [`StoredError`] for a file that is missing, foreign, newer or damaged; never a panic.
pub fn load(path: &Path) -> Result<Snapshot, StoredError> {
    let path = path.to_owned();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(cause) => return Err(StoredError::Io { path, cause }),
    };
    let Some((header, body)) = bytes.split_at_checked(HEADER).filter(|(header, _)| header.starts_with(MAGIC))
    else {
        return Err(StoredError::Foreign { path });
    };
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if word(8) != FORMAT {
        return Err(StoredError::Newer { path, found: word(8), known: FORMAT });
    }
    let length = u64::from(word(12)) | u64::from(word(16)) << 32;
    if length != body.len() as u64 {
        let what = format!("the body has {} bytes, must have {length}", body.len());
        return Err(StoredError::Corrupt { path, what });
    }
    if crc32fast::hash(body) != word(20) {
        return Err(StoredError::Corrupt { path, what: "the checksum does not fit".to_owned() });
    }
    match postcard::from_bytes::<Incoming>(body) {
        Ok(incoming) => Ok(incoming.into_snapshot()),
        Err(cause) => Err(StoredError::Corrupt { path, what: cause.to_string() }),
    }
}

impl Incoming {
    fn into_snapshot(self) -> Snapshot {
        let Self { version, data_until, catalog, users, histories, .. } = self;
        let mut snapshot = Snapshot {
            version: version.into(),
            data_until,
            catalog,
            users,
            histories,
            ..Snapshot::default()
        };
        let repeats = Repeats::of(&snapshot.histories, snapshot.catalog.len());
        let models = &mut snapshot.models;
        models.insert(Repeats::NAME, repeats);
        put(models, AlsModel::NAME, self.als);
        put(models, AutoencoderModel::NAME, self.autoencoder);
        put(models, BprModel::NAME, self.bpr);
        put(models, SpectralModel::NAME, self.spectral);
        put(models, TwoTowerModel::NAME, self.two_tower);
        put(models, Popularity::NAME, self.popularity);
        put(models, Trends::NAME, self.trends);
        put(models, BlendModels::NAME, self.blend);
        put(models, ItemTable::NAME, self.items);
        put(models, WideDeep::NAME, self.wide_deep);
        put(models, Boosted::NAME, self.boosted);
        put(models, UserAttributes::NAME, self.attributes);
        put(models, TextVectors::NAME, self.text_vectors);
        for (name, neighbors) in self.neighbors {
            models.insert(name, neighbors);
        }
        snapshot
    }
}

/// Adds a model that the file has.
fn put<T: Model>(models: &mut Models, name: &'static str, model: Option<T>) {
    if let Some(model) = model {
        models.insert(name, model);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::fit::autoencoder::AutoencoderParams;
    use crate::fit::bpr::BprParams;
    use crate::fit::snapshot::{Plan, fit};
    use crate::fit::two_tower::TwoTowerParams;
    use crate::progress::Silent;
    use reco_core::catalog::{Catalog, ItemRecord, Value};
    use reco_core::event::{Action, ActionWeights};
    use reco_core::features::FeatureConfig;
    use reco_core::pipeline::PipelineConfig;

    fn snapshot() -> Snapshot {
        let mut catalog = Catalog::builder();
        let mut dataset = Dataset::default();
        for item in 0..12u32 {
            let key = format!("item{item}");
            let id = catalog
                .push(ItemRecord { title: Some(format!("Thing {item}")), ..ItemRecord::new(key) })
                .unwrap();
            let user = dataset.log.users.intern(&format!("user{}", item % 3));
            dataset.log.push(user, id, &Action::Purchase, None, Timestamp::from_secs(i64::from(item)));
        }
        dataset.catalog = catalog.build();
        dataset.users = vec![[("age".to_owned(), Value::Number(33.0))].into()];
        let plan = Plan {
            features: FeatureConfig { user_columns: vec!["age".to_owned()], ..FeatureConfig::default() },
            bpr: Some(BprParams::default()),
            autoencoder: Some(AutoencoderParams::default()),
            two_tower: Some(TwoTowerParams::default()),
            ..Plan::default()
        };
        let pipeline = PipelineConfig::default();
        fit(dataset, &plan, &pipeline, &ActionWeights::default(), "v1", &Silent).unwrap()
    }

    #[test]
    fn a_snapshot_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.reco");
        let saved = snapshot();
        save(&saved, &path).unwrap();
        let loaded = load(&path).unwrap();
        assert!(loaded.models.names().eq(saved.models.names()));
        assert_eq!(loaded.histories.of(1), saved.histories.of(1));
        let items =
            |snapshot: &Snapshot| snapshot.models.get::<AlsModel>(AlsModel::NAME).unwrap().items.clone();
        assert_eq!(items(&loaded), items(&saved));
        assert_eq!(loaded.catalog.id("item7"), saved.catalog.id("item7"));
        let known: &UserAttributes = loaded.models.get(UserAttributes::NAME).unwrap();
        assert_eq!(known.row(0), Some(&[33.0][..]));
    }

    #[test]
    fn damage_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.reco");
        save(&snapshot(), &path).unwrap();
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            load(&path).expect_err("damaged")
        };
        for at in (0..whole.len()).step_by(97).chain(0..HEADER) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            refused(&bytes);
            refused(&whole[..at]);
        }
        let mut newer = whole.clone();
        newer[8..12].copy_from_slice(&(FORMAT + 1).to_le_bytes());
        let found = |error| matches!(error, StoredError::Newer { found, .. } if found == FORMAT + 1);
        assert!(found(refused(&newer)));
        assert!(matches!(refused(b"something else entirely, and long"), StoredError::Foreign { .. }));
    }
}
