//! System tests: template facts, contracts, end to end on the local AWS.
