//! A record of the rules that a decision consulted, for people who ask why.
//!
//! Deciding and recording are one code path, so an explanation can never tell another story than the server. The
//! recorder is a type parameter; with [`Unrecorded`] nothing is formatted or stored.

/// One rule that was consulted, and how it turned out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The question, as a short clause: "sign-in is blocked".
    pub question: &'static str,
    /// Whether it held and so decided or shaped the answer.
    pub held: bool,
    /// What was compared, for example an address or a setting's value; may be empty.
    pub detail: String,
}

/// Receives each rule as it is consulted.
pub trait Trail {
    /// Notes a rule. `detail` is called only when somebody reads the trail.
    fn note(&mut self, question: &'static str, held: bool, detail: impl FnOnce() -> String);

    /// Notes a rule and gives back whether it held, so that a condition can be written where it is tested.
    fn asks(&mut self, question: &'static str, held: bool) -> bool {
        self.note(question, held, String::new);
        held
    }
}

/// Records nothing: for the server's own decisions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unrecorded;

impl Trail for Unrecorded {
    fn note(&mut self, _: &'static str, _: bool, _: impl FnOnce() -> String) {}
}

impl Trail for Vec<Rule> {
    fn note(&mut self, question: &'static str, held: bool, detail: impl FnOnce() -> String) {
        self.push(Rule { question, held, detail: detail() });
    }
}
