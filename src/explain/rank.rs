//! What fits, best first.

use super::explanation::{Explanation, Hypothesis};
use super::parts::Part;

/// Hypotheses that hold together, and what they come to.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) parts: Vec<Part>,
    pub(super) parameters: usize,
    pub(super) removes: f64,
    /// Whether what is left is no more than rounding explains.
    pub(super) is_clean: bool,
    /// Whether it says of some elements only that they are wrong.
    pub(super) is_excused: bool,
}

impl Candidate {
    /// Of what leaves no more than rounding and has no free parameters.
    pub(super) fn of(parts: Vec<Part>, removes: f64) -> Candidate {
        Candidate { parts, parameters: 0, removes, is_clean: true, is_excused: false }
    }

    /// Whether nothing could be said that is better by more than a parameter.
    pub(super) fn is_enough(&self) -> bool {
        self.is_clean && !self.is_excused && self.parts.len() == 1 && self.parameters <= 1 && !is_place(&self.parts[0])
    }
}

/// Best first, and without what the best makes needless.
pub(super) fn rank(candidates: &mut Vec<Candidate>) {
    let key = |candidate: &Candidate| {
        let places = candidate.parts.iter().filter(|part| is_place(part)).count();
        (!candidate.is_clean, candidate.parts.len(), places, candidate.parameters)
    };
    candidates.sort_by(|a, b| match (a.is_clean, b.is_clean) {
        // A hundredth more is not worth another hypothesis.
        (false, false) => {
            let worth = |candidate: &Candidate| candidate.removes - 0.02 * candidate.parts.len() as f64;
            worth(b).total_cmp(&worth(a))
        }
        _ => key(a).cmp(&key(b)).then(b.removes.total_cmp(&a.removes)),
    });
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates.drain(..) {
        let ids = |candidate: &Candidate| candidate.parts.iter().map(|part| part.id).collect::<Vec<_>>();
        // What leaves much that the best explains.
        if kept.first().is_some_and(|best| candidate.removes < best.removes - 0.2) {
            continue;
        }
        // The same with something more, and the same in other words.
        let is_needless = kept.iter().any(|better| ids(better).iter().all(|id| ids(&candidate).contains(id)));
        if !is_needless {
            kept.push(candidate);
        }
    }
    *candidates = kept;
}

/// Whether a hypothesis says where elements are wrong, and not what they become.
fn is_place(part: &Part) -> bool {
    part.id.is_place() || part.id == Hypothesis::ConstantOutput || part.details.position.is_some()
}

/// An explanation for each part; each says what holds at the same time.
pub(super) fn answers(candidate: Candidate) -> Vec<Explanation> {
    let Candidate { parts, removes, is_clean, .. } = candidate;
    let about = if is_clean { "" } else { "roughly, " };
    let answer = |at: usize| {
        let others = || parts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, part)| part);
        let mut evidence = vec![parts[at].evidence.as_str()];
        for part in others().filter(|part| part.evidence != parts[at].evidence) {
            evidence.push(&part.evidence);
        }
        Explanation {
            id: parts[at].id,
            removes,
            evidence: format!("{about}{}", evidence.join("; and ")),
            with: others().map(|part| part.id).collect(),
            details: parts[at].details.clone(),
        }
    };
    (0..parts.len()).map(answer).collect()
}
