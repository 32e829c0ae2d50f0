//! The process: decide, stages, routing, validation rules and ports. Pure.
