//! Users: a key and attributes.

use super::Import;
use crate::data::DataError;
use crate::data::extra::settle;
use crate::data::source::Source;
use crate::progress::Progress;
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
                let known = columns
                    .iter()
                    .filter_map(|extra| Some((extra.name.clone(), view.column(extra.column).value(row)?)));
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
