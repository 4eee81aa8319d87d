//! Splits cases across machines, by the rules of cargo-nextest.
//!
//! The list to split is every selected case and problem of the tree, sorted by id. `slice` distributes it round robin; `hash`
//! uses only the id: its 64-bit xxHash with seed 0. Orphaned snapshots are not on the list: the first shard reports them.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh64::xxh64;

use crate::case::{CaseId, Goldens, Tree, sha256_of_lines};
use crate::error::{Error, Result};
use crate::fs::{TEXT_LIMIT, read_text};
use crate::text::word::words;

/// How cases are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionKind {
    /// Round robin over the sorted list, so that shards have equal sizes.
    Slice,
    /// By the hash of the id, so that a case stays in its shard when others are added or removed.
    Hash,
}

words!(PartitionKind, "kind of partition", word, { Slice: "slice", Hash: "hash" });

/// One of several parts of the cases: `slice:2/4`.
///
/// ```
/// use karat::run::Shard;
///
/// let shard: Shard = "slice:2/4".parse()?;
/// assert!(shard.contains(1, "a/b") && shard.contains(5, "a/b") && !shard.contains(2, "a/b"));
/// assert!("slice:5/4".parse::<Shard>().is_err());
/// # Ok::<(), karat::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Shard {
    /// How cases are split.
    pub kind: PartitionKind,
    /// The number of this part, counted from 1.
    pub index: NonZeroU64,
    /// The number of parts.
    pub count: NonZeroU64,
}

impl Shard {
    /// Creates a shard; `index` is counted from 1. Returns `None` if there is no such part.
    #[must_use]
    pub fn new(kind: PartitionKind, index: u64, count: u64) -> Option<Shard> {
        let (index, count) = (NonZeroU64::new(index)?, NonZeroU64::new(count)?);
        (index <= count).then_some(Shard { kind, index, count })
    }

    /// Returns whether the shard contains a name at a position of the sorted list, counted from 0.
    #[must_use]
    pub fn contains(&self, position: usize, name: &str) -> bool {
        let number = match self.kind {
            PartitionKind::Slice => position as u64,
            PartitionKind::Hash => xxh64(name.as_bytes(), 0),
        };
        number % self.count == self.index.get() - 1
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Shard> {
        let error = |what: String| Error::Usage(format!("`{text}` {what}"));
        let invalid = || error("is not a partition; use slice:M/N, hash:M/N or auto".to_owned());
        let (kind, numbers) = text.split_once(':').ok_or_else(invalid)?;
        let kind = match kind {
            // nextest's `count` is round robin within each test binary, which is the same here.
            "slice" | "count" => PartitionKind::Slice,
            "hash" => PartitionKind::Hash,
            _ => return Err(invalid()),
        };
        let (index, count) = numbers.split_once('/').ok_or_else(invalid)?;
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let (Some(index), Some(count)) = (number(index), number(count)) else { return Err(invalid()) };
        Shard::new(kind, index, count).ok_or_else(|| match count {
            0 => error("has no shards; use at least 1".to_owned()),
            count => error(format!("does not exist; the {count} shards are numbered from 1 to {count}")),
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.kind.word(), self.index, self.count)
    }
}

/// The part of the cases that a run covered, with digests that must agree when its shards are merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Partition {
    /// The part.
    #[serde(flatten)]
    pub shard: Shard,
    /// The number of cases on the whole list.
    pub total: usize,
    /// The sha256 of the sorted ids on the list, each followed by a line feed, in hex.
    pub digest: String,
    /// The sha256 of every `case.json`, `suite.json` and accepted snapshot on the list, which detects shards of different
    /// goldens. Tensors are covered by their sha256 in the snapshots.
    pub contents: String,
}

impl Partition {
    /// Sets the digest of the contents.
    pub(super) fn with_contents(self, goldens: &Goldens, list: &Selection<'_>) -> Partition {
        let mut lines = Vec::new();
        let mut add = |name: String, path: &Path| {
            if let Ok(text) = read_text(path, TEXT_LIMIT) {
                // Line endings can differ between checkouts.
                lines.push(format!("{name} {}", sha256_of_lines(text.lines())));
            }
        };
        let mut suites = BTreeSet::new();
        for id in &list.cases {
            let folder = id.below(&goldens.root);
            add(format!("case {id}"), &folder.join("case.json"));
            suites
                .extend(folder.ancestors().take_while(|above| above.starts_with(&goldens.root)).map(Path::to_path_buf));
            let snapshots = fs::read_dir(id.below(&goldens.snapshots)).into_iter().flatten();
            let mut snapshots: Vec<PathBuf> = snapshots.filter_map(|entry| Some(entry.ok()?.path())).collect();
            snapshots.retain(|path| path.extension().is_some_and(|extension| extension == "snap"));
            snapshots.sort();
            for path in snapshots {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                add(format!("snapshot {id} {name}"), &path);
            }
        }
        for folder in suites {
            let below =
                folder.strip_prefix(&goldens.root).unwrap_or(Path::new("")).to_string_lossy().replace('\\', "/");
            add(format!("suite {below}"), &folder.join("suite.json"));
        }
        Partition { contents: sha256_of_lines(lines.iter().map(String::as_str)), ..self }
    }
}

/// Selects cases of a tree.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A case is selected if its id contains one of these; an empty list selects all.
    pub patterns: Vec<String>,
    /// If set, only cases with one of these ids are selected.
    pub only: Option<BTreeSet<CaseId>>,
    /// If set, only this part of the remaining cases is selected: see [`Filter::select`].
    pub shard: Option<Shard>,
}

