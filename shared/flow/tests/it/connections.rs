//! The connections file: what partners are, what is refused, and what a machine overrides.

use std::collections::BTreeMap;
use waybill_flow::connections::{Connections, ErpProtocol, Override, PartnerKind};
use waybill_model::id::ConnectionId;
use waybill_model::ownership::Role;
use waybill_testkit::build::connection;

fn rules() -> Connections {
    Connections::parse(crate::world::CONNECTIONS).unwrap()
}

/// Faults of the usual file with this replaced.
fn faults(from: &str, to: &str) -> Vec<String> {
    let file = crate::world::CONNECTIONS;
    assert!(file.contains(from), "{from}");
    match Connections::parse(&file.replacen(from, to, 1)) {
        Ok(_) => Vec::new(),
        Err(error) => error.faults,
    }
}

#[test]
fn a_partner_has_one_name_in_files_and_commands() {
    for kind in [
        PartnerKind::Shopify,
        PartnerKind::Stripe,
        PartnerKind::Shipbob,
        PartnerKind::Easypost,
        PartnerKind::Zendesk,
        PartnerKind::Canonical,
        PartnerKind::Odoo,
    ] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        let tells = matches!(kind, PartnerKind::Stripe | PartnerKind::Canonical);
        assert_eq!(kind.tells_payments(), tells, "{kind:?}");
    }
}

#[test]
fn a_connection_has_the_roles_of_its_partner_that_are_configured() {
    let rules = rules();
    let roles = |id: &str| {
        let all = [
            Role::Channel,
            Role::Gateway,
            Role::Warehouse,
            Role::Carrier,
            Role::Helpdesk,
            Role::Erp,
        ];
        let connection = rules.get(&connection(id)).unwrap();
        all.into_iter()
            .filter(|r| connection.has_role(*r))
            .collect::<Vec<_>>()
    };
    assert_eq!(roles("shop-main"), [Role::Channel]);
    assert_eq!(roles("stripe"), [Role::Gateway]);
    assert_eq!(roles("threepl"), [Role::Warehouse]);
    assert_eq!(roles("easypost"), [Role::Carrier]);
    assert_eq!(roles("zendesk"), [Role::Helpdesk]);
    assert_eq!(roles("odoo"), [Role::Erp]);
}

#[test]
fn what_a_file_leaves_out_has_its_documented_default() {
    let rules = rules();
    let erp = rules
        .get(&connection("odoo"))
        .unwrap()
        .erp
        .as_ref()
        .unwrap();
    assert_eq!(erp.external_id_prefix, "waybill");
    assert_eq!((erp.batch, erp.writers), (50, 2));
    assert!(erp.keep_order_date);
    let minutes = &rules
        .channel(&connection("shop-main"))
        .unwrap()
        .stage_minutes;
    let days = 24 * 60;
    assert_eq!((minutes.payment, minutes.ship), (3 * days, 3 * days));
    assert_eq!(
        (minutes.erp, minutes.release, minutes.credit_note),
        (15, 30, 60)
    );
}

#[test]
fn a_payments_journal_is_that_of_its_method_else_of_its_taker_else_the_default() {
    let file = crate::world::CONNECTIONS.replace(
        "{ default = \"account.1_bank\" }",
        "{ default = \"a.bank\", stripe = \"a.stripe\", card = \"a.card\" }",
    );
    let rules = Connections::parse(&file).unwrap();
    let erp = rules
        .get(&connection("odoo"))
        .unwrap()
        .erp
        .as_ref()
        .unwrap();
    let journal = |method, taker| erp.payment_journal(method, &connection(taker));
    assert_eq!(journal(Some("card"), "stripe"), Some("a.card"));
    assert_eq!(journal(Some("giro"), "stripe"), Some("a.stripe"));
    assert_eq!(journal(None, "stripe"), Some("a.stripe"));
    assert_eq!(journal(None, "shop-main"), Some("a.bank"));
}

