//! Golden cases: folders laid out like the server, and what central must hold afterwards.