/// The selected part of a tree.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// The cases, sorted by id.
    pub cases: Vec<&'a CaseId>,
    /// Files and folders that cannot be read or are not valid cases, with the reason, sorted by id.
    pub problems: Vec<(&'a CaseId, &'a str)>,
    /// The number of cases that the filter excludes.
    pub filtered_out: usize,
    /// Whether nothing is selected in any shard.
    pub is_empty: bool,
    /// The shard, if there are several.
    pub partition: Option<Partition>,
}

impl Selection<'_> {
    /// Returns whether this run reports orphaned snapshots.
    #[must_use]
    pub fn includes_orphans(&self) -> bool {
        self.partition.as_ref().is_none_or(|partition| partition.shard.index == NonZeroU64::MIN)
    }
}

impl Filter {
    /// Returns whether a case is selected, in whatever shard.
    #[must_use]
    pub fn selects(&self, id: &CaseId) -> bool {
        let is_listed = self.only.as_ref().is_none_or(|only| only.contains(id));
        is_listed && (self.patterns.is_empty() || self.patterns.iter().any(|pattern| id.as_str().contains(pattern)))
    }

    /// Selects cases of a tree.
    #[must_use]
    pub fn select<'a>(&self, tree: &'a Tree) -> Selection<'a> {
        let mut cases: Vec<&CaseId> = tree.cases.iter().filter(|id| self.selects(id)).collect();
        let problems = tree.problems.iter().filter(|(id, _)| self.selects(id));
        let mut problems: Vec<(&CaseId, &str)> = problems.map(|(id, what)| (id, what.as_str())).collect();
        let mut list: Vec<&CaseId> = cases.iter().copied().chain(problems.iter().map(|(id, _)| *id)).collect();
        list.sort();
        let (filtered_out, is_empty) = (tree.cases.len() - cases.len(), list.is_empty());
        let partition = self.shard.map(|shard| {
            let is_included = |id: &CaseId| list.binary_search(&id).is_ok_and(|at| shard.contains(at, id.as_str()));
            cases.retain(|id| is_included(id));
            problems.retain(|(id, _)| is_included(id));
            let digest = sha256_of_lines(list.iter().map(|id| id.as_str()));
            Partition { shard, total: list.len(), digest, contents: String::new() }
        });
        Selection { cases, problems, filtered_out, is_empty, partition }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn tree(names: impl IntoIterator<Item = String>) -> Tree {
        let mut cases: Vec<CaseId> = names.into_iter().map(|name| CaseId::new(&name).expect("an id")).collect();
        cases.sort();
        cases.dedup();
        // Every third is a problem of the tree.
        let (problems, cases): (Vec<_>, Vec<_>) = cases.into_iter().enumerate().partition(|(at, _)| at % 3 == 1);
        let problems: BTreeMap<CaseId, String> = problems.into_iter().map(|(_, id)| (id, String::new())).collect();
        Tree { cases: cases.into_iter().map(|(_, id)| id).collect(), problems }
    }

    proptest! {
        #[test]
        fn shards_are_disjoint_and_complete(
            names in prop::collection::btree_set("[a-z]{1,4}(/[a-z0-9_.]{1,6}){0,2}", 0..40),
            count in 1u64..60,
            kind in prop_oneof![Just(PartitionKind::Slice), Just(PartitionKind::Hash)],
        ) {
            let names = names.into_iter().filter(|name| CaseId::new(name).is_ok());
            let tree = tree(names);
            let whole = Filter::default().select(&tree);
            let mut cases = Vec::new();
            let mut problems = Vec::new();
            let mut orphan_reports = 0;
            for index in 1..=count {
                let filter = Filter { shard: Shard::new(kind, index, count), ..Filter::default() };
                let part = filter.select(&tree);
                prop_assert_eq!(part.is_empty, whole.is_empty);
                orphan_reports += usize::from(part.includes_orphans());
                cases.extend(part.cases);
                problems.extend(part.problems);
            }
            cases.sort();
            problems.sort();
            prop_assert_eq!(cases, whole.cases);
            prop_assert_eq!(problems, whole.problems);
            prop_assert_eq!(orphan_reports, 1);
        }

        #[test]
        fn slices_differ_in_size_by_at_most_one(size in 0usize..50, count in 1u64..20) {
            let tree = tree((0..size).map(|at| format!("case{at:03}")));
            let sizes: Vec<usize> = (1..=count)
                .map(|index| {
                    let filter = Filter { shard: Shard::new(PartitionKind::Slice, index, count), ..Filter::default() };
                    let part = filter.select(&tree);
                    part.cases.len() + part.problems.len()
                })
                .collect();
            prop_assert!(sizes.iter().max().expect("one") - sizes.iter().min().expect("one") <= 1, "{:?}", sizes);
        }
    }

    #[test]
    fn the_hash_is_the_xxhash_of_nextest() {
        // From the reference implementation of xxHash: `xxhash.xxh64(b"..").intdigest()` in Python.
        assert_eq!(xxh64(b"", 0), 0xef46_db37_51d8_e999);
        assert_eq!(xxh64(b"gpt2-tiny/h.0/ln_1", 0), 0xc843_46f4_2ae1_c8b0);
        let shard = |index| Shard::new(PartitionKind::Hash, index, 4).expect("one of four");
        let shards: Vec<u64> = (1..=4).filter(|index| shard(*index).contains(0, "gpt2-tiny/h.0/ln_1")).collect();
        assert_eq!(shards, [1]);
    }

    #[test]
    fn a_filter_comes_before_the_shards() {
        let tree = tree((0..10).map(|at| format!("{}/{at}", if at % 2 == 0 { "even" } else { "odd" })));
        let filter = Filter {
            patterns: vec!["even".to_owned()],
            shard: Shard::new(PartitionKind::Slice, 2, 2),
            ..Filter::default()
        };
        let selection = filter.select(&tree);
        assert_eq!(selection.partition.as_ref().map(|partition| partition.total), Some(5));
        let names: Vec<&CaseId> =
            selection.cases.iter().copied().chain(selection.problems.iter().map(|p| p.0)).collect();
        assert!(names.len() == 2 && names.iter().all(|id| id.as_str().starts_with("even/")), "{names:?}");
    }

    #[test]
    fn an_invalid_partition_is_rejected_with_the_valid_forms() {
        for (text, expected) in [
            ("slice:1/1", None),
            ("hash:99/200", None),
            ("count:2/3", None),
            ("slice", Some("`slice` is not a partition; use slice:M/N, hash:M/N or auto")),
            ("slice:1", Some("`slice:1` is not a partition; use slice:M/N, hash:M/N or auto")),
            ("slice:1/2/3", Some("`slice:1/2/3` is not a partition; use slice:M/N, hash:M/N or auto")),
            ("slice:+1/2", Some("`slice:+1/2` is not a partition; use slice:M/N, hash:M/N or auto")),
            ("modulo:1/2", Some("`modulo:1/2` is not a partition; use slice:M/N, hash:M/N or auto")),
            ("hash:0/2", Some("`hash:0/2` does not exist; the 2 shards are numbered from 1 to 2")),
            ("hash:3/2", Some("`hash:3/2` does not exist; the 2 shards are numbered from 1 to 2")),
            ("slice:1/0", Some("`slice:1/0` has no shards; use at least 1")),
        ] {
            let error = text.parse::<Shard>().err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{text}");
        }
        assert_eq!("count:2/3".parse::<Shard>().expect("a shard").to_string(), "slice:2/3");
    }
}
