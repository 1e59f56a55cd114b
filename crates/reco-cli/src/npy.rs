//! Matrices from NumPy's `.npy` files: little-endian float32, row by row, versions 1 and 2.

use reco_core::linalg::Matrix;
use std::io;
use std::path::{Path, PathBuf};

/// Why a file is no matrix.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NpyError {
    #[error("{} cannot be read", .0.display())]
    Io(PathBuf, #[source] io::Error),
    #[error("{} is no .npy file of version 1 or 2, or its header is cut short", .0.display())]
    Foreign(PathBuf),
    #[error("{} holds {found}, must hold {want}", path.display())]
    Content { path: PathBuf, found: String, want: &'static str },
    #[error("{} holds {found} bytes of values, must hold {want}, as its shape ({shape}) says", path.display())]
    Length { path: PathBuf, found: usize, want: u128, shape: String },
}

/// Reads a matrix.
pub(crate) fn read(path: &Path) -> Result<Matrix, NpyError> {
    let bytes = std::fs::read(path).map_err(|error| NpyError::Io(path.to_owned(), error))?;
    let (header, values) = split(&bytes).ok_or_else(|| NpyError::Foreign(path.to_owned()))?;
    let wrong =
        |found: &str, want| NpyError::Content { path: path.to_owned(), found: found.to_owned(), want };
    let field = |name: &str| field(header, name).unwrap_or_default();
    if !matches!(field("descr"), "'<f4'" | "'|f4'") {
        return Err(wrong(field("descr"), "values of type '<f4' (float32)"));
    }
    if field("fortran_order") != "False" {
        return Err(wrong("columns one after the other", "rows one after the other (C order)"));
    }
    let shape: Option<Vec<usize>> =
        field("shape").split(',').map(str::trim).filter(|n| !n.is_empty()).map(|n| n.parse().ok()).collect();
    let Some(&[n_rows, n_columns]) = shape.as_deref() else {
        return Err(wrong(&format!("values of the shape ({})", field("shape")), "two dimensions"));
    };
    if n_rows > 0 && n_columns == 0 {
        return Err(wrong("rows of 0 values", "rows of at least 1 value"));
    }
    let want = (n_rows as u128 * n_columns as u128).saturating_mul(4);
    if want != values.len() as u128 {
        let (path, shape) = (path.to_owned(), field("shape").to_owned());
        return Err(NpyError::Length { path, found: values.len(), want, shape });
    }
    let values = values.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    Ok(Matrix::from_vec(n_rows, n_columns, values.collect()))
}

/// The header's text and the values.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (version, rest) = bytes.strip_prefix(b"\x93NUMPY")?.split_first_chunk::<2>()?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk().map(|(n, rest)| (usize::from(u16::from_le_bytes(*n)), rest))?,
        2 => rest.split_first_chunk().map(|(n, rest)| (u32::from_le_bytes(*n) as usize, rest))?,
        _ => return None,
    };
    let (header, values) = rest.split_at_checked(length)?;
    Some((str::from_utf8(header).ok()?, values))
}

/// The value of one key of the header, a Python dictionary; a tuple without its brackets.
fn field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let value = header.split_once(&format!("'{name}':"))?.1.trim_start();
    match value.strip_prefix('(') {
        Some(tuple) => Some(tuple.split_once(')')?.0),
        None => Some(value.split([',', '}']).next()?.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, header: &str, values: &[f32]) -> Vec<u8> {
        let length = (header.len() as u32).to_le_bytes();
        let length = if version == 1 { &length[..2] } else { &length[..] };
        let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        [b"\x93NUMPY", &[version, 0][..], length, header.as_bytes(), &values].concat()
    }

    fn check(bytes: &[u8], want: Result<&[f32], &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values.npy");
        std::fs::write(&path, bytes).unwrap();
        match (read(&path), want) {
            (Ok(matrix), Ok(values)) => assert_eq!(matrix.as_slice(), values),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (got, want) => panic!("{got:?}, not {want:?}"),
        }
    }

    #[test]
    fn reads_what_numpy_writes_and_names_what_it_does_not() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }  \n";
        let values = [1.5, -2.0];
        check(&file(1, header, &values), Ok(&values));
        check(&file(2, header, &values), Ok(&values));
        check(&file(1, &header.replace("(2, 1)", "(0, 7)"), &[]), Ok(&[]));
        check(&file(3, header, &values), Err("no .npy file"));
        check(&file(1, header, &values)[..40], Err("no .npy file"));
        check(b"PAR1", Err("no .npy file"));
        let short = "holds 4 bytes of values, must hold 8, as its shape (2, 1) says";
        check(&file(1, header, &values[..1]), Err(short));
        check(
            &file(1, &header.replace("(2, 1)", "(2, 0)"), &[]),
            Err("rows of 0 values, must hold rows of at"),
        );
        check(&file(1, &header.replace("2, 1", "2,"), &values), Err("two dimensions"));
        let huge = header.replace("2, 1", "4611686018427387904, 4");
        check(&file(1, &huge, &[]), Err("must hold 73786976294838206464, as its"));
        check(&file(1, &header.replace("f4", "f8"), &values), Err("'<f8'"));
        check(&file(1, &header.replace("False", "True"), &values), Err("C order"));
        check(&file(1, "{}", &values), Err("float32"));
    }
}
