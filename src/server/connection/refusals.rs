//! Refusals in the log, since they are what an administrator is asked about. They are our own words and hold no
//! secrets.
//!
//! What is spoken in one breath is told when it is spoken. Replies that are the same and follow each other there, such
//! as those to a list of addresses that nobody has, are one line, which says how many they were. How many one client
//! can earn is bounded by the session.

use crate::server::visible::Visible;

/// Says which of these replies refuse.
pub(super) fn log_refusals(replies: &[u8]) {
    for (reply, times) in runs(replies) {
        let reply = String::from_utf8_lossy(reply);
        let reply = Visible(reply.trim_end());
        match times {
            1 => tracing::info!(%reply, "refused"),
            times => tracing::info!(%reply, times, "refused"),
        }
    }
}

/// The lines that refuse, and how often each stands there without another reply between.
fn runs(replies: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    let mut rest = replies;
    core::iter::from_fn(move || {
        loop {
            let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |place| place + 1);
            let line = rest.get(..length).filter(|line| !line.is_empty())?;
            let mut times = 0;
            while let Some(after) = rest.strip_prefix(line) {
                (rest, times) = (after, times + 1);
            }
            if matches!(line.first(), Some(b'4' | b'5')) {
                return Some((line, times));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(replies: &str) -> Vec<(String, u64)> {
        runs(replies.as_bytes()).map(|(line, times)| (String::from_utf8_lossy(line).trim_end().into(), times)).collect()
    }

    fn line(text: &str, times: u64) -> (String, u64) {
        (text.to_owned(), times)
    }

    #[test]
    fn the_same_reply_again_and_again_is_told_once_with_its_number() {
        let codes = ["250 ok", "550 a", "550 a", "550 b", "550 a", "250 ok", "550 a", "451 c", "451 c", "451 c"];
        let replies = codes.map(|reply| format!("{reply}\r\n")).concat();
        let expected = [line("550 a", 2), line("550 b", 1), line("550 a", 1), line("550 a", 1), line("451 c", 3)];
        assert_eq!(told(&replies), expected);
        assert_eq!(told("250 ok\r\n354 go on\r\n"), []);
        assert_eq!(told(""), []);
    }

    #[test]
    fn nothing_is_lost_of_what_refuses() {
        let replies = ["250 ok", "550 a", "550 a", "554-long", "554 text", "421 bye", "421 bye"];
        // Whatever is left out, as many are told as there are.
        for chosen in 0..1_u32 << replies.len() {
            let chosen = replies.iter().enumerate().filter(|(place, _)| chosen >> place & 1 == 1);
            let text: String = chosen.map(|(_, reply)| format!("{reply}\r\n")).collect();
            let refusing = text.lines().filter(|line| !line.starts_with('2')).count() as u64;
            assert_eq!(told(&text).iter().map(|(_, times)| times).sum::<u64>(), refusing, "{text}");
        }
    }
}
