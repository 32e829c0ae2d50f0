//! Port-conformance suites.
