//! Where a certificate keeps its public key, whatever else it says. For certificates that are known
//! by their SHA-256 only: the libraries that verify chains take X.509 version 3 alone.
//!
//! What must never happen here: anything else of a certificate believed, or a panic over its bytes.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// The version; absent where it is 1.
const EXPLICIT_0: u8 = 0xA0;

/// One element of DER.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
    rest: &'a [u8],
}

/// The first element of `bytes`, of `tag`.
fn element(bytes: &[u8], tag: u8) -> Option<Element<'_>> {
    Some(any_element(bytes)?).filter(|found| found.tag == tag)
}

fn any_element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&[tag, first], behind) = bytes.split_first_chunk()?;
    let (length, behind) = match first {
        ..=0x7F => (usize::from(first), behind),
        0x81..=0x83 => {
            let (digits, behind) = behind.split_at_checked(usize::from(first - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), behind)
        }
        _ => return None,
    };
    let (content, rest) = behind.split_at_checked(length)?;
    Some(Element { tag, content, whole: &bytes[..bytes.len() - rest.len()], rest })
}

/// The key of a certificate as `SubjectPublicKeyInfo`, in DER.
pub(super) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let outer = element(certificate, SEQUENCE)?;
    let signed = element(outer.content, SEQUENCE)?.content;
    let signed = element(signed, EXPLICIT_0).map_or(signed, |version| version.rest);
    let mut rest = element(signed, INTEGER)?.rest;
    // Algorithm, issuer, dates, subject.
    for _ in 0..4 {
        rest = element(rest, SEQUENCE)?.rest;
    }
    Some(element(rest, SEQUENCE)?.whole)
}

/// The length of the key; `None` where it is not one of RSA.
pub(super) fn rsa_bits(public_key: &[u8]) -> Option<usize> {
    let algorithm = element(element(public_key, SEQUENCE)?.content, SEQUENCE)?;
    let (_unused_bits, key) = element(algorithm.rest, BIT_STRING)?.content.split_first()?;
    let modulus = element(element(key, SEQUENCE)?.content, INTEGER)?.content;
    let start = modulus.iter().position(|byte| *byte != 0)?;
    let zeros = usize::try_from(modulus[start].leading_zeros()).ok()?;
    Some((modulus.len() - start) * 8 - zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_certificate_have_no_key_and_do_no_harm() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let tags = [INTEGER, BIT_STRING, SEQUENCE, EXPLICIT_0, 0x80, 0x81, 0x84, 0, 5, 0xFF];
            let length = random.usize(0..40);
            let bytes: Vec<u8> = (0..length).map(|_| tags[random.usize(0..tags.len())]).collect();
            let _ = (public_key(&bytes), rsa_bits(&bytes));
        }
        assert_eq!(public_key(b"\x30\x80"), None);
        assert_eq!(rsa_bits(b""), None);
    }
}
