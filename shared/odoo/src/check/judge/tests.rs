use super::*;

#[test]
fn http_dates_are_read() {
    let at = http_date("Mon, 23 Nov 2026 14:55:13 GMT").unwrap();
    assert_eq!(at.to_naive_utc(), "2026-11-23 14:55:13");
    assert_eq!(http_date("yesterday"), None);
}
