//! Users: a key and attributes.

use super::Import;
use crate::data::DataError;
use crate::data::cells::Cells;
use crate::data::extra::settle;
use crate::data::moments::written;
use crate::data::source::Source;
use crate::progress::Progress;
use reco_core::catalog::Value;
use std::collections::BTreeMap;

impl Import {
    /// Reads what is known of users; nothing else has named any before.
    pub(in crate::data) fn users(
        &mut self,
        source: Source,
        progress: &dyn Progress,
    ) -> Result<(), DataError> {
        self.kept[1] = source.about.kept();
        let columns = source.about.layout.extra.clone();
        self.each_batch(source, "reading users", progress, |import, view| {
            let keys = view.required("user");
            for row in 0..view.n_rows() {
                let key = keys.key(row).and_then(|key| match import.log.users.row(&key) {
                    None => Ok(key),
                    Some(_) => Err(keys.misfit(row, "is there already; a user has one row")),
                });
                let key = match key {
                    Ok(key) => key,
                    Err(misfit) => {
                        import.bad.tolerate(view.bad(row, misfit))?;
                        continue;
                    }
                };
                let user = import.log.users.intern(&key) as usize;
                import.users.resize(import.log.users.len(), BTreeMap::new());
                let known = columns.iter().filter_map(|extra| {
                    Some((extra.name.clone(), attribute(view.column(extra.column), row)?))
                });
                import.users[user].extend(known);
            }
            Ok(())
        })?;
        for extra in columns.iter().filter(|extra| extra.is_untyped) {
            settle(self.users.iter_mut().filter_map(|user| user.get_mut(&extra.name)).collect());
        }
        progress.end(&format!("{} users", self.log.users.len()));
        Ok(())
    }
}

/// Whatever a cell holds; a moment as text, which says that it is one.
fn attribute(cells: &Cells<'_>, row: usize) -> Option<Value> {
    if !cells.is_moment() {
        return cells.value(row);
    }
    cells.moment(row).ok().flatten().map(|at| Value::Text(written(at)))
}
