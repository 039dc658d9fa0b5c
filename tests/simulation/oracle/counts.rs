//! What a run comes to in numbers, so that one sees that it tried what it is there to try.

/// How much of each happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::simulation) struct Counts {
    pub(in crate::simulation) letters: usize,
    pub(in crate::simulation) delivered: usize,
    pub(in crate::simulation) relayed: usize,
    pub(in crate::simulation) failed: usize,
    pub(in crate::simulation) reports: usize,
    pub(in crate::simulation) answers: usize,
    pub(in crate::simulation) duplicates: usize,
    pub(in crate::simulation) moderated: usize,
    pub(in crate::simulation) lost_unacknowledged: usize,
    pub(in crate::simulation) damage_found: usize,
}

impl Counts {
    pub(in crate::simulation) fn add(&mut self, other: &Self) {
        self.letters += other.letters;
        self.delivered += other.delivered;
        self.relayed += other.relayed;
        self.failed += other.failed;
        self.reports += other.reports;
        self.answers += other.answers;
        self.duplicates += other.duplicates;
        self.moderated += other.moderated;
        self.lost_unacknowledged += other.lost_unacknowledged;
        self.damage_found += other.damage_found;
    }
}
