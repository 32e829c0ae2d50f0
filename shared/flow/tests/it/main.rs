//! Tests of the process: permutations of events against a world that carries out commands, and
//! named scenarios.

mod permutations;
mod scenarios;
mod world;
