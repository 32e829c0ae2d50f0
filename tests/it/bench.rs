//! The comparison of writers; a simulated Odoo plays the real.

use crate::real_odoo::odoo;
use clap::Parser;
use waybill_tests::bench::{Options, run};

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

#[tokio::test]
async fn every_mode_writes_orders_that_are_right_and_ours_needs_few_calls() {
    for version in [17, 19] {
        let access = odoo(version, |_| {}).await;
        let place = |name: &str| {
            let name = format!("waybill-bench-{name}-{version}-{}", std::process::id());
            std::env::temp_dir().join(name)
        };
        let (key, out) = (place("key"), place("out"));
        std::fs::write(&key, &access.key).unwrap();
        let line = [
            "bench".to_owned(),
            format!("--odoo={}", access.url),
            format!("--odoo-db={}", access.database),
            format!("--odoo-user={}", access.login),
            format!("--odoo-key-file={}", key.display()),
            format!("--out={}", out.display()),
            "--rounds=1".to_owned(),
            "--orders=20".to_owned(),
            "--only=b10".to_owned(),
            "--addresses".to_owned(),
        ];
        let options = Cli::try_parse_from(line).unwrap().options;
        assert!(run(&options).await.unwrap(), "Odoo {version}");
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
        let calls = |name: &str| {
            let modes = report["modes"].as_array().unwrap();
            let mode = modes.iter().find(|m| m["name"] == name).unwrap();
            mode["calls_per_order"]["median"].as_f64().unwrap()
        };
        assert_eq!(calls("a   8 calls an order"), 8.0);
        assert_eq!(calls("a2  5 calls an order"), 5.0);
        assert_eq!(calls("b10"), 0.4, "Odoo {version}");
        assert_eq!(report["written"]["orders"], report["written"]["right"]);
        for path in [key, out] {
            std::fs::remove_file(path).unwrap();
        }
    }
}
