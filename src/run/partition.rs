//! A part of the cases for each of several machines, by the rules of cargo-nextest.
//!
//! The list that is dealt out is every case and every problem of the tree that the filters select, sorted by id. `slice` deals
//! it round robin, `hash` goes by the name alone: the 64-bit xxHash of the id, with seed 0. What belongs to no case, as a
//! snapshot without one, is on no list, and is looked for by the first shard.

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

/// How cases are dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionKind {
    /// Round robin over the sorted list: shards are of equal size.
    Slice,
    /// By the hash of the id: a case stays in its shard, whatever other cases come and go.
    Hash,
}

words!(PartitionKind, "kind of partition", word, { Slice: "slice", Hash: "hash" });

impl PartitionKind {
    /// The kind of that name. `count` is nextest's round robin within each test binary; karat has one list.
    #[must_use]
    pub fn from_word(word: &str) -> Option<PartitionKind> {
        match word {
            "slice" | "count" => Some(PartitionKind::Slice),
            "hash" => Some(PartitionKind::Hash),
            _ => None,
        }
    }
}

/// One of several parts: `slice:2/4`.
///
/// ```
/// use karat::run::Shard;
///
/// let shard: Shard = "slice:2/4".parse()?;
/// assert!(shard.keeps(1, "a/b") && shard.keeps(5, "a/b") && !shard.keeps(2, "a/b"));
/// assert!("slice:5/4".parse::<Shard>().is_err());
/// # Ok::<(), karat::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Shard {
    /// How cases are dealt out.
    pub kind: PartitionKind,
    /// Which of the parts, counted from 1.
    pub index: NonZeroU64,
    /// How many parts there are.
    pub count: NonZeroU64,
}

impl Shard {
    /// That part of that many, counted from 1; `None` where there is no such part.
    #[must_use]
    pub fn new(kind: PartitionKind, index: u64, count: u64) -> Option<Shard> {
        let (index, count) = (NonZeroU64::new(index)?, NonZeroU64::new(count)?);
        (index <= count).then_some(Shard { kind, index, count })
    }

    /// Whether it holds the name at that position of the sorted list, counted from 0.
    #[must_use]
    pub fn keeps(&self, position: usize, name: &str) -> bool {
        let number = match self.kind {
            PartitionKind::Slice => position as u64,
            PartitionKind::Hash => xxh64(name.as_bytes(), 0),
        };
        number % self.count == self.index.get() - 1
    }

    /// Whether it is the one that holds what is on no list.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.index == NonZeroU64::MIN
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Shard> {
        let wrong = |what: String| Error::Usage(format!("`{text}` {what}"));
        let form = || wrong("is no partition: write slice:M/N, hash:M/N or auto".to_owned());
        let (kind, numbers) = text.split_once(':').ok_or_else(form)?;
        let kind = PartitionKind::from_word(kind).ok_or_else(form)?;
        let (index, count) = numbers.split_once('/').ok_or_else(form)?;
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let (Some(index), Some(count)) = (number(index), number(count)) else { return Err(form()) };
        Shard::new(kind, index, count).ok_or_else(|| match count {
            0 => wrong("has no shards; there is at least one".to_owned()),
            count => wrong(format!("is none of {count} shards; they are numbered from 1 to {count}")),
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.kind.word(), self.index, self.count)
    }
}

/// Which part of which list a run was: what must agree for its shards to be put together again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Partition {
    /// The part.
    #[serde(flatten)]
    pub shard: Shard,
    /// How long the whole list is.
    pub total: usize,
    /// The sha256 of its sorted ids, each with a line feed behind it, in hex.
    pub digest: String,
    /// The sha256 of what is held against what: every `case.json`, `suite.json` and accepted snapshot of the whole list, by
    /// which shards over other goldens are told apart. The tensors are in it by their sha256 in the snapshots.
    pub contents: String,
}

