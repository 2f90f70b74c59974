//! LOG bytes into records and counted rejects. Pure.
