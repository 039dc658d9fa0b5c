//! Answers as text for people. Programs get the JSON form of the same values.

mod address_policies;
mod certificates;
mod contents;
mod devices;
mod lives;
mod mailbox;
mod moderation;
mod rehearsal;
mod trace;

use std::collections::HashSet;

use super::output::{size, table, visible};
use crate::admin::backup::{BackupReport, RestoreReport, VerifyReport};
use crate::admin::check::{CheckReport, Verdict};
use crate::admin::explain::{Explanation, RuleView, SignInExplanation};
use crate::admin::init::InitReport;
use crate::admin::office::{
    AuthenticationPolicyView, Failure, ImportReport, MailboxView, PermissionView, QueueDestination, QueueDetail,
    QueueSummary, RecipientSummary, RecipientView, Response, Secret, SuspendedSender,
};
use crate::model::directory::document::{DomainEntry, RemoteDomainEntry};

/// Text that is put together line by line, each made visible.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(&visible(text));
        self.0.push('\n');
    }

    fn block(&mut self, text: &str) {
        self.0.push_str(text);
    }
}

/// An answer of the office.
pub(super) fn response(response: &Response) -> String {
    let mut page = Page::default();
    match response {
        Response::Alive { version, .. } => page.line(&format!("franking {version} is running.")),
        Response::Done { message, notes, password } => done(&mut page, message, notes, password.as_ref()),
        Response::Recipient(view) => recipient(&mut page, view),
        Response::Recipients { total, recipients } => {
            summaries(&mut page, recipients);
            if recipients.len() < *total {
                page.line(&format!("{} of {total} are shown; --limit 0 shows all.", recipients.len()));
            }
        }
        Response::Permissions { recipient, granted, held } => permissions(&mut page, recipient, granted, held),
        Response::Domains { domains } => page.block(&self::domains(domains)),
        Response::RemoteDomains { remote_domains } => page.block(&self::remote_domains(remote_domains)),
        Response::AuthenticationPolicies { policies } => page.block(&authentication_policies(policies)),
        Response::AddressPolicies { policies, notes } => address_policies::list(&mut page, policies, notes),
        Response::AppliedPolicies(report) => address_policies::applied(&mut page, report),
        Response::ForwardingAudit(audit) => audit.ways.iter().for_each(|way| page.line(&super::audit::line(way))),
        Response::ChangeAudit(audit) => {
            audit.alterations.iter().for_each(|altered| page.block(&super::audit::changes::paragraph(altered)));
        }
        Response::Organisation(entry) => page.block(&fields(entry)),
        Response::Members { group, members } => {
            page.line(&format!("{group}: {} members", members.len()));
            summaries(&mut page, members);
        }
        Response::MembershipRequests { group, members } => {
            page.line(&format!("{group}: {} ask to join", members.len()));
            summaries(&mut page, members);
        }
        Response::Devices { devices } => devices::list(&mut page, devices),
        Response::Lockouts { lockouts, networks } => devices::lockouts(&mut page, lockouts, networks),
        Response::ScramUnready { secrets, total } => devices::unready(&mut page, secrets, *total),
        Response::Restrictions { restrictions } => devices::restrictions(&mut page, restrictions),
        Response::Limits(view) => mailbox::limits(&mut page, view),
        Response::Mailboxes { mailboxes } => mailbox::list(&mut page, mailboxes),
        Response::Recounted { counted, mailboxes } => recounted(&mut page, *counted, mailboxes),
        Response::Copied(_)
        | Response::Recoverable(_)
        | Response::RecoverableMessage(_)
        | Response::RecoverableExported(_)
        | Response::AccessAudit(_) => contents::answer(&mut page, response),
        Response::Lives { .. }
        | Response::Doubts { .. }
        | Response::Holds { .. }
        | Response::LicencePlans { .. }
        | Response::LifecycleTable { .. } => lives::answer(&mut page, response),
        Response::Certificates(_) | Response::SrsKeys(_) => certificates::answer(&mut page, response),
        Response::Imported(report) => imported(&mut page, report),
        Response::Directory { document } => page.block(&fields(document)),
        Response::Queue { total, messages } => queue(&mut page, *total, messages),
        Response::QueueMessage(detail) => message(&mut page, detail),
        Response::QueueObeyed { message, .. } => page.line(message),
        Response::QueueDestinations { destinations, suspended_senders } => {
            self::destinations(&mut page, destinations, suspended_senders);
        }
        Response::Moderations { total, waiting } => moderation::list(&mut page, *total, waiting),
        Response::Moderation(view) => moderation::one(&mut page, view),
        Response::Trace(found) => trace::list(&mut page, found),
        Response::TraceMessage(history) => trace::message(&mut page, history),
        Response::Explanation(explanation) => explained(&mut page, explanation),
        Response::SignIn(explanation) => sign_in(&mut page, explanation),
        Response::Faults { .. }
        | Response::Strikes { .. }
        | Response::Captured { .. }
        | Response::CapturedMessage(_) => rehearsal::answer(&mut page, response),
        Response::BackedUp(report) => backed_up(&mut page, report),
        Response::Failed(failure) => return self::failure(failure),
    }
    page.0
}

