//! Compressed sparse rows.

/// A sparse matrix of f32, rows compressed, columns ascending within a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
    n_columns: usize,
}

impl Csr {
    /// Builds from `(row, column, value)` entries in any order; entries of the same cell are summed.
    ///
    /// # Panics
    ///
    /// Panics when an entry lies outside `n_rows` x `n_columns`.
    pub fn from_entries(
        n_rows: usize,
        n_columns: usize,
        entries: impl Iterator<Item = (u32, u32, f32)> + Clone,
    ) -> Self {
        let mut offsets = vec![0usize; n_rows + 1];
        for (row, column, _) in entries.clone() {
            assert!((column as usize) < n_columns, "column {column} of {n_columns}");
            offsets[row as usize + 1] += 1;
        }
        for row in 0..n_rows {
            offsets[row + 1] += offsets[row];
        }
        let mut next = offsets.clone();
        let mut cells = vec![(0u32, 0.0f32); offsets[n_rows]];
        for (row, column, value) in entries {
            let slot = &mut next[row as usize];
            cells[*slot] = (column, value);
            *slot += 1;
        }
        Self::from_buckets(&offsets, cells, n_columns)
    }

    /// Sorts each row's cells and sums equal columns.
    fn from_buckets(offsets: &[usize], mut cells: Vec<(u32, f32)>, n_columns: usize) -> Self {
        let n_rows = offsets.len() - 1;
        let mut matrix = Self::with_capacity(n_rows, n_columns, cells.len());
        for row in 0..n_rows {
            let row = &mut cells[offsets[row]..offsets[row + 1]];
            row.sort_by_key(|cell| cell.0);
            let start = matrix.columns.len();
            for &(column, value) in row.iter() {
                if matrix.columns.len() > start && matrix.columns.last() == Some(&column) {
                    *matrix.values.last_mut().expect("as long as columns") += value;
                } else {
                    matrix.columns.push(column);
                    matrix.values.push(value);
                }
            }
            matrix.offsets.push(matrix.columns.len());
        }
        matrix
    }

    fn with_capacity(n_rows: usize, n_columns: usize, n_cells: usize) -> Self {
        let mut offsets = Vec::with_capacity(n_rows + 1);
        offsets.push(0);
        Self { offsets, columns: Vec::with_capacity(n_cells), values: Vec::with_capacity(n_cells), n_columns }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// Number of stored cells.
    pub fn n_cells(&self) -> usize {
        self.columns.len()
    }

    /// Columns (ascending) and values of a row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[row]..self.offsets[row + 1];
        (&self.columns[range.clone()], &self.values[range])
    }

    /// The same matrix with every value replaced.
    #[must_use]
    pub fn map(mut self, value: impl Fn(f32) -> f32) -> Self {
        self.values.iter_mut().for_each(|cell| *cell = value(*cell));
        self
    }

    /// Every value replaced by `value(row, column, value)`.
    #[must_use]
    pub fn map_cells(mut self, value: impl Fn(usize, usize, f32) -> f32) -> Self {
        for row in 0..self.n_rows() {
            for cell in self.offsets[row]..self.offsets[row + 1] {
                self.values[cell] = value(row, self.columns[cell] as usize, self.values[cell]);
            }
        }
        self
    }

    /// Number of cells in each column.
    pub fn column_lengths(&self) -> Vec<u32> {
        let mut lengths = vec![0; self.n_columns];
        self.columns.iter().for_each(|&column| lengths[column as usize] += 1);
        lengths
    }

    /// Rows become columns.
    #[must_use]
    pub fn transpose(&self) -> Self {
        let cells = (0..self.n_rows()).flat_map(move |row| {
            let (columns, values) = self.row(row);
            columns.iter().zip(values).map(move |(&column, &value)| (column, row as u32, value))
        });
        Self::from_entries(self.n_columns, self.n_rows(), cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_cells_are_summed() {
        let matrix = Csr::from_entries(2, 3, [(1, 2, 1.0), (1, 0, 2.0), (1, 2, 0.5)].into_iter());
        assert_eq!(matrix.row(0), (&[][..], &[][..]));
        assert_eq!(matrix.row(1), (&[0, 2][..], &[2.0, 1.5][..]));
    }

    proptest! {
        #[test]
        fn transposing_twice_changes_nothing(
            entries in prop::collection::vec((0u32..20, 0u32..30, 1u8..5), 0..200)
        ) {
            let entries = entries.into_iter().map(|(row, column, value)| (row, column, f32::from(value)));
            let matrix = Csr::from_entries(20, 30, entries);
            prop_assert_eq!(matrix.transpose().transpose(), matrix);
        }
    }
}
