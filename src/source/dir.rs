//! A folder on a disk: USB stick, mounted share, tests.
