//! References whose comparison cannot fail, or not on zeros or NaN, whatever is computed.

use super::complaint::{Ailment, Complaint, Health};
use crate::case::{Goldens, Output, Suites, Tree};
use crate::compare::{Rules, vacuous};
use crate::run::outcome::vacuous_name;
use crate::tensor::Source;
use crate::tensor::{TensorFile, read_tensor};

/// Looks at the reference of every output. What cannot be read is told of elsewhere.
pub(crate) fn check(goldens: &Goldens, tree: &Tree, health: &mut Health) {
    let suites = Suites::new(&goldens.root);
    let (mut names, mut files, mut first) = (Vec::new(), Vec::new(), None);
    for case in tree.cases.iter().filter_map(|id| suites.case(id).ok()).filter(|case| case.skip.is_none()) {
        for (name, alone) in case.outputs.iter().filter_map(|(name, output)| Some((name, chained_alone(output)?))) {
            names.push(vacuous_name(&case.id, name, alone));
            files.push(case.file.clone());
            first.get_or_insert_with(|| case.id.clone());
        }
    }
    if !names.is_empty() {
        files.dedup();
        health.complain(Complaint { files, case: first, ..Complaint::about(Ailment::Vacuous, names.join(", ")) });
    }
}

/// Whether something else than the right output passes as well in a chained run alone; `None` where nothing does.
fn chained_alone(output: &Output) -> Option<bool> {
    let Output { address, mask, .. } = output;
    let reference = TensorFile::open(&address.path, address.member.as_deref(), output.dtype).ok()?;
    let mask = mask.as_ref().map(|mask| read_tensor(&mask.path, mask.member.as_deref(), None)).transpose().ok()?;
    let is_vacuous = |tolerance| {
        let mut rules = Rules::new(tolerance);
        (rules.nan, rules.cast, rules.empty) = (output.nan, output.cast, output.empty);
        vacuous(&reference, mask.as_ref(), &rules).is_ok_and(|found| found.is_some())
    };
    match () {
        () if output.tolerance(reference.dtype()).is_some_and(is_vacuous) => Some(false),
        () if output.chained_tolerance(reference.dtype()).is_some_and(is_vacuous) => Some(true),
        () => None,
    }
}
