//! Cold start: see the library crate for the handler.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    Err("not wired yet".into())
}