fn recounted(page: &mut Page, counted: u64, mailboxes: &[MailboxView]) {
    if !mailboxes.is_empty() {
        mailbox::list(page, mailboxes);
    }
    let others = mailboxes.iter().filter(|view| view.was.is_some()).count();
    page.line(&format!("{counted} mailboxes were counted; of {others} something else was known."));
}

fn done(page: &mut Page, message: &str, notes: &[String], password: Option<&Secret>) {
    page.line(message);
    notes.iter().for_each(|note| page.line(&format!("note: {note}")));
    if let Some(password) = password {
        page.line(&format!("password: {}", password.reveal()));
        page.line("It is shown only now; nobody can look it up later.");
    }
}

fn backed_up(page: &mut Page, report: &BackupReport) {
    let (files, bytes) = (report.files, size(report.bytes));
    page.line(&format!("Backed up {files} files, {bytes}, to {}.", report.directory.display()));
    page.line(&format!("It holds {} recipients as of {}.", report.recipients, report.taken_at));
    page.line(&format!("Prove it: franking verify {}", report.directory.display()));
}

/// What went wrong and what to do.
pub(super) fn failure(failure: &Failure) -> String {
    let mut page = Page::default();
    page.line(&format!("franking: {}", failure.message));
    failure.cures.iter().for_each(|cure| page.line(&format!("  try: {cure}")));
    page.0
}

/// Fields and their values, as TOML: `name = "value"`.
fn fields(value: &impl serde::Serialize) -> String {
    let text = toml::to_string(value).unwrap_or_default();
    text.lines().map(|line| format!("{}\n", visible(line))).collect()
}

fn recipient(page: &mut Page, view: &RecipientView) {
    page.block(&fields(&view.properties));
    let yes = |value: bool| if value { "yes" } else { "no" };
    page.line("");
    page.line(&format!("mailbox: {}", if view.state.is_empty() { "none" } else { &view.state }));
    lives::halves(page, view);
    if let Some(maildir) = &view.maildir {
        page.line(&format!("maildir: {maildir}, in the data directory"));
    }
    if let Some(mailbox) = &view.mailbox {
        mailbox::line(page, mailbox);
    }
    page.line(&format!("password set: {}", yes(view.has_password)));
    page.line(&format!("may submit: {}", yes(view.may_submit)));
    if let Some(reply) = &view.refused_with {
        page.line(&format!("  AUTH would get: {reply}"));
        page.line(&format!("  why: franking explain --as {}", view.properties.address));
    }
    if !view.automapping.is_empty() {
        page.line(&format!("Outlook opens it by itself for: {}", view.automapping.join(", ")));
    }
    if !view.automapped_mailboxes.is_empty() {
        page.line(&format!("Outlook opens by itself: {}", view.automapped_mailboxes.join(", ")));
    }
    if let Some(policy) = &view.address_policy {
        page.line(&format!("its addresses are by the email address policy: {policy}"));
    }
    if !view.member_of.is_empty() {
        page.line(&format!("member of: {}", view.member_of.join(", ")));
    }
}

