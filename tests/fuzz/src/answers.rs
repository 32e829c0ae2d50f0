//! Answers of partners, Odoo and DynamoDB to our calls: a server on loopback gives what is drawn.

use crate::draw::Draw;
use crate::mutate;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Calls that one piece of work may make, paged answers among them: far above what any needs.
const MOST_CALLS: usize = 400;
/// Statuses beside the usual 200.
const STATUSES: [u16; 14] = [
    201, 204, 301, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 299,
];

/// What may be answered to a call whose head or body holds the word.
pub(crate) struct Answers {
    /// Word and document; the empty word is in every call. Of several words in a call the last in this
    /// list counts.
    pub(crate) known: Vec<(&'static str, Value)>,
    /// Headers that go with answers now and then.
    pub(crate) headers: &'static [(&'static str, &'static str)],
}

/// Does `work`, to which a server is given whose answers are drawn.
///
/// # Panics
/// The work makes calls without end.
pub(crate) fn with_server<T, F: Future<Output = T>>(
    answers: &Answers,
    draw: &mut Draw<'_>,
    work: impl FnOnce(String) -> F,
) -> T {
    crate::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = AtomicUsize::new(0);
        let serving = async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let made = calls.fetch_add(1, Ordering::Relaxed);
                assert!(made < MOST_CALLS, "calls without end");
                serve(stream, answers, draw).await;
            }
        };
        tokio::select! {
            result = work(url) => result,
            () = serving => unreachable!("it serves until the work is done"),
        }
    })
}

/// Reads one request, answers it, closes. A client that hangs up early has its reasons.
async fn serve(mut stream: TcpStream, answers: &Answers, draw: &mut Draw<'_>) {
    let Some(request) = request(&mut stream).await else {
        return;
    };
    let mut words = answers.known.iter().map(|(word, _)| *word);
    let word = words.rfind(|word| !word.is_empty() && request.contains(word));
    let of_word = answers.known.iter().filter(|(w, _)| Some(*w) == word);
    let mut fitting: Vec<Value> = of_word.map(|(_, answer)| answer.clone()).collect();
    if fitting.is_empty() || draw.once_in(8) {
        fitting = answers
            .known
            .iter()
            .map(|(_, answer)| answer.clone())
            .collect();
    }
    let status = draw.once_in(5).then(|| *draw.of(&STATUSES));
    let changed = draw.once_in(3);
    let answer = draw.of(&fitting);
    // As faults of Odoo are told over JSON-2.
    let usual = if answer.get("debug").is_some() {
        422
    } else {
        200
    };
    let status = status.unwrap_or(usual);
    let body = match changed {
        true => mutate::document(std::slice::from_ref(answer), draw),
        false => answer.to_string().into_bytes(),
    };
    let mut head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n");
    if status != 204 {
        head += &format!("content-length: {}\r\n", body.len());
    }
    for (name, value) in answers.headers {
        if draw.once_in(4) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += "\r\n";
    // Now and then the answer is cut off.
    let sent = if draw.once_in(32) {
        body.len() / 2
    } else {
        body.len()
    };
    let written = stream.write_all(head.as_bytes()).await.is_ok()
        && (status == 204 || stream.write_all(&body[..sent]).await.is_ok());
    if written {
        stream.shutdown().await.unwrap_or_default();
    }
}

/// Head and body of a request, as text.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0_u8; 8192];
        let read = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let named = name.eq_ignore_ascii_case("content-length");
            named.then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}