impl Partition {
    /// The same, with the contents of that list.
    pub(super) fn with_contents(self, goldens: &Goldens, list: &Selection<'_>) -> Partition {
        let mut lines = Vec::new();
        let mut add = |name: String, path: &Path| {
            if let Ok(text) = read_text(path, TEXT_LIMIT) {
                // A checkout may end its lines otherwise.
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

/// Which cases of a tree are run.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A case is selected if its id contains one of these; an empty list selects all.
    pub patterns: Vec<String>,
    /// Of these, only those with exactly one of these ids, where there is such a list.
    pub only: Option<BTreeSet<CaseId>>,
    /// Of what is left, only this part, where there is one: [`Filter::select`].
    pub shard: Option<Shard>,
}

/// What of a tree a run is about.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// The cases, sorted by id.
    pub cases: Vec<&'a CaseId>,
    /// What could not be walked or may not be a case, and why, sorted by id.
    pub problems: Vec<(&'a CaseId, &'a str)>,
    /// How many cases the filters leave out.
    pub filtered_out: usize,
    /// Whether the filters select nothing, in no shard.
    pub is_empty: bool,
    /// Which part it is, where it is one.
    pub partition: Option<Partition>,
}

impl Selection<'_> {
    /// Whether what belongs to no case is told of here.
    #[must_use]
    pub fn holds_the_rest(&self) -> bool {
        self.partition.as_ref().is_none_or(|partition| partition.shard.is_first())
    }
}

impl Filter {
    /// Whether that case is selected, in one shard or another.
    #[must_use]
    pub fn selects(&self, id: &CaseId) -> bool {
        let is_listed = self.only.as_ref().is_none_or(|only| only.contains(id));
        is_listed && (self.patterns.is_empty() || self.patterns.iter().any(|pattern| id.as_str().contains(pattern)))
    }

    /// What it selects of a tree.
    #[must_use]
    pub fn select<'a>(&self, tree: &'a Tree) -> Selection<'a> {
        let mut cases: Vec<&CaseId> = tree.cases.iter().filter(|id| self.selects(id)).collect();
        let problems = tree.problems.iter().filter(|(id, _)| self.selects(id));
        let mut problems: Vec<(&CaseId, &str)> = problems.map(|(id, what)| (id, what.as_str())).collect();
        let mut list: Vec<&CaseId> = cases.iter().copied().chain(problems.iter().map(|(id, _)| *id)).collect();
        list.sort();
        let (filtered_out, is_empty) = (tree.cases.len() - cases.len(), list.is_empty());
        let partition = self.shard.map(|shard| {
            let is_kept = |id: &CaseId| list.binary_search(&id).is_ok_and(|at| shard.keeps(at, id.as_str()));
            cases.retain(|id| is_kept(id));
            problems.retain(|(id, _)| is_kept(id));
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
        fn shards_are_disjoint_and_their_union_is_everything(
            names in prop::collection::btree_set("[a-z]{1,4}(/[a-z0-9_.]{1,6}){0,2}", 0..40),
            count in 1u64..60,
            kind in prop_oneof![Just(PartitionKind::Slice), Just(PartitionKind::Hash)],
        ) {
            let names = names.into_iter().filter(|name| CaseId::new(name).is_ok());
            let tree = tree(names);
            let whole = Filter::default().select(&tree);
            let mut cases = Vec::new();
            let mut problems = Vec::new();
            let mut rests = 0;
            for index in 1..=count {
                let filter = Filter { shard: Shard::new(kind, index, count), ..Filter::default() };
                let part = filter.select(&tree);
                prop_assert_eq!(part.is_empty, whole.is_empty);
                rests += usize::from(part.holds_the_rest());
                cases.extend(part.cases);
                problems.extend(part.problems);
            }
            cases.sort();
            problems.sort();
            prop_assert_eq!(cases, whole.cases);
            prop_assert_eq!(problems, whole.problems);
            prop_assert_eq!(rests, 1);
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
        let held: Vec<u64> = (1..=4).filter(|index| shard(*index).keeps(0, "gpt2-tiny/h.0/ln_1")).collect();
        assert_eq!(held, [1]);
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
    fn what_is_no_partition_is_refused_with_what_is() {
        for (text, expected) in [
            ("slice:1/1", None),
            ("hash:99/200", None),
            ("count:2/3", None),
            ("slice", Some("`slice` is no partition: write slice:M/N, hash:M/N or auto")),
            ("slice:1", Some("`slice:1` is no partition: write slice:M/N, hash:M/N or auto")),
            ("slice:1/2/3", Some("`slice:1/2/3` is no partition: write slice:M/N, hash:M/N or auto")),
            ("slice:+1/2", Some("`slice:+1/2` is no partition: write slice:M/N, hash:M/N or auto")),
            ("modulo:1/2", Some("`modulo:1/2` is no partition: write slice:M/N, hash:M/N or auto")),
            ("hash:0/2", Some("`hash:0/2` is none of 2 shards; they are numbered from 1 to 2")),
            ("hash:3/2", Some("`hash:3/2` is none of 2 shards; they are numbered from 1 to 2")),
            ("slice:1/0", Some("`slice:1/0` has no shards; there is at least one")),
        ] {
            let said = text.parse::<Shard>().err().map(|error| error.to_string());
            assert_eq!(said.as_deref(), expected, "{text}");
        }
        assert_eq!("count:2/3".parse::<Shard>().expect("a shard").to_string(), "slice:2/3");
    }
}
