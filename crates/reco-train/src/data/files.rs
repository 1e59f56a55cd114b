//! Which files an import reads.

use super::layout::Role;
use super::spec::{FileSpec, Format, ImportSpec};
use super::{DataError, Preset, store};
use std::path::{Path, PathBuf};

/// A file and, where it has the layout of a well-known data set, which.
pub(super) struct Located {
    pub(super) file: FileSpec,
    pub(super) preset: Option<Preset>,
}

/// The files of interactions, items and users: those named and, where `interactions` is a folder, those in it.
pub(super) fn files(spec: &ImportSpec) -> Result<[Option<Located>; 3], DataError> {
    let root = match &spec.interactions {
        Some(file) if !file.path.as_os_str().is_empty() => &file.path,
        _ => return Err(DataError::Spec("an import needs interactions".to_owned())),
    };
    let folder = root.is_dir().then_some(root.as_path());
    let find = |role, given| locate(role, given, folder, spec.preset);
    let interactions = find(Role::Interactions, spec.interactions.as_ref())?;
    if let (None, Some(folder)) = (&interactions, folder) {
        return Err(nothing_in(folder, spec.preset)?);
    }
    let items = find(Role::Items, spec.items.as_ref())?;
    let users = find(Role::Users, spec.users.as_ref())?;
    Ok([interactions, items, users])
}

fn locate(
    role: Role,
    given: Option<&FileSpec>,
    folder: Option<&Path>,
    preset: Option<Preset>,
) -> Result<Option<Located>, DataError> {
    let mut file = given.cloned().unwrap_or_default();
    let is_named = !file.path.as_os_str().is_empty() && Some(file.path.as_path()) != folder;
    if !is_named {
        let found = match folder {
            Some(folder) => in_folder(folder, file_names(role, preset))?,
            None if given.is_none() => None,
            None => {
                let problem = format!("the file of {} is described, but has no path", role.name());
                return Err(DataError::Spec(problem));
            }
        };
        let Some(path) = found else { return Ok(None) };
        file.path = path;
    }
    // A file beside the data set, of a kind that says itself how it is written, has a layout of its own.
    // `.item` and `.user` are endings of more than one preset.
    let says_itself = file.format.or_else(|| Format::of(&file.path).filter(|&by| by != Format::Recbole));
    let preset = preset.filter(|preset| says_itself.is_none_or(|by| preset.has(role, by)));
    if let Some(preset) = preset {
        preset.describe(role, &mut file);
    }
    Ok(Some(Located { file, preset }))
}

fn file_names(role: Role, preset: Option<Preset>) -> &'static [&'static str] {
    match (preset, role) {
        (Some(preset), _) => preset.file_names(role),
        (None, Role::Interactions) => &[store::INTERACTIONS],
        (None, Role::Items) => &[store::ITEMS],
        (None, Role::Users) => &[store::USERS],
    }
}

/// The first file that has one of the names, or an ending where the name begins with a dot.
fn in_folder(folder: &Path, names: &[&str]) -> Result<Option<PathBuf>, DataError> {
    for name in names {
        let found = if name.starts_with('.') {
            with_ending(folder, name)?
        } else {
            Some(folder.join(name)).filter(|path| path.is_file())
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn with_ending(folder: &Path, ending: &str) -> Result<Option<PathBuf>, DataError> {
    let entries = std::fs::read_dir(folder).map_err(|cause| DataError::io(folder, cause))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    Ok(paths.into_iter().next())
}

/// Says what a folder lacks and which preset may be meant.
fn nothing_in(folder: &Path, preset: Option<Preset>) -> Result<DataError, DataError> {
    let wanted = file_names(Role::Interactions, preset).join(" or ");
    let mut problem = format!("{}: holds no file {wanted}", folder.display());
    if preset.is_none() {
        problem.push_str(", as `reco import` writes it");
    }
    for (name, other) in Preset::ALL {
        if let Some(found) = in_folder(folder, other.file_names(Role::Interactions))? {
            let found = found.file_name().unwrap_or_default().display();
            problem.push_str(&format!("; for its {found} say --preset {name}"));
        }
    }
    Ok(DataError::Spec(problem))
}
