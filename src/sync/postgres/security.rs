//! Events of security in central's `evenement_securite`: added, never changed. A role that does not own the
//! table may do nothing else there.

use chrono::Datelike;
use postgres::types::Type;

use super::{Central, CentralError, Claims};
use crate::model::{SecurityEvent, WallTime};

/// An event that is there already is left alone: the answer to it was lost.
const ADD: &str = "INSERT INTO evenement_securite
    (agent_id, tampon_id, numero, horodatage, genre, objet, detail)
SELECT $1, $2, e.numero, e.horodatage::timestamp, e.genre, e.objet, e.detail
FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
    AS e (numero, horodatage, genre, objet, detail)
ON CONFLICT DO NOTHING";

/// Whether central's type has the time: a clock without a battery may show any.
fn is_date_there(at: &WallTime) -> bool {
    (1..10_000).contains(&at.naive().year())
}

impl Central {
    pub fn add_security_events(
        &mut self,
        claims: &Claims,
        events: &[SecurityEvent],
    ) -> Result<(), CentralError> {
        let texts = |text: fn(&SecurityEvent) -> String| -> Vec<Option<String>> {
            events.iter().map(|event| Some(text(event))).collect()
        };
        let mut params = self.params();
        params.push_text(claims.identity.agent_id.as_str());
        params.push_text(claims.identity.buffer_id.as_str());
        let numbers = events.iter().map(|event| i64::try_from(event.number).unwrap_or(i64::MAX));
        params.push(numbers.collect::<Vec<i64>>(), Type::INT8_ARRAY);
        let at = |event: &SecurityEvent| event.at.filter(is_date_there).map(|at| at.to_string());
        params.push_texts(events.iter().map(at).collect());
        params.push_texts(texts(|event| event.kind.as_str().to_owned()));
        params.push_texts(texts(|event| event.subject.clone()));
        params.push_texts(texts(|event| event.detail.clone()));
        self.ask(ADD, &params).map(drop)
    }
}
