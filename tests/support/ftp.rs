//! Real FTP servers on free ports of the loopback, each in a folder of its own.