#[test]
fn each_fault_of_a_connection_is_told_with_its_remedy() {
    let stripe = "base_url = \"https://api.stripe.com\"";
    let shop = "[connections.channel]\nerp = \"odoo\"";
    let threepl = "[connections.warehouse]\n";
    for (from, to, wanted) in [
        ("version = \"1\"", "version = \" \"", "`version` is missing"),
        (stripe, "base_url = \"api.stripe.com\"", "is no URL"),
        (
            stripe,
            "base_url = \"http://api.stripe.com\"",
            "is not encrypted",
        ),
        (
            stripe,
            "base_url = \"https://api.stripe.com/\"",
            "ends with `/`",
        ),
        (
            stripe,
            &format!("{stripe}\n[connections.helpdesk]"),
            "`stripe` cannot be a helpdesk",
        ),
        (
            "\n[connections.helpdesk]",
            "",
            "the `helpdesk` table is missing",
        ),
        (
            "id = \"stripe\"",
            "id = \"easypost\"",
            "`easypost` is there twice",
        ),
        (
            "id = \"stripe\"",
            "id = \"Stripe\"",
            "connection `Stripe`: ",
        ),
        ("id = \"stripe\"\n", "", "connection 4: "),
        (
            shop,
            "[connections.channel]\nerp = \"stripe\"",
            "`channel.erp` names `stripe`, which is no erp",
        ),
        (
            "gateway = \"stripe\"",
            "gateway = \"strip\"",
            "`channel.gateway` names `strip`, which is not in this file",
        ),
        (
            "gateway = \"stripe\"",
            "gateway = \"zendesk\"",
            "which is no gateway",
        ),
        (
            "tracker = \"easypost\"",
            "tracker = \"zendesk\"",
            "which is no carrier",
        ),
        (
            "helpdesk = \"zendesk\"",
            "helpdesk = \"stripe\"",
            "which is no helpdesk",
        ),
        (
            "warehouse = \"threepl\"",
            "warehouse = \"stripe\"",
            "`channel.routes.warehouse` names `stripe`",
        ),
        (
            threepl,
            &format!("{threepl}erp = \"stripe\"\n"),
            "`warehouse.erp` names `stripe`",
        ),
    ] {
        let faults = faults(from, to);
        assert!(
            faults.iter().any(|f| f.contains(wanted)),
            "{to}: {faults:#?}"
        );
    }
}

#[test]
fn limits_of_the_erp_are_inclusive() {
    let with = |line: &str| {
        let line = format!("shipping_sku = \"SHIPPING\"\n{line}");
        faults("shipping_sku = \"SHIPPING\"", &line)
    };
    for good in [
        "batch = 1",
        "batch = 100",
        "writers = 1",
        "writers = 20",
        "key_rotation_days = 1",
    ] {
        assert_eq!(with(good), Vec::<String>::new());
    }
    for (bad, field) in [
        ("batch = 0", "erp.batch"),
        ("batch = 101", "erp.batch"),
        ("writers = 0", "erp.writers"),
        ("writers = 21", "erp.writers"),
        ("key_rotation_days = 0", "erp.key_rotation_days"),
    ] {
        let faults = with(bad);
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(faults[0].contains(field), "{faults:#?}");
    }
}

#[test]
fn a_journal_is_an_external_id_of_a_module() {
    for wrong in ["bank", ".bank", "account."] {
        let faults = faults("account.1_bank", wrong);
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(
            faults[0].contains("external id of an account.journal"),
            "{faults:#?}"
        );
    }
}

#[test]
fn webhooks_come_encrypted_or_from_this_machine() {
    let with = |url: &str| {
        let shop = "partner = \"shopify\"\n";
        faults(shop, &format!("{shop}webhook_url = \"{url}\"\n")).len()
    };
    for good in [
        "https://waybill.example.com/w",
        "http://127.0.0.1:3000/w",
        "http://localhost/w",
        "http://[::1]:3000/w",
        "http://localhost",
    ] {
        assert_eq!(with(good), 0, "{good}");
    }
    for bad in ["http://waybill.example.com", "http://localhost.example.com"] {
        assert_eq!(with(bad), 1, "{bad}");
    }
}

#[test]
fn an_environment_has_at_most_500_connections() {
    let file = |count: usize| {
        let more: String = (6..count)
            .map(|n| {
                format!(
                    "[[connections]]\nid = \"s{n}\"\npartner = \"stripe\"\n\
                     base_url = \"https://api.stripe.com\"\n"
                )
            })
            .collect();
        Connections::parse(&format!("{}{more}", crate::world::CONNECTIONS))
    };
    assert_eq!(file(500).unwrap().iter().count(), 500);
    assert!(file(501).unwrap_err().faults[0].contains("more than 500"));
}

#[test]
fn a_machine_overrides_addresses_and_what_an_odoo_needs() {
    let parts = Override::Parts {
        base_url: "http://127.0.0.1:8069/".to_owned(),
        database: Some("test".to_owned()),
        login: None,
        protocol: Some(ErpProtocol::JsonRpc),
    };
    let overrides: BTreeMap<ConnectionId, Override> = [
        ("odoo", parts),
        ("stripe", Override::BaseUrl("http://127.0.0.1:1".to_owned())),
        (
            "unknown",
            Override::BaseUrl("http://127.0.0.1:2".to_owned()),
        ),
    ]
    .map(|(id, replacement)| (connection(id), replacement))
    .into();
    let rules = rules().with_overrides(&overrides);
    let url = |id: &str| rules.get(&connection(id)).unwrap().base_url.clone();
    assert_eq!(url("odoo"), "http://127.0.0.1:8069");
    assert_eq!(url("stripe"), "http://127.0.0.1:1");
    assert_eq!(url("zendesk"), "https://acme.zendesk.com");
    let erp = rules
        .get(&connection("odoo"))
        .unwrap()
        .erp
        .as_ref()
        .unwrap();
    assert_eq!(
        (erp.database.as_str(), erp.login.as_str()),
        ("test", "integration")
    );
    assert_eq!(erp.protocol, ErpProtocol::JsonRpc);
    assert_eq!(rules.iter().count(), 6);
}
