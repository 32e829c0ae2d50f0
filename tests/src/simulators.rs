//! The control API of the simulators.

use crate::Stop;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Where the simulators are: the file that they write when they listen.
#[derive(Debug, Clone, Deserialize)]
pub struct Simulators {
    /// Connection id → base URL.
    pub connections: BTreeMap<String, String>,
    /// Base URL of the control API.
    pub control: String,
    /// A client.
    #[serde(skip)]
    pub http: reqwest::Client,
}

impl Simulators {
    /// Reads the file.
    ///
    /// # Errors
    /// Not there, or not as expected.
    pub fn read(path: &Path) -> Result<Self, Stop> {
        let doing = || format!("reading `{}`", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| Stop::new(doing(), e))?;
        serde_json::from_str(&text).map_err(|e| Stop::new(doing(), e))
    }

    /// What is under a path of the control API.
    ///
    /// # Errors
    /// No answer, or not 2xx.
    pub async fn get(&self, path: &str) -> Result<Value, Stop> {
        let doing = || format!("asking the simulators `{path}`");
        let call = self.http.get(format!("{}/{path}", self.control));
        answer(call).await.map_err(|e| Stop::new(doing(), e))
    }

    /// Posts to a path of the control API.
    ///
    /// # Errors
    /// No answer, or not 2xx.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Stop> {
        let doing = || format!("telling the simulators `{path}`");
        let call = self
            .http
            .post(format!("{}/{path}", self.control))
            .json(body);
        answer(call).await.map_err(|e| Stop::new(doing(), e))
    }
}

async fn answer(call: reqwest::RequestBuilder) -> Result<Value, String> {
    let answer = call.send().await.map_err(|e| e.to_string())?;
    let status = answer.status();
    let text = answer.text().await.map_err(|e| e.to_string())?;
    if !status.is_success() {
        return Err(format!("{status} {text}"));
    }
    serde_json::from_str(&text).map_err(|e| e.to_string())
}
