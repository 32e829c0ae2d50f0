//! The connections files of all environments, embedded: the deployed binary cannot miss its file,
//! and a change of it is a change of the build that is reviewed and rolled back like code.

use crate::env::Stage;

/// Text of the environment's file.
#[must_use]
pub fn text(stage: Stage) -> &'static str {
    match stage {
        Stage::Local => include_str!("../../../infra/connections/local.toml"),
        Stage::Dev => include_str!("../../../infra/connections/dev.toml"),
        Stage::Staging => include_str!("../../../infra/connections/staging.toml"),
        Stage::Prod => include_str!("../../../infra/connections/prod.toml"),
    }
}

/// Where the environment's file is, in the repository.
#[must_use]
pub fn file_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Local => "infra/connections/local.toml",
        Stage::Dev => "infra/connections/dev.toml",
        Stage::Staging => "infra/connections/staging.toml",
        Stage::Prod => "infra/connections/prod.toml",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waybill_flow::connections::Connections;

    #[test]
    fn every_environment_has_a_file_without_faults() {
        for stage in [Stage::Local, Stage::Dev, Stage::Staging, Stage::Prod] {
            let read = Connections::parse(text(stage));
            assert!(read.is_ok(), "{}: {}", file_name(stage), read.unwrap_err());
        }
    }
}
