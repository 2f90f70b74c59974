//! Which table and which function a statement's names mean. A name that could mean another is written with
//! its schema before a statement is sent, so that nothing that another role made under it is taken for it.
//!
//! Operators and most functions have no schema in the text: each is given types that the server itself has
//! it for, which comes before any other. `what_another_role_made_in_public_is_never_called_with_the_agent_s_rights`
//! sets traps for those that are not.
//!
//! What must never happen here: a function or a table of another role is used with the rights of the
//! agent's. The server's `search_path` is left alone: triggers of the plant's own rely on it, and behind a
//! pooler it is other clients' too.

use std::collections::BTreeMap;

/// The agent's tables in central.
pub(super) const TABLES: &[&str] = &[
    "centre_usinage",
    "session_production",
    "piece_production",
    "periode_attente",
    "periode_arret",
    "job_profil",
    "anomalie",
    "temps_poste",
    "cu_agent_machine",
    "agent_edge",
    "cu_agent_ecriture",
    "cu_agent_migration",
    "cu_agent_fusion",
    "cu_agent_reglages",
    "calendrier",
    "evenement_securite",
];

/// Functions of the server that take any type, so that one of another role could fit better. All others in
/// the statements are given exactly the types that the server itself has them for. Not `unnest`: of several
/// arrays it is the server's grammar that takes it for its own, and only without a schema; of one array it is
/// qualified where it is used.
const FUNCTIONS_OF_ANY_TYPE: &[&str] = &["concat_ws", "count"];

/// Where the tables are.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Quoted; nothing of a table where the role sees no schema at all.
    schema_of: BTreeMap<&'static str, String>,
}

impl Names {
    /// `schemas`: of each of [`TABLES`], where there is one; `made_in`: where others will be made.
    pub(super) fn new(schemas: &[Option<&str>], made_in: Option<&str>) -> Self {
        let found = TABLES.iter().zip(schemas.iter().copied().chain(std::iter::repeat(None)));
        let schema_of = found
            .filter_map(|(table, schema)| Some((*table, quoted(schema.or(made_in)?))))
            .collect();
        Self { schema_of }
    }

    /// The table with its schema.
    pub(super) fn full(&self, table: &str) -> String {
        match self.schema_of.get(table) {
            Some(schema) => format!("{schema}.{table}"),
            None => table.to_owned(),
        }
    }

    /// `sql` on one line, each table and function in it with its schema. How a statement is laid out is
    /// a fifth of its length; no text in one holds two blanks.
    pub(super) fn qualified(&self, sql: &str) -> String {
        let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut out = String::with_capacity(sql.len() * 5 / 4);
        let mut rest = sql.as_str();
        let mut before = ' ';
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
                c if is_of_name(c) => rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()),
                other => other.len_utf8(),
            };
            let (word, behind) = rest.split_at(length);
            if before != '.' {
                if let Some(schema) = self.schema_of.get(word) {
                    out.push_str(schema);
                    out.push('.');
                } else if behind.starts_with('(')
                    && !behind.starts_with("(*")
                    && FUNCTIONS_OF_ANY_TYPE.contains(&word)
                {
                    out.push_str("pg_catalog.");
                }
            }
            out.push_str(word);
            before = word.chars().next_back().unwrap_or(before);
            rest = behind;
        }
        out
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

/// As an identifier. `public` is left as it is, because it travels often.
pub(super) fn quoted(name: &str) -> String {
    if name == "public" { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_functions_get_their_schema_and_nothing_else_does() {
        let names = Names::new(&[Some("public"), Some("Pro\"d")], Some("public"));
        let table = [
            (
                "SELECT  count(*),\n count(x) FROM centre_usinage c",
                "SELECT count(*), pg_catalog.count(x) FROM public.centre_usinage c",
            ),
            ("FROM session_production s", "FROM \"Pro\"\"d\".session_production s"),
            (
                "cu_agent_machine AS m (count, unnest)",
                "public.cu_agent_machine AS m (count, unnest)",
            ),
            ("piece_production_otee, x.count(1)", "piece_production_otee, x.count(1)"),
            ("'anomalie count(1)' || count(1)", "'anomalie count(1)' || pg_catalog.count(1)"),
            ("E'\\n' anomalie.n", "E'\\n' public.anomalie.n"),
            ("pg_catalog.count(1) now()", "pg_catalog.count(1) now()"),
            ("'", "'"),
        ];
        for (sql, expected) in table {
            assert_eq!(names.qualified(sql), expected);
        }
        assert_eq!(Names::new(&[], None).qualified("FROM anomalie"), "FROM anomalie");
    }
}