fn domains(domains: &[DomainEntry]) -> String {
    let row = |domain: &DomainEntry| {
        let kind = domain.domain_type.unwrap_or_default();
        let marks = [
            domain.default.unwrap_or(false).then_some("default"),
            domain.match_subdomains.unwrap_or(false).then_some("with subdomains"),
            domain.outbound_only.unwrap_or(false).then_some("outbound only"),
            domain.sending_from_disabled.unwrap_or(false).then_some("nobody sends from it"),
            domain.sending_to_disabled.unwrap_or(false).then_some("nobody sends to it"),
        ];
        let marks: Vec<&str> = marks.into_iter().flatten().collect();
        let next = domain.next_host.as_deref().unwrap_or_default().to_owned();
        vec![domain.domain.to_string(), format!("{kind:?}"), marks.join(", "), next]
    };
    let rows: Vec<Vec<String>> = domains.iter().map(row).collect();
    table(&["DOMAIN", "TYPE", "MARKS", "NEXT HOST"], &rows)
}

fn remote_domains(entries: &[RemoteDomainEntry]) -> String {
    let on = |value: Option<bool>| if value.unwrap_or(true) { "on" } else { "off" }.to_owned();
    let row = |entry: &RemoteDomainEntry| {
        vec![
            entry.domain.to_string(),
            on(entry.auto_forward_enabled),
            entry.allowed_oof_type.unwrap_or_default().to_string(),
            on(entry.auto_reply_enabled),
            on(entry.ndr_enabled),
            on(entry.delivery_report_enabled),
        ]
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    table(&["DOMAIN", "AUTO FORWARD", "OUT OF OFFICE", "AUTO REPLY", "NDR", "DELIVERY REPORT"], &rows)
}

fn authentication_policies(policies: &[AuthenticationPolicyView]) -> String {
    let row = |own: &AuthenticationPolicyView| {
        let passwords = if own.allow_basic_auth_smtp { "permitted" } else { "forbidden" };
        let default = if own.default { "default" } else { "" };
        vec![own.name.clone(), passwords.to_owned(), own.accounts.to_string(), default.to_owned()]
    };
    let rows: Vec<Vec<String>> = policies.iter().map(row).collect();
    table(&["NAME", "PASSWORDS FOR SMTP", "ACCOUNTS", "MARKS"], &rows)
}

fn summaries(page: &mut Page, recipients: &[RecipientSummary]) {
    let rows: Vec<Vec<String>> = recipients
        .iter()
        .map(|own| {
            let licence = if own.licensed { "yes" } else { "" };
            let kind = own.recipient_type.to_string();
            vec![own.address.clone(), kind, own.state.clone(), licence.to_owned(), own.name.clone()]
        })
        .collect();
    page.block(&table(&["ADDRESS", "TYPE", "MAILBOX", "LICENCE", "NAME"], &rows));
}

fn permissions(page: &mut Page, recipient: &str, granted: &[PermissionView], held: &[PermissionView]) {
    let row = |view: &PermissionView, who: &str| {
        let kind = match (view.deny, view.automapping) {
            (true, _) => "denied",
            (false, Some(true)) => "granted, opens by itself",
            (false, Some(false) | None) => "granted",
        };
        vec![view.right.to_string(), kind.to_owned(), who.to_owned()]
    };
    page.line(&format!("On {recipient}:"));
    let rows: Vec<_> =
        granted.iter().map(|view| row(view, &format!("{} ({})", view.trustee, view.trustee_type))).collect();
    page.block(&table(&["RIGHT", "", "HELD BY"], &rows));
    page.line(&format!("Held by {recipient}:"));
    let rows: Vec<_> = held.iter().map(|view| row(view, &view.owner)).collect();
    page.block(&table(&["RIGHT", "", "ON"], &rows));
}

fn imported(page: &mut Page, report: &ImportReport) {
    let verb = match (report.dry_run, report.applied) {
        (true, _) => "Would be",
        (false, true) => "Done:",
        (false, false) => "Nothing was changed. Would be",
    };
    page.line(&format!(
        "{verb} {} created, {} updated, {} as they were, {} refused.",
        report.created,
        report.updated,
        report.unchanged,
        report.rejected.len()
    ));
    for (word, rows) in [("refused", &report.rejected), ("left out", &report.notes)] {
        for row in rows {
            let about = if row.address.is_empty() { String::new() } else { format!(" ({})", row.address) };
            page.line(&format!("  {word}: {}{about}: {}", row.place, row.reason));
        }
    }
    report.warnings.iter().for_each(|warning| page.line(&format!("warning: {warning}")));
}

fn queue(page: &mut Page, total: usize, messages: &[QueueSummary]) {
    if total == 0 {
        return page.line("The queue is empty.");
    }
    let rows: Vec<Vec<String>> = messages
        .iter()
        .map(|own| {
            let from = if own.from.is_empty() { "<>".to_owned() } else { own.from.clone() };
            let waiting = format!("{}/{}", own.waiting, own.recipients);
            let next = own.next_attempt.clone().unwrap_or_default();
            let answer = own.last_answer.clone().unwrap_or_default();
            vec![own.id.clone(), own.accepted_at.clone(), size(own.bytes), waiting, from, next, answer]
        })
        .collect();
    page.block(&table(&["ID", "ACCEPTED", "SIZE", "WAITING", "FROM", "NEXT ATTEMPT", "LAST ANSWER"], &rows));
    if messages.len() < total {
        page.line(&format!("{} of {total} are shown; --limit 0 shows all.", messages.len()));
        if let Some(last) = messages.last() {
            page.line(&format!("The next ones: --after {}", last.id));
        }
    }
}

fn destinations(page: &mut Page, destinations: &[QueueDestination], senders: &[SuspendedSender]) {
    if destinations.is_empty() {
        page.line("Nothing waits for another system.");
    } else {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let row = |own: &QueueDestination| {
            let counts = [own.recipients.to_string(), own.held.to_string()];
            let words = [text(&own.next_attempt), text(&own.reason), text(&own.last_answer)];
            [own.name.clone(), own.state.clone()].into_iter().chain(counts).chain(words).collect()
        };
        let rows: Vec<Vec<String>> = destinations.iter().map(row).collect();
        let heading = ["DESTINATION", "STATE", "RECIPIENTS", "HELD", "NEXT ATTEMPT", "REASON", "LAST ANSWER"];
        page.block(&table(&heading, &rows));
    }
    if !senders.is_empty() {
        page.line("");
        let row = |own: &SuspendedSender| vec![own.sender.clone(), own.since.clone(), own.reason.clone()];
        let rows: Vec<Vec<String>> = senders.iter().map(row).collect();
        page.block(&table(&["SUSPENDED SENDER", "SINCE", "REASON"], &rows));
    }
}

fn message(page: &mut Page, detail: &QueueDetail) {
    queue(page, 1, core::slice::from_ref(&detail.summary));
    let rows: Vec<Vec<String>> = detail
        .recipients
        .iter()
        .map(|own| {
            let next = own.next_attempt.clone().unwrap_or_default();
            let answer = own.last_answer.clone().unwrap_or_default();
            let attempts = own.attempts.to_string();
            vec![own.address.clone(), own.destination.clone(), own.state.clone(), attempts, next, answer]
        })
        .collect();
    page.line("");
    page.block(&table(&["RECIPIENT", "DESTINATION", "STATE", "ATTEMPTS", "NEXT ATTEMPT", "LAST ANSWER"], &rows));
    if !detail.attempts.is_empty() {
        page.line("");
        trace::events(page, &detail.attempts);
    }
}

fn explained(page: &mut Page, explanation: &Explanation) {
    let mut told: HashSet<(&str, bool, &str)> = HashSet::new();
    for step in &explanation.steps {
        page.line(&step.command);
        // Each command asks anew, often the same: what was told is not told again, so that what is new is seen.
        let fresh: Vec<&RuleView> =
            step.rules.iter().filter(|rule| told.insert((&rule.question, rule.held, &rule.detail))).collect();
        let repeated = fresh.is_empty() && !step.rules.is_empty();
        let shown = if step.reply.is_some() && !repeated { step.rules.iter().collect() } else { fresh };
        if repeated {
            page.line("    as above");
        }
        for rule in shown {
            // Not a tick and a cross: that a rule does not hold is good news as often as bad.
            let mark = if rule.held { "yes" } else { "no " };
            let detail = if rule.detail.is_empty() { String::new() } else { format!(": {}", rule.detail) };
            page.line(&format!("    {mark} {}{detail}", rule.question));
        }
        step.outcome.iter().for_each(|outcome| page.line(&format!("  → {outcome}")));
        match &step.reply {
            Some(reply) => page.line(&format!("  {} {reply}", if step.accepted { '✓' } else { '✗' })),
            None if step.accepted => {}
            None => page.line("  ✗ refused"),
        }
        step.cures.iter().for_each(|cure| page.line(&format!("  try: {cure}")));
    }
    page.line(if explanation.accepted { "The server accepts." } else { "The server refuses." });
}

fn sign_in(page: &mut Page, explanation: &SignInExplanation) {
    page.line(&explanation.question);
    if let Some(account) = &explanation.account {
        page.line(&format!("    the account of {account}"));
    }
    for rule in &explanation.rules {
        let mark = if rule.held { "yes" } else { "no " };
        let detail = if rule.detail.is_empty() { String::new() } else { format!(": {}", rule.detail) };
        page.line(&format!("    {mark} {}{detail}", rule.question));
    }
    page.line(&format!("  → {}", explanation.decided_by));
    page.line(&format!("  {} {}", if explanation.accepted { '✓' } else { '✗' }, explanation.reply));
    explanation.cures.iter().for_each(|cure| page.line(&format!("  try: {cure}")));
}

/// What `init` made.
pub(super) fn init(report: &InitReport) -> String {
    let mut page = Page::default();
    page.line(&format!("Configuration: {}", report.configuration.display()));
    page.line(&format!("Data: {}", report.data.display()));
    page.line(&format!("Administrator: {}", report.administrator));
    if let Some(password) = &report.password {
        page.line(&format!("Password: {}", password.reveal()));
        page.line("It is shown only now; nobody can look it up later.");
    }
    page.line("");
    page.line("Set these DNS records:");
    let rows: Vec<Vec<String>> = report
        .records
        .iter()
        .map(|own| vec![own.name.clone(), own.kind.clone(), own.value.clone(), own.purpose.clone()])
        .collect();
    page.block(&table(&["NAME", "TYPE", "VALUE", "PURPOSE"], &rows));
    page.line("");
    report.notes.iter().for_each(|note| page.line(note));
    page.0
}

/// What `check` found.
pub(super) fn check(report: &CheckReport) -> String {
    let mut page = Page::default();
    for finding in &report.findings {
        let mark = match finding.verdict {
            Verdict::Ok => "OK  ",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        page.line(&format!("{mark}  {}: {}", finding.subject, finding.detail));
        if !finding.cure.is_empty() {
            page.line(&format!("      {}", finding.cure));
        }
    }
    page.0
}

/// What `verify` found.
pub(super) fn verify(report: &VerifyReport) -> String {
    let mut page = Page::default();
    report.defects.iter().for_each(|defect| page.line(&format!("DAMAGED  {}: {}", defect.file, defect.problem)));
    let read = format!("{} files, {}, in {}", report.files, size(report.bytes), report.directory.display());
    match report.defects.len() {
        0 => page.line(&format!("{read}: all as it should be.")),
        count => page.line(&format!("{read}: {count} damaged.")),
    }
    page.0
}

/// What `restore` did.
pub(super) fn restore(report: &RestoreReport) -> String {
    let mut page = Page::default();
    let read = format!("{} files, {}", report.files, size(report.bytes));
    page.line(&format!("Restored {read}, as of {}, into {}.", report.taken_at, report.data.display()));
    if let Some(configuration) = &report.configuration {
        page.line(&format!("The configuration of that time is {}.", configuration.display()));
    }
    page.line("Next: franking check");
    page.0
}
