//! Tables and secrets: encrypted with the stack's key, restorable, ageing, indexed sparsely.

use serde_json::json;

use super::{assert_bites, assert_holds};
use crate::template::{Template, attribute_of, reference};

fn table_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for table in template.resources("AWS::DynamoDB::Table") {
        let mut expect = |holds: bool, fault: &str| {
            if !holds {
                faults.push(format!("{} {fault}", table.id));
            }
        };
        let sse = table.property("SSESpecification");
        expect(
            sse["SSEEnabled"] == true && reference(&sse["KMSMasterKeyId"]) == Some("DataKey"),
            "is not encrypted with the stack's key",
        );
        let recovery =
            &table.property("PointInTimeRecoverySpecification")["PointInTimeRecoveryEnabled"];
        expect(*recovery == true, "cannot be restored to a point in time");
        let ttl = table.property("TimeToLiveSpecification");
        expect(
            ttl["Enabled"] == true && ttl["AttributeName"] == "ttl_epoch_s",
            "does not age",
        );
        expect(
            table.property("BillingMode") == "PAY_PER_REQUEST",
            "is not on demand",
        );
        expect(
            table.body["DeletionPolicy"] == "Retain",
            "is deleted with the stack",
        );
        let keys = json!([
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ]);
        expect(
            *table.property("KeySchema") == keys,
            "has other keys than pk and sk",
        );
    }
    faults
}

#[test]
fn tables_are_encrypted_restorable_ageing_and_kept() {
    assert_holds(table_faults);
    let template = Template::of_the_project();
    assert_eq!(template.resources("AWS::DynamoDB::Table").count(), 2);
    let orders = "/Resources/OrdersTable";
    for (property, fault) in [
        ("Properties/SSESpecification", "not encrypted"),
        (
            "Properties/PointInTimeRecoverySpecification",
            "cannot be restored",
        ),
        ("Properties/TimeToLiveSpecification", "does not age"),
        ("Properties/BillingMode", "not on demand"),
        ("DeletionPolicy", "deleted with the stack"),
        ("Properties/KeySchema", "other keys"),
    ] {
        assert_bites(
            table_faults,
            &template.without(&format!("{orders}/{property}")),
            fault,
        );
    }
}

#[test]
fn open_cases_and_stage_deadlines_have_sparse_indexes() {
    let template = Template::of_the_project();
    let orders = template.resource("OrdersTable").unwrap();
    let indexes = orders
        .property("GlobalSecondaryIndexes")
        .as_array()
        .unwrap();
    let keys: Vec<(&str, &str, &str)> = indexes
        .iter()
        .map(|index| {
            let key = |at: usize| index["KeySchema"][at]["AttributeName"].as_str().unwrap();
            (index["IndexName"].as_str().unwrap(), key(0), key(1))
        })
        .collect();
    assert_eq!(
        keys,
        [
            ("cases", "case_shard", "case_sort"),
            ("stages", "stage_shard", "deadline_ms")
        ]
    );
    let attributes = orders.property("AttributeDefinitions").as_array().unwrap();
    let kind = |name: &str| {
        attributes
            .iter()
            .find(|a| a["AttributeName"] == name)
            .map(|a| a["AttributeType"].clone())
    };
    assert_eq!(kind("deadline_ms"), Some(json!("N")));
    assert_eq!(kind("case_sort"), Some(json!("S")));
}

#[test]
fn the_secret_of_ops_api_is_encrypted_and_admits_nobody_at_first() {
    let template = Template::of_the_project();
    let secret = template.resource("OpsApiSecret").unwrap();
    assert_eq!(
        attribute_of(secret.property("KmsKeyId"), "Arn"),
        Some("DataKey")
    );
    assert_eq!(secret.property("SecretString"), r#"{"tokens":[]}"#);
}
