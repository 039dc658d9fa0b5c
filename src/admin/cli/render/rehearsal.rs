//! Scripts of faults and captured messages as text.

use super::Page;
use crate::admin::cli::output::{size, table};
use crate::admin::office::rehearsal::whom;
use crate::admin::office::{CapturedView, FaultView, Response};
use crate::model::faults::Struck;

/// An answer about a rehearsal.
pub(super) fn answer(page: &mut Page, response: &Response) {
    match response {
        Response::Faults { rules, strikes } => rules_of(page, rules, *strikes),
        Response::Strikes { strikes, total } => log(page, strikes, *total),
        Response::Captured { total, messages } => captured(page, *total, messages),
        Response::CapturedMessage(view) => page.block(&content(view)),
        _ => {}
    }
}

fn rules_of(page: &mut Page, rules: &[FaultView], strikes: u64) {
    if rules.is_empty() {
        return page.line(&format!("There is no rule; {strikes} faults have struck so far."));
    }
    let row = |own: &FaultView| {
        let mut when: Vec<String> = own.when.iter().map(|(key, value)| format!("{key}={value}")).collect();
        when.extend((own.skip > 0).then(|| format!("skip={}", own.skip)));
        when.extend((own.every > 1).then(|| format!("every={}", own.every)));
        let of = own.times.map(|times| format!(" of {times}")).unwrap_or_default();
        let slow = (own.delay_milliseconds > 0).then(|| format!("delay {} ms", own.delay_milliseconds));
        let trickle = own.trickle_milliseconds.map(|pause| format!("trickle {pause} ms"));
        let what = [Some(own.deed.clone()).filter(|deed| deed != "slow"), slow, trickle];
        let mut what: Vec<String> = what.into_iter().flatten().collect();
        what.extend(Some(own.detail.clone()).filter(|detail| !detail.is_empty()));
        vec![
            own.name.clone(),
            own.step.clone(),
            format!("{}{of}", own.struck),
            own.matched.to_string(),
            when.join(" "),
            what.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = rules.iter().map(row).collect();
    page.block(&table(&["RULE", "STEP", "STRUCK", "MATCHED", "WHEN", "WHAT"], &rows));
}

fn log(page: &mut Page, strikes: &[Struck], total: u64) {
    if strikes.is_empty() {
        return page.line(&format!("Nothing to show; {total} faults have struck so far."));
    }
    let row = |own: &Struck| {
        let session = own.session.map(|session| session.to_string()).unwrap_or_default();
        vec![
            own.number.to_string(),
            own.at.to_string(),
            own.rule.clone(),
            own.step.name().to_owned(),
            own.deed.clone(),
            session,
            whom(own),
        ]
    };
    let rows: Vec<Vec<String>> = strikes.iter().map(row).collect();
    page.block(&table(&["NUMBER", "AT", "RULE", "STEP", "DEED", "SESSION", "WHO"], &rows));
}

fn captured(page: &mut Page, total: u64, messages: &[CapturedView]) {
    if messages.is_empty() {
        return page.line("No such message has come in.");
    }
    let row = |own: &CapturedView| {
        vec![
            own.number.to_string(),
            own.at.to_string(),
            own.sender.clone(),
            own.recipients.join(" "),
            size(own.bytes),
            own.header("Subject").unwrap_or_default().to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = messages.iter().map(row).collect();
    page.block(&table(&["NUMBER", "AT", "SENDER", "RECIPIENTS", "SIZE", "SUBJECT"], &rows));
    if (messages.len() as u64) < total {
        page.line(&format!("{} of {total} are shown.", messages.len()));
    }
}

/// The envelope, then the message line by line.
fn content(view: &CapturedView) -> String {
    let mut page = Page::default();
    page.line(&format!("MAIL FROM:<{}>", view.sender.trim_matches(['<', '>'])));
    for recipient in &view.recipients {
        page.line(&format!("RCPT TO:<{recipient}>"));
    }
    page.block("\n");
    view.content.as_deref().unwrap_or_default().lines().for_each(|line| page.line(&line.replace('\t', "    ")));
    if view.truncated {
        page.line("… (the rest is not remembered)");
    }
    page.0
}
