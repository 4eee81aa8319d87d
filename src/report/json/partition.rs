//! Which part of a whole a run was.

use serde::{Deserialize, Serialize};

use crate::run::{Partition, PartitionKind, Shard};

/// `partition` in the record of a run.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonPartition {
    kind: String,
    index: u64,
    count: u64,
    total: usize,
    digest: String,
    contents: String,
}

impl From<&Partition> for JsonPartition {
    fn from(partition: &Partition) -> JsonPartition {
        let Partition { shard: Shard { kind, index, count }, total, digest, contents } = partition;
        JsonPartition {
            kind: kind.word().to_owned(),
            index: index.get(),
            count: count.get(),
            total: *total,
            digest: digest.clone(),
            contents: contents.clone(),
        }
    }
}

impl JsonPartition {
    /// The partition that was written.
    pub(super) fn read(self) -> Result<Partition, String> {
        let JsonPartition { kind, index, count, total, digest, contents } = self;
        let shard = PartitionKind::from_word(&kind).and_then(|kind| Shard::new(kind, index, count));
        let shard = shard.ok_or_else(|| format!("partition: there is no {kind}:{index}/{count}"))?;
        Ok(Partition { shard, total, digest, contents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_reads_back_as_it_was() {
        let shard = "hash:2/3".parse().expect("a shard");
        let partition = Partition { shard, total: 7, digest: "ab".into(), contents: "cd".into() };
        let text = serde_json::to_string(&JsonPartition::from(&partition)).expect("JSON");
        assert_eq!(text, r#"{"kind":"hash","index":2,"count":3,"total":7,"digest":"ab","contents":"cd"}"#);
        let read = |text: &str| serde_json::from_str::<JsonPartition>(text).expect("JSON").read();
        assert_eq!(read(&text), Ok(partition));
        assert!(read(&text.replace("\"index\":2", "\"index\":4")).is_err());
    }
}
