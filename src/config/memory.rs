//! How much memory a limit requires: the formula, and the measurement behind it.

use super::keys::SourceKeys;

/// Files above are refused unless the configuration allows more: two hundred ordinary days.
pub fn default_max_file_bytes() -> u64 {
    SourceKeys::MAX_FILE_SIZE.default_value()
}

/// Resident before any file is read, with a margin: program, threads, connections.
const AT_REST_BYTES: u64 = 24 << 20;

/// Bytes resident for each byte of the worst content there is: a day of short lines that all differ,
/// read, computed, compared and delivered. Measured with `tests/suite/memory.rs`, see
/// `docs/performance.md`.
const BYTES_A_BYTE: u64 = 12;

/// Most memory that the process may need where files of `max_file_bytes` are read.
fn needed_bytes(max_file_bytes: u64) -> u64 {
    max_file_bytes.saturating_mul(BYTES_A_BYTE).saturating_add(AT_REST_BYTES)
}

/// What is said of a raised limit.
pub(super) fn warning(source: &str, max_file_bytes: u64) -> Option<String> {
    (max_file_bytes > default_max_file_bytes()).then(|| {
        format!(
            "source {source}: max_file_size = {} MiB may need {} MiB of memory for the worst file of that size (the default, {} MiB, needs at most {}); see MemoryMax of the service",
            max_file_bytes >> 20,
            needed_bytes(max_file_bytes) >> 20,
            default_max_file_bytes() >> 20,
            needed_bytes(default_max_file_bytes()) >> 20,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_fits_into_128_mib_and_a_higher_limit_is_told() {
        assert!(needed_bytes(default_max_file_bytes()) <= 128 << 20);
        assert_eq!(warning("cu", default_max_file_bytes()), None);
        let told = warning("cu", 256 << 20).unwrap();
        assert!(told.contains("source cu") && told.contains("3096 MiB"), "{told}");
        assert_eq!(needed_bytes(u64::MAX), u64::MAX);
    }
}
