//! The real binary: configuration written, started, stopped, its output read.
