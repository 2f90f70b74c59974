//! The settings that a plant gives all its gateways, in central's `cu_agent_reglages`: bytes and their signatures,
//! as they were published. Nothing here believes them.
//!
//! What must never happen here: a document that is fetched again at each contact; one without end.

use postgres::{error::SqlState, types::Type};

use super::{Central, CentralError, unreadable};
use crate::model::{SettingsThere, SignedSettings, ToldSettings};

impl Central {
    /// Those with the highest serial, unless the asker has heard them: `mark`.
    pub fn plant_settings(&mut self, mark: &str) -> Result<SettingsThere, CentralError> {
        let mut params = self.params();
        let known = params.push_text(mark);
        let (most, most_signature) =
            (SignedSettings::MOST_BYTES, SignedSettings::MOST_SIGNATURE_BYTES);
        let sql = format!(
            "SELECT m.mark, m.mark = {known} AS known,
                 CASE WHEN m.fits AND m.mark <> {known} THEN m.document END AS document,
                 CASE WHEN m.fits AND m.mark <> {known} THEN m.signatures END AS signatures
             FROM (SELECT l.*, concat_ws(':', l.serie::text, CASE WHEN l.fits
                       THEN left(encode(sha256(l.document || l.signatures), 'hex'::text), 16)
                       ELSE 'too long'::text END) AS mark
                   FROM (SELECT r.serie, r.document, r.signatures, octet_length(r.document) <= {most}
                             AND octet_length(r.signatures) <= {most_signature} AS fits
                         FROM cu_agent_reglages r ORDER BY r.serie DESC LIMIT 1) l) m"
        );
        let rows = match self.ask(&sql, &params) {
            Err(error) if is_missing(&error) => {
                let why = "central has no table cu_agent_reglages that this role may read";
                return Ok(SettingsThere::Unreadable { why: why.to_owned() });
            }
            rows => rows?,
        };
        let Some(row) = rows.first() else { return Ok(SettingsThere::None) };
        let read = || {
            if row.try_get("known")? {
                return Ok(SettingsThere::Known);
            }
            let document: Option<Vec<u8>> = row.try_get("document")?;
            let signatures: Option<Vec<u8>> = row.try_get("signatures")?;
            let signed = document.zip(signatures);
            Ok(SettingsThere::Told(ToldSettings {
                mark: row.try_get("mark")?,
                signed: signed
                    .map(|(document, signatures)| SignedSettings { document, signatures }),
            }))
        };
        read().map_err(unreadable)
    }

    /// Publishes a document; `false`: the serial is there already, or a later one.
    pub fn put_settings(
        &mut self,
        serial: u64,
        signed: &SignedSettings,
    ) -> Result<bool, CentralError> {
        let mut params = self.params();
        params.push(i64::try_from(serial).unwrap_or(i64::MAX), Type::INT8);
        params.push(signed.document.clone(), Type::BYTEA);
        params.push(signed.signatures.clone(), Type::BYTEA);
        let sql = "INSERT INTO cu_agent_reglages (serie, document, signatures)
             SELECT $1, $2, $3
             WHERE NOT EXISTS (SELECT FROM cu_agent_reglages r WHERE r.serie >= $1)
             ON CONFLICT (serie) DO NOTHING RETURNING serie";
        Ok(!self.ask(sql, &params)?.is_empty())
    }
}

/// No table, or not for this role.
fn is_missing(error: &CentralError) -> bool {
    match error {
        CentralError::Forbidden { .. } => true,
        CentralError::SchemaBehind { source } => source.code() == Some(&SqlState::UNDEFINED_TABLE),
        _ => false,
    }
}
