//! Names of months as servers of Europe abbreviate them in LIST. Pure.

/// The forms of each month without accents and dots, in small letters: English, French, German,
/// Italian, Spanish, Portuguese, Catalan, Dutch, Danish, Norwegian, Swedish, Finnish, Estonian,
/// Lithuanian, Polish, Czech, Slovak, Slovenian, Hungarian, Romanian, Turkish, Russian, Bulgarian
/// and Greek. A form that means different months in two
/// languages is left out (Croatian, where `lip` and `lis` are not the Polish ones).
const FORMS: [&str; 12] = [
    "jan janv january janvier januar januari jaen jaenner janner gen genn gennaio gener ene enero \
     janeiro sty stycznia styczen led ledna leden tam tammi tammikuu jaan saus ian ianuarie oca ocak янв \
     января яну ιαν",
    "feb febr february februar februari fev fevr fevrier febbraio febrero fevereiro febrer lut lutego luty uno \
     unor unora hel helmi helmikuu veebr vas februarie sub subat фев февр φεβ",
    "mar mars march marz maerz mrz mrt maart marts marzo marco marc brez bre brezna brezen maalis \
     maaliskuu marca marzec mart martie март мар μαρ",
    "apr april avr avril abr abril aprile kwi kwietnia kwiecien dub dubna duben huh huhti huhtikuu bal \
     aprilie nis nisan апр απρ",
    "may mai maj mei maggio mag mayo maio maig maja kve kvetna kveten tou touko toukokuu geg mayis май \
     мая μαι",
    "jun june juni juin giu giugno junio junho juny juuni cze czerwca czerwiec cen cer cervna cerven kes \
     kesa kesakuu birz iun iunie haz haziran ioun июн июнь июня ιουν",
    "jul july juli juil juillet lug luglio julio julho juliol juuli lip lipca lipiec cec cervence \
     cervenec hei heina heinakuu liep iul iulie tem temmuz ioul июл июль июля ιουλ",
    "aug august augustus aou aout ago agosto agost sie sierpnia sierpien srp srpna srpen elo elokuu rugp avg \
     agu agustos авг αυγ",
    "sep sept september septembre settembre set sett setembro septiembre setembre wrz wrzesnia wrzesien zar \
     zari syy syys syyskuu rugs szept septembrie eyl eylul сен сент сеп σεπ",
    "oct okt october oktober octobre ottobre ott octubre out outubro paz pazdziernika pazdziernik rij \
     rijna rijen lok loka lokakuu spal octombrie eki ekim окт οκτ",
    "nov november novembre noviembre novembro lis listopada listopad marras marraskuu lapkr \
     noiembrie kas kasim noe ноя нояб ное νοε",
    "dec dez des dic december dezember decembre dicembre diciembre dezembro desember desembre gru \
     grudnia grudzien pro prosince prosinec jou joulu joulukuu gruod decembrie ara aralik dek дек δεκ",
];

const ENGLISH: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The month that a word of a listing names, from 1; with or without a dot, in any case, with its
/// accents in UTF-8 or latin-1.
pub(super) fn month(word: &str) -> Option<u32> {
    if word.len() > 40 || word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // Nearly all servers speak English, and a folder may hold twenty thousand lines.
    if let Some(place) = ENGLISH.iter().position(|name| name.eq_ignore_ascii_case(word)) {
        return u32::try_from(place + 1).ok();
    }
    let folded = folded(word.trim_end_matches(['.', ',']));
    let place = FORMS.iter().position(|forms| forms.split(' ').any(|form| form == folded))?;
    u32::try_from(place + 1).ok()
}

fn folded(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let as_bytes: Option<Vec<u8>> = word.chars().map(latin1_byte).collect();
    let text = match as_bytes {
        // Each character stands for a byte: perhaps of UTF-8 read as latin-1, perhaps of latin-1.
        Some(bytes) => match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => error.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
        },
        None => word.to_owned(),
    };
    text.to_lowercase().chars().map(without_accent).collect()
}

/// The byte of a character that was read as latin-1, or as a stray byte in UTF-8 (see `names`).
fn latin1_byte(c: char) -> Option<u8> {
    match u32::from(c) {
        number @ 0..=0xFF => u8::try_from(number).ok(),
        number @ 0xF780..=0xF7FF => u8::try_from(number - 0xF700).ok(),
        _ => None,
    }
}

fn without_accent(c: char) -> char {
    match c {
        'à'..='å' | 'ą' | 'ā' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'è'..='ë' | 'ę' | 'ě' | 'ė' => 'e',
        'ì'..='ï' | 'ı' => 'i',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ő' => 'o',
        'ù'..='ü' | 'ů' | 'ű' | 'ū' => 'u',
        'ý' | 'ÿ' => 'y',
        'ž' | 'ź' | 'ż' => 'z',
        'š' | 'ś' | 'ş' | 'ș' => 's',
        'ř' => 'r',
        'ğ' => 'g',
        'ł' => 'l',
        'ά' => 'α',
        'έ' => 'ε',
        'ί' | 'ϊ' => 'ι',
        'ύ' => 'υ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the C library of a Unix server and the settings of a Windows server abbreviate them.
    const LANGUAGES: [(&str, &str); 13] = [
        ("en", "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"),
        ("fr", "janv. févr. mars avril mai juin juil. août sept. oct. nov. déc."),
        ("de", "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez"),
        ("de", "Jän Febr. Mrz April Mai Juni Juli Aug. Sept. Okt. Nov. Dez."),
        ("it", "gen feb mar apr mag giu lug ago set ott nov dic"),
        ("es", "ene feb mar abr may jun jul ago sept oct nov dic"),
        ("pt", "jan fev mar abr mai jun jul ago set out nov dez"),
        ("nl", "jan feb mrt apr mei jun jul aug sep okt nov dec"),
        ("da", "jan. feb. mar. apr. maj juni juli aug. sep. okt. nov. dec."),
        ("no", "jan. feb. mars april mai juni juli aug. sep. okt. nov. des."),
        ("fi", "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu"),
        ("pl", "sty lut mar kwi maj cze lip sie wrz paź lis gru"),
        ("cs", "led úno bře dub kvě čen čec srp zář říj lis pro"),
    ];

    #[test]
    fn months_are_read_in_the_languages_of_europe() {
        for (language, names) in LANGUAGES {
            for (place, name) in names.split(' ').enumerate() {
                let number = u32::try_from(place + 1).unwrap();
                let as_latin1: String = name.bytes().map(char::from).collect();
                let stray: String = name
                    .chars()
                    .map(|c| match u32::from(c) {
                        code @ 0x80..=0xFF if name.chars().all(|c| c <= '\u{FF}') => {
                            char::from_u32(0xF700 + code).unwrap()
                        }
                        _ => c,
                    })
                    .collect();
                for form in
                    [name.to_owned(), name.to_uppercase(), format!("{name}."), as_latin1, stray]
                {
                    assert_eq!(month(&form), Some(number), "{language} {form}");
                }
            }
        }
    }

    #[test]
    fn no_form_means_two_months_and_other_words_mean_none() {
        for (place, forms) in FORMS.iter().enumerate() {
            for form in forms.split(' ').filter(|form| !form.is_empty()) {
                let others = FORMS.iter().enumerate().filter(|(other, _)| *other != place);
                for (_, other) in others {
                    assert!(!other.split(' ').any(|word| word == form), "{form}");
                }
            }
        }
        for word in ["", ".", "cu", "total", "11:40", "2026", "user", "jui"] {
            assert_eq!(month(word), None, "{word}");
        }
    }
}
