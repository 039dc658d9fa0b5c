//! What a token endpoint is asked and what its answer means (RFC 6749 sections 4.4, 5 and 6).

use core::time::Duration;

use serde::Deserialize;

use crate::world::https::{PostAnswer, encoded};

/// Longer ones would not fit into AUTH (RFC 4954 section 4: 12,288 octets in Base64, the login with it).
const TOKEN_BYTES_MAX: usize = 8_000;
/// What an error of another host's may fill of a line, in characters.
const SAID_CHARACTERS_MAX: usize = 400;
/// Assumed of a token whose lifetime is not told, which RFC 6749 section 5.1 allows.
const LIFETIME_USUAL: Duration = Duration::from_secs(600);
/// The longest that a token is believed to last.
const LIFETIME_MAX: Duration = Duration::from_secs(86_400);

/// The two ways of asking for a token without a person.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant<'a> {
    /// As the application itself (RFC 6749 section 4.4).
    ClientCredentials,
    /// On behalf of who consented once (RFC 6749 section 6).
    RefreshToken(&'a str),
}

/// What an endpoint granted.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) token: String,
    pub(super) lifetime: Duration,
    /// The refresh token to use from now on, where it was exchanged.
    pub(super) refresh_token: Option<String>,
}

/// Why nothing was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denied {
    /// In words, without secrets.
    pub(super) said: String,
    /// When the endpoint wants to be asked again.
    pub(super) retry_after: Option<Duration>,
}

#[derive(Deserialize)]
struct Success {
    access_token: String,
    token_type: String,
    expires_in: Option<Seconds>,
    refresh_token: Option<String>,
}

/// Some endpoints write the number as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    error: String,
    error_description: String,
}

/// The body of the request, `application/x-www-form-urlencoded`. The client proves itself in it, as all large providers
/// take it (RFC 6749 section 2.3.1).
pub(super) fn form(grant: Grant<'_>, client_id: &str, client_secret: Option<&str>, scope: Option<&str>) -> String {
    let mut fields = match grant {
        Grant::ClientCredentials => vec![("grant_type", "client_credentials")],
        Grant::RefreshToken(token) => vec![("grant_type", "refresh_token"), ("refresh_token", token)],
    };
    fields.push(("client_id", client_id));
    fields.extend(client_secret.map(|secret| ("client_secret", secret)));
    fields.extend(scope.map(|scope| ("scope", scope)));
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    fields.join("&")
}

/// What an answer means. `secrets` are what was sent: an endpoint that repeats them in its error finds them taken out.
pub(super) fn read(answer: &PostAnswer, secrets: &[&str]) -> Result<Granted, Denied> {
    let denied = |said: String| Denied { said, retry_after: answer.retry_after };
    if answer.status != 200 {
        return Err(denied(refusal(answer, secrets)));
    }
    // Not in the parser's words, which might repeat a token.
    let success: Success = serde_json::from_slice(&answer.body)
        .map_err(|_| denied("it answered 200 without an access token and its type in JSON".to_owned()))?;
    if !success.token_type.eq_ignore_ascii_case("bearer") {
        return Err(denied(format!("it gave a token of the type {}", printable(&success.token_type))));
    }
    let usable = |token: &str| {
        !token.is_empty() && token.len() <= TOKEN_BYTES_MAX && token.bytes().all(|octet| octet.is_ascii_graphic())
    };
    if !usable(&success.access_token) {
        return Err(denied(format!("it gave a token that is empty, longer than {TOKEN_BYTES_MAX} octets or no ASCII")));
    }
    let seconds = success.expires_in.map(|seconds| match seconds {
        Seconds::Number(number) => number,
        Seconds::Text(text) => text.trim().parse().unwrap_or(LIFETIME_USUAL.as_secs_f64()),
    });
    let lifetime = seconds.map_or(LIFETIME_USUAL, |seconds| {
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LIFETIME_MAX).min(LIFETIME_MAX)
    });
    let refresh_token = success.refresh_token.filter(|token| !token.is_empty() && !token.contains(char::is_control));
    Ok(Granted { token: success.access_token, lifetime, refresh_token })
}

