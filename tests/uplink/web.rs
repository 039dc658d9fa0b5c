//! The provider's web server: its token endpoint, and Graph.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};

use super::provider::{CLIENT, Facts, GRAPH_PATH, Mail, SCOPE, SECRET, TOKEN_PATH};
use crate::support::http::{Request, read};

pub(super) async fn serve(
    mut stream: BufStream<impl AsyncRead + AsyncWrite + Unpin>,
    facts: &Mutex<Facts>,
) -> io::Result<()> {
    let request = read(&mut stream).await?;
    let (status, body) = {
        let mut facts = facts.lock().unwrap();
        let mailbox = request.path.strip_prefix(GRAPH_PATH).and_then(|rest| rest.strip_suffix("/sendMail"));
        match (request.path.as_str(), mailbox) {
            _ if request.method != "POST" => {
                facts.wrong.push(format!("{} {}", request.method, request.path));
                ("405 Method Not Allowed".to_owned(), String::new())
            }
            (TOKEN_PATH, _) => token(&mut facts, &request),
            (_, Some(mailbox)) => graph(&mut facts, &request, mailbox),
            (_, None) => {
                facts.wrong.push(format!("asked for {}", request.path));
                ("404 Not Found".to_owned(), String::new())
            }
        }
    };
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// `application/x-www-form-urlencoded`, as the URL standard reads it.
fn form(body: &[u8]) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let (mut octets, mut rest) = (Vec::new(), text.bytes());
        while let Some(octet) = rest.next() {
            octets.push(match octet {
                b'+' => b' ',
                b'%' => {
                    let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                    u8::from_str_radix(core::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            });
        }
        String::from_utf8(octets).unwrap()
    };
    let text = String::from_utf8(body.to_vec()).unwrap();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decoded(key), decoded(value))).collect()
}

fn token(facts: &mut Facts, request: &Request) -> (String, String) {
    let kind = request.fields.get("content-type").map(String::as_str);
    if kind != Some("application/x-www-form-urlencoded") || request.fields.contains_key("authorization") {
        facts.wrong.push(format!("the token endpoint got {:?}", request.fields));
    }
    let form = form(&request.body);
    facts.asked.push(form.clone());
    if let Some(answer) = facts.answers.pop_front() {
        return answer;
    }
    let refused = |error: &str, why: &str| {
        let body = format!(r#"{{"error":"{error}","error_description":"{why}"}}"#);
        ("401 Unauthorized\r\nContent-Type: application/json".to_owned(), body)
    };
    let is = |key: &str, value: &str| form.get(key).is_some_and(|own| own == value);
    if !is("client_id", CLIENT) || !is("client_secret", SECRET) || !is("scope", SCOPE) {
        let said = form.get("client_secret").cloned().unwrap_or_default();
        return refused("invalid_client", &format!("AADSTS7000215: Invalid client secret provided: {said}"));
    }
    let next = match &facts.refresh_token {
        None if is("grant_type", "client_credentials") && form.len() == 4 => String::new(),
        Some(good) if is("grant_type", "refresh_token") && is("refresh_token", good) && form.len() == 5 => {
            let next = format!("{good}+");
            facts.refresh_token = Some(next.clone());
            format!(r#","refresh_token":"{next}""#)
        }
        Some(_) if is("grant_type", "refresh_token") => return refused("invalid_grant", "AADSTS70000: used up"),
        Some(_) | None => return refused("invalid_request", "AADSTS900144: a field is missing or too many"),
    };
    let (token, lifetime) = (facts.grant(), facts.lifetime);
    let body = format!(r#"{{"token_type":"Bearer","expires_in":{lifetime},"access_token":"{token}"{next}}}"#);
    ("200 OK\r\nContent-Type: application/json; charset=utf-8".to_owned(), body)
}

fn graph(facts: &mut Facts, request: &Request, mailbox: &str) -> (String, String) {
    facts.posts += 1;
    let bearer =
        request.fields.get("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if !facts.good.contains(bearer) {
        let body = r#"{"error":{"code":"InvalidAuthenticationToken","message":"Lifetime validation failed"}}"#;
        return ("401 Unauthorized\r\nContent-Type: application/json".to_owned(), body.to_owned());
    }
    if let Some(answer) = facts.graph_answers.pop_front() {
        return answer;
    }
    let content = BASE64_STANDARD.decode(&request.body).ok().and_then(|octets| String::from_utf8(octets).ok());
    let kind = request.fields.get("content-type").map(String::as_str);
    let (Some(content), Some("text/plain")) = (content, kind) else {
        facts.wrong.push(format!("Graph got {kind:?}"));
        return ("400 Bad Request".to_owned(), String::new());
    };
    // Graph delivers to whom the header names.
    let head = content.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
    let named = head.lines().filter_map(|line| line.split_once(": "));
    let named = named.filter(|(name, _)| ["To", "Cc", "Bcc"].contains(name)).flat_map(|(_, value)| value.split(','));
    let to = named.map(|one| one.trim().trim_matches(['<', '>']).to_owned()).collect();
    let (login, from) = (Some((mailbox.replace("%40", "@"), "GRAPH".to_owned())), String::new());
    facts.mail.push(Mail { login, certificate: false, from, to, content });
    ("202 Accepted".to_owned(), String::new())
}
