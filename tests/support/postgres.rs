//! A real PostgreSQL of the tests, a fresh database for each test.