/// The words of a refusal: `invalid_client: AADSTS7000215: Invalid client secret provided. …`.
fn refusal(answer: &PostAnswer, secrets: &[&str]) -> String {
    let status = answer.status;
    if (300..400).contains(&status) {
        return format!("it answered {status}, and redirects are not followed");
    }
    let failure: Failure = serde_json::from_slice(&answer.body).unwrap_or_default();
    if failure.error.is_empty() {
        return format!("it answered {status}");
    }
    let mut said = failure.error;
    if !failure.error_description.is_empty() {
        said = format!("{said}: {}", failure.error_description);
    }
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        said = said.replace(secret, "…");
    }
    format!("it answered {status}, {}", printable(&said))
}

/// One bounded line of printable ASCII. The mark of what was taken out is three dots.
pub(crate) fn printable(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().take(SAID_CHARACTERS_MAX) {
        match character {
            '\u{20}'..='\u{7e}' => line.push(character),
            '…' => line.push_str("..."),
            // A description of several lines ends with numbers for the provider's support.
            '\r' | '\n' | '\t' => line.push(' '),
            _ => line.push('?'),
        }
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> PostAnswer {
        PostAnswer { status, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_form_has_every_field_encoded() {
        assert_eq!(
            form(Grant::ClientCredentials, "id", Some("a&b=c d+%"), Some("https://outlook.office365.com/.default")),
            "grant_type=client_credentials&client_id=id&client_secret=a%26b%3Dc%20d%2B%25&\
             scope=https%3A%2F%2Foutlook.office365.com%2F.default"
        );
        let refresh = form(Grant::RefreshToken("0.AX/y"), "id", None, None);
        assert_eq!(refresh, "grant_type=refresh_token&refresh_token=0.AX%2Fy&client_id=id");
    }

    #[test]
    fn a_granted_token_is_read_with_its_lifetime() {
        let of = |body: &str| read(&answer(200, body), &[]).map_err(|denied| denied.said).unwrap();
        let entra = of(r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ.a-b_c"}"#);
        assert_eq!((entra.token.as_str(), entra.lifetime.as_secs()), ("eyJ.a-b_c", 3599));
        let texts = of(r#"{"token_type":"bearer","expires_in":"60","access_token":"t","refresh_token":"next"}"#);
        assert_eq!((texts.lifetime.as_secs(), texts.refresh_token.as_deref()), (60, Some("next")));
        let untold = of(r#"{"token_type":"BEARER","access_token":"t"}"#);
        assert_eq!((untold.lifetime, untold.refresh_token), (LIFETIME_USUAL, None));
        for (number, lifetime) in [("1e300", LIFETIME_MAX), ("-5", Duration::ZERO), ("\"soon\"", LIFETIME_USUAL)] {
            let body = format!(r#"{{"token_type":"Bearer","access_token":"t","expires_in":{number}}}"#);
            assert_eq!(of(&body).lifetime, lifetime, "{number}");
        }
    }

    #[test]
    fn what_is_no_grant_is_told_in_words_without_secrets() {
        let of = |status, body: &str| read(&answer(status, body), &["hush", ""]).err().unwrap().said;
        assert_eq!(
            of(401, r#"{"error":"invalid_client","error_description":"AADSTS7000215: \"hush\"\r\nTrace: 1\u001b"}"#),
            "it answered 401, invalid_client: AADSTS7000215: \"...\"  Trace: 1?"
        );
        assert_eq!(of(400, "{\"error\":\"invalid_grant\"}"), "it answered 400, invalid_grant");
        assert_eq!(of(503, "<html>"), "it answered 503");
        assert_eq!(of(302, ""), "it answered 302, and redirects are not followed");
        for body in ["", "[]", "{}", "{\"access_token\":\"t\"}", "{\"access_token\":7,\"token_type\":\"Bearer\"}"] {
            assert!(of(200, body).contains("without an access token"), "{body}");
        }
        assert!(of(200, r#"{"token_type":"mac","access_token":"t"}"#).ends_with("of the type mac"));
        for token in [String::new(), "a b".to_owned(), "a\\u0001b".to_owned(), "x".repeat(TOKEN_BYTES_MAX + 1)] {
            let said = of(200, &format!(r#"{{"token_type":"Bearer","access_token":"{token}"}}"#));
            assert!(said.contains("a token that is empty"), "{said}");
        }
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(9_000));
        assert!(of(400, &long).len() < 500);
    }

    #[test]
    fn the_wish_to_be_left_alone_is_heard() {
        let busy = PostAnswer { retry_after: Some(Duration::from_secs(7)), ..answer(429, "{}") };
        assert_eq!(read(&busy, &[]).err().unwrap().retry_after, Some(Duration::from_secs(7)));
    }
}
