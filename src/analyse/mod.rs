//! Events of one (machine, production day) into a session. Pure.
