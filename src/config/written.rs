//! What of a configuration changed between two readings: a digest of each key's value. Two bytes are enough
//! to notice a change and too few to find a password by.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use toml::{Table, Value};

/// By the key's path, such as `source.0.host`; nothing of a text that is no TOML.
pub(super) fn digests(text: &str) -> BTreeMap<String, String> {
    let mut digests = BTreeMap::new();
    if let Ok(table) = text.parse::<Table>() {
        add(&mut digests, "", &Value::Table(table));
    }
    digests
}

fn add(digests: &mut BTreeMap<String, String>, path: &str, value: &Value) {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Table(table) => {
            table.iter().for_each(|(name, value)| add(digests, &below(name), value));
        }
        Value::Array(list) if list.iter().any(Value::is_table) => {
            let numbered = list.iter().enumerate();
            numbered.for_each(|(at, value)| add(digests, &below(&at.to_string()), value));
        }
        value => {
            let digest = Sha256::digest(format!("{path}\0{value}"));
            digests.insert(path.to_owned(), format!("{:02x}{:02x}", digest[0], digest[1]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_value_changes_the_digest_of_its_key_alone_and_a_comment_changes_none() {
        let before = digests("[agent]\nid = \"a\"\n[[source]]\nhost = \"x\"\nports = [1, 2]\n");
        let after =
            digests("# other\n[agent]\nid = \"a\"\n[[source]]\nhost = \"y\"\nports = [ 1,2 ]\n");
        assert_eq!(
            before.keys().collect::<Vec<_>>(),
            ["agent.id", "source.0.host", "source.0.ports"]
        );
        let changed: Vec<&String> =
            before.iter().filter(|(key, one)| after[*key] != **one).map(|(key, _)| key).collect();
        assert_eq!(changed, ["source.0.host"]);
    }

    #[test]
    fn the_digest_is_too_short_to_tell_a_password() {
        let digests = digests("[central]\npassword = \"hunter2\"\n");
        assert_eq!(digests["central.password"].len(), 4);
    }
}
