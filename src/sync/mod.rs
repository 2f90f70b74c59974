//! Making central equal to the buffer.
