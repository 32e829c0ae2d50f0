//! One test a target: first what fuzzers found before, then the brief run. Under `cargo xtask fuzz` the
//! fuzzer runs in the place of both.

use waybill_fuzz::brief;

macro_rules! targets {
    ($($module:ident { $($name:ident: $cases:literal,)* })*) => {$(
        mod $module {
            $(
                #[test]
                fn $name() {
                    bolero::check!()
                        .with_iterations(0)
                        .for_each(|input: &[u8]| waybill_fuzz::$module::$name(input));
                    super::brief::run($cases, waybill_fuzz::$module::$name);
                }
            )*
        }
    )*};
}

targets! {
    clients {
        canonical: 100,
        easypost: 100,
        odoo: 200,
        shipbob: 100,
        shopify: 250,
        store: 100,
        stripe: 100,
        zendesk: 100,
    }
    config {
        connections: 150,
        environment: 200,
        secrets: 500,
    }
    functions {
        breakers: 500,
        deliveries: 100,
        intake: 200,
        jobs: 100,
        ops: 250,
        queues: 150,
    }
    messages {
        batch: 300,
        delivery: 200,
    }
    model {
        command: 500,
        event: 800,
        ids: 500,
        money: 2000,
        records: 500,
        strict: 300,
        time: 1000,
    }
    verify {
        canonical: 400,
        easypost: 400,
        shipbob: 400,
        shopify: 400,
        stripe: 400,
        unsigned: 300,
        zendesk: 400,
    }
    webhooks {
        canonical: 400,
        easypost: 300,
        odoo: 20,
        shipbob: 400,
        shopify: 800,
        stripe: 400,
        zendesk: 300,
    }
}
