//! Bits that the disk changed: no read returns them, scrubs find them, and a peer has the rest.

use beringia_item::RANGES;
use beringia_storage::{LogPosition, Store, StoreError, conformance::fixture::*};

use crate::pair::Pair;

/// The newest record is that of the item p49.
const NEWEST_RECORD: &str = "log WHERE pos = (SELECT max(pos) FROM log)";
/// The row of the item p49.
const ROW_OF_NEWEST: &str = "item WHERE pos = (SELECT max(pos) FROM log)";

/// The values of the item p49: the column, the place, and bytes from the end.
const VALUES: [(&str, &str, [usize; 3]); 3] = [
    ("image", NEWEST_RECORD, [0, 7, 30]),
    ("v", NEWEST_RECORD, [0, 20, 70]),
    ("v", ROW_OF_NEWEST, [0, 30, 54]),
];

/// A changed image used to be returned, and an update of another attribute sent it to all regions.
#[tokio::test]
async fn no_read_returns_changed_bits() {
    for (column, place, bytes) in VALUES {
        for byte in bytes {
            let pair = Pair::new().await;
            pair.flip(column, place, byte);
            let found = pair.store.get(TABLE, &key("p49", 49)).await;
            // Of a record only the image is read, so the rest may be damaged.
            let is_read = (column, place) != ("v", NEWEST_RECORD);
            assert_eq!(matches!(found, Err(StoreError::Corrupt { .. })), is_read, "{found:?}");
            pair.scrub().await;
            assert_eq!(pair.store.get(TABLE, &key("p49", 49)).await, Ok(None));
            assert_eq!(pair.repair().await, 1);
            pair.assert_whole().await;
            assert_eq!(pair.store.damage().ranges, []);
        }
    }
}

#[tokio::test]
async fn scrub_finds_changed_bits() {
    for (column, place, bytes) in VALUES {
        for byte in bytes {
            let pair = Pair::new().await;
            pair.flip(column, place, byte);
            assert!(pair.scrub().await > 0, "{column} of {place}, {byte} from the end");
            // Index entries of the item may be in ranges that were verified before.
            pair.scrub().await;
            assert_eq!(pair.scrub().await, 0);
            assert_eq!(pair.repair().await, 1);
            pair.assert_whole().await;
        }
    }
}

/// What a copy would send is checked, and so is what an update is based on.
#[tokio::test]
async fn changed_bits_are_neither_copied_nor_updated() {
    for (column, place, bytes) in VALUES {
        let pair = Pair::new().await;
        pair.flip(column, place, bytes[1]);
        let sent = pair.store.mutations_of(TABLE, vec![key("p49", 49)]).await;
        assert!(matches!(sent, Err(StoreError::Corrupt { .. })), "{sent:?}");
        assert_eq!(pair.repair().await, 1);

        pair.flip(column, place, bytes[2]);
        let update = |_: Option<&beringia_item::Item>| item("p49", 49, &[("weight", number(7))]);
        let refused = commit(&pair.store, vec![write(key("p49", 49), Do::Update(update))]).await;
        let is_read = (column, place) != ("v", NEWEST_RECORD);
        assert_eq!(refused.is_err(), is_read, "{refused:?}");
        if is_read {
            assert_eq!(pair.repair().await, 1);
            pair.scrub().await;
            pair.assert_whole().await;
        }
    }
}

/// A session skips a damaged record, which nobody can restore, and the store counts it.
#[tokio::test]
async fn log_is_read_past_a_damaged_record() {
    let pair = Pair::new().await;
    // Records of this region alone would be read from memory.
    let mut filter = all_of(pair.store.origin());
    filter.origins.push(pair.peer.store.origin().clone());
    let before = read_all(&pair.store, &filter).await;
    pair.flip("image", NEWEST_RECORD, 3);
    assert_eq!(pair.store.damage().records, 0);
    for _ in 0..2 {
        let page = pair.store.read_log(LogPosition(1), &filter, usize::MAX).await.unwrap();
        assert_eq!(page.mutations, before[..before.len() - 1]);
        assert!(page.end.is_some());
        assert_eq!(pair.store.damage().records, 1);
    }
}

/// Where SQLite cannot read a page, nothing can be repaired, and the damage remains known.
#[tokio::test]
async fn unreadable_pages_are_known_as_damage() {
    const PAGE: usize = 4096;
    let mut pair = Pair::new().await;
    // So that the last item shares no page with the definitions.
    for n in 1000..1400 {
        put(&pair.store, item(&format!("p{n}"), n, &[])).await;
    }
    pair.store.close().await;
    let mut file = std::fs::read(&pair.path).unwrap();
    let is_of_newest = |page: &[u8]| page.windows(5).any(|bytes| bytes == b"p1399");
    let pages = file.chunks_mut(PAGE).skip(1).filter(|page| is_of_newest(page));
    let overwritten = pages.map(|page| page.fill(0)).count();
    assert!(overwritten > 0);
    std::fs::write(&pair.path, file).unwrap();

    pair.store = Pair::open(pair.path.clone());
    assert_eq!(pair.store.damage().ranges, []);
    for _ in 0..2 {
        let mut failed = 0;
        for range in 0..RANGES {
            let verified = pair.store.verify_range(TABLE, range).await;
            failed += usize::from(matches!(verified, Err(StoreError::Database(_))));
        }
        assert!(failed > 0);
        let damage = pair.store.damage();
        assert_eq!(damage.ranges.len(), failed);
        assert!(damage.ranges.iter().all(|damaged| damaged.table == TABLE));
    }
}
