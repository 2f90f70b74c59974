//! Proxies that delay, cut and count what passes between the agent and a server.
