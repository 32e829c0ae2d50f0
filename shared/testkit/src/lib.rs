//! Fakes, seeded worlds and fixtures for tests.
