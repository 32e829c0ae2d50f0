//! Tests of the process: permutations of events against a world that carries out commands, and
//! named scenarios.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a wrong fixture fails its test"
)]

mod axes;
mod cancels;
mod cases;
mod connections;
mod corrections;
mod desk;
mod desk_context;
mod differences;
mod facts;
mod history;
mod hold;
mod late;
mod ownership;
mod permutations;
mod plan;
mod ports;
mod refunds;
mod release_id;
mod rest;
mod routing;
mod scenarios;
mod timeline;
mod told;
mod untold;
mod validate;
mod view;
mod world;
