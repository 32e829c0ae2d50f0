//! One module per partner: verify, wire, map, client, error.
