//! The conformance suite: tests that every implementation of [`Store`] passes, and tests of its
//! storage backend without a store.
//!
//! An implementation says how its stores are opened ([`DiskMaker`]) and names that at the root of
//! its tests:
//!
//! ```ignore
//! beringia_storage::conformance!(crate::File);
//! ```
//!
//! This creates one `#[test]` for each test of the suite, in modules of the same names. A store
//! that differs only in part from one that runs the whole suite may choose some modules:
//! `conformance!(crate::OnThreads, writes)`. A store that runs on the caller's tokio runtime, and
//! so follows its virtual time, also uses
//! [`conformance_in_virtual_time!`](crate::conformance_in_virtual_time).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod backends;
mod concurrency;
mod convergence;
mod definitions;
mod disks;
mod dropped;
mod expiry;
pub mod fixture;
mod garbage;
mod log;
mod losses;
mod model;
mod past;
mod policies;
mod pruning;
mod replication;
mod retention;
mod run;
mod slow_disks;
mod streams;
mod writes;

use std::{sync::Arc, time::Duration};

use crate::{Store, StoreError, StoreOptions, backend::StorageBackend};

/// Creates the stores that the suite tests.
pub trait DiskMaker: Sync {
    /// Creates an empty disk, independent of all others.
    fn disk(&self) -> Box<dyn Disk>;
}

/// A disk: it keeps a region's state when its store is gone.
pub trait Disk: Send + Sync {
    /// Opens a store on the disk. Called on a tokio runtime, after the previous store was closed or
    /// has crashed.
    ///
    /// # Errors
    /// If the store refuses to open.
    fn open(&self, options: StoreOptions) -> Result<Arc<dyn Store>, StoreError>;

    /// Opens the storage backend on the disk, without a store. Called like [`Disk::open`].
    ///
    /// # Errors
    /// If the backend refuses to open.
    fn backend(&self, options: StoreOptions) -> Result<Arc<dyn StorageBackend>, StoreError>;

    /// Takes the disk away from its store, as a crash does. The store writes nothing more and
    /// answers [`StoreError::Closed`] to everyone who still holds it.
    fn crash(&self);

    /// Makes every commit take this much longer from now on, also after the store is opened again.
    fn slow(&self, commit_delay: Duration);

    /// Sets whether the disk is full from now on, also after the store is opened again.
    fn fill(&self, full: bool);
}

/// Runs a test as its kind requires.
macro_rules! run {
    (plain $test:path, $backend:ident) => {
        $crate::conformance::run::plain($test($backend))
    };
    (paused $test:path, $backend:ident) => {
        $crate::conformance::run::paused($test($backend))
    };
    (threads $test:path, $backend:ident) => {
        $crate::conformance::run::threads($test($backend))
    };
    (property $test:path, $backend:ident) => {
        $test($backend)
    };
}

/// Lists the tests of a suite with their kinds, and defines the macro by which stores run them all:
///
/// - `plain`: on one thread;
/// - `threads`: on several threads;
/// - `paused`: on one thread and in virtual time;
/// - `property`: drawn by proptest, with a runtime for each case.
macro_rules! suite {
    ($d:tt, $(#[$doc:meta])* $suite:ident as $tests:ident: $( $module:ident { $( $kind:ident $name:ident; )+ } )+) => {
        #[doc(hidden)]
        pub mod $tests {
            $(
                pub mod $module {
                    use crate::conformance::{DiskMaker, $module};

                    $(
                        pub fn $name(backend: &dyn DiskMaker) {
                            run!($kind $module::$name, backend);
                        }
                    )+
                }
            )+
        }

        $(#[$doc])*
        #[macro_export]
        macro_rules! $suite {
            ($d backend:path) => {
                $( $crate::$suite!($d backend, $module); )+
            };
            $(
                ($d backend:path, $module) => {
                    mod $module {
                        $(
                            #[test]
                            fn $name() {
                                $crate::conformance::$tests::$module::$name(&$d backend);
                            }
                        )+
                    }
                };
            )+
        }
    };
}

suite! {
    $,
    /// Creates the tests of the suite, or of one of its modules, for the
    /// [`DiskMaker`](crate::conformance::DiskMaker) at this path, a constant or a unit struct.
    conformance as tests:
    backends {
        property every_read_returns_exactly_what_was_committed;
        plain snapshot_is_isolated_from_concurrent_commits;
        plain listener_is_called_after_each_commit_is_visible;
        plain scan_ends_when_its_visitor_breaks_or_fails;
        plain closed_backend_refuses_reads;
        plain only_one_of_two_leases_can_commit;
        plain listener_may_add_another_listener;
    }
    concurrency {
        threads reader_sees_only_complete_transactions;
        threads log_reader_sees_every_record_once_and_in_order;
    }
    convergence {
        property regions_converge_and_journal_exactly_the_true_conflicts;
    }
    definitions {
        plain catalog_contains_all_aspects_also_after_a_restart;
        plain refused_schema_change_returns_the_callers_reason;
        plain inconsistent_definitions_are_refused;
        plain dropping_a_table_frees_its_name_in_the_same_change;
        plain first_replica_makes_a_table_global;
        plain region_without_a_replica_keeps_only_the_definition;
        plain concurrent_changes_of_different_aspects_both_survive;
        plain replica_fails_where_its_name_is_taken;
        plain recreated_table_wins_in_any_order_of_arrival;
        plain region_without_disk_waits_for_its_own_earlier_drop;
        plain concurrent_tables_of_one_name_stay_in_their_regions;
        plain region_adopts_active_or_else_older_table_of_a_name;
        plain removed_replica_returns_empty;
        plain leaving_replica_stays_for_an_unacked_write;
        plain last_region_that_drops_a_table_removes_its_definition;
        plain new_index_is_filled_during_writes;
        plain filling_an_index_continues_after_a_crash;
        plain removed_index_is_listed_until_gone_and_can_return;
        plain unknown_catalog_aspects_are_kept_and_relayed;
        plain schema_change_returns_the_catalog_right_after_it;
    }
    disks {
        plain state_of_another_region_or_topology_is_refused;
        plain unreachable_times_of_peers_survive_a_restart;
        plain opened_database_skips_sequences_and_remembers_it;
        plain store_epoch_begins_once_for_each_loss;
        plain full_disk_refuses_writes_until_space_is_free;
        plain deletes_and_trims_go_on_while_the_disk_is_full;
        plain bootstrap_on_a_full_disk_continues_with_space;
        plain panic_of_the_committer_is_reported;
        plain commit_takes_as_long_as_the_disk;
    }
    dropped {
        plain dropped_replica_starts_over_and_keeps_unshipped_writes;
        plain write_for_a_former_replica_is_refused;
        plain batch_that_cannot_be_applied_fails_alone;
        plain unshipped_writes_survive_a_crash_and_trimming;
        plain write_of_the_dropped_region_does_not_undo_the_drop;
        plain dropped_replica_that_was_then_removed_keeps_its_writes;
        plain replica_removed_by_others_keeps_its_unshipped_writes;
        plain dropped_replica_of_a_deleted_table_continues_alone;
        plain replica_that_can_never_be_filled_leaves;
        plain after_mutual_drops_one_replica_continues;
        plain dropped_replica_holds_back_only_catalog_tombstones;
        plain local_settings_and_journal_survive_rebootstraps;
    }
    expiry {
        plain expiry_index_orders_items_over_all_partitions;
        plain expiry_attribute_can_change_on_a_table_with_items;
        plain expiry_setting_replicates_and_indexes_replicas;
        plain concurrent_expiry_of_one_item_is_no_conflict;
        plain write_concurrent_with_an_expiry_is_a_conflict;
    }
    garbage {
        plain unacknowledged_records_are_kept;
        plain trimming_raises_the_low_watermark_and_changes_no_item;
        plain tombstone_stays_until_acked_and_peer_writes_arrived;
        plain no_tombstone_is_collected_during_a_bootstrap;
        plain tombstone_stays_until_the_digests_agree;
        plain conflict_journal_outlives_the_log;
        plain peer_below_the_low_watermark_copies_then_streams;
    }
    log {
        plain reading_starts_close_to_the_first_wanted_record;
        plain backlog_is_exact;
        plain backlog_counted_in_memory_is_the_same;
        plain backlog_is_unchanged_by_trimming;
        plain log_page_never_splits_a_transaction;
        plain local_table_and_unknown_tables_are_never_served;
        plain waiter_is_woken_by_an_appending_commit;
        plain log_read_from_memory_equals_log_read_from_database;
        plain store_without_its_disk_answers_nothing_from_memory;
    }
    losses {
        plain changes_of_different_attributes_are_no_conflict;
        plain policy_item_makes_such_changes_a_conflict;
        plain later_assignment_wins_and_journal_names_the_attribute;
        plain equal_assignments_lose_nothing;
        plain concurrent_additions_add_up_only_under_merge;
        plain addition_concurrent_with_an_assignment_is_lost;
        plain update_loses_to_a_later_delete_but_not_an_earlier_one;
        plain later_of_two_puts_wins_whole;
        plain later_update_applies_on_top_of_a_concurrent_put;
        plain merged_rows_of_one_version_differ_in_digest;
        plain relay_sends_the_original_write_not_the_merged_row;
        plain write_under_policy_item_removes_the_metadata;
    }
    model {
        property all_parts_of_the_state_agree_at_every_commit;
    }
    policies {
        property regions_converge_under_any_policies_and_deliveries;
        property merged_additions_and_members_cause_no_conflict;
    }
    pruning {
        plain conflicts_are_removed_after_30_days;
        plain unshipped_writes_are_removed_after_30_days;
        plain conflicts_stay_while_the_log_is_kept;
        plain retention_follows_the_clock_of_the_region;
        plain journals_are_pruned_by_age_and_table;
    }
    replication {
        plain applied_write_keeps_its_version_and_is_indexed;
        plain duplicate_delivery_is_applied_once;
        plain local_write_is_newer_than_an_applied_one;
        plain concurrent_writes_conflict_equally_in_both_regions;
        plain write_that_depends_on_the_replaced_one_is_no_conflict;
        plain write_over_a_copied_row_depends_on_it;
        plain write_inherits_the_causal_context_of_the_replaced_one;
        plain stale_write_that_was_superseded_is_no_conflict;
        plain concurrent_delete_and_update_converge_in_any_order;
        plain stale_write_does_not_revive_a_deleted_item;
        plain write_from_too_far_in_the_future_is_quarantined;
        plain region_whose_clock_went_back_takes_no_writes;
        plain write_to_a_table_without_a_replica_is_skipped;
        plain malformed_mutation_is_refused_with_its_batch;
        plain mutation_of_another_items_key_is_refused;
        plain mutation_is_checked_in_a_batch_that_defines_its_table;
        plain delete_under_a_damaged_key_is_refused;
        plain region_relays_even_writes_that_lost_there;
        plain writes_of_another_shard_keep_their_origin;
        plain only_progress_of_a_copy_advances_the_vector;
        plain copy_removes_rows_that_its_source_has_collected;
        plain copied_and_then_streamed_writes_can_be_relayed;
        plain repair_applies_only_what_the_vector_covers;
        plain region_that_lost_its_disk_reuses_no_sequence;
        plain equal_times_are_decided_by_region_everywhere;
    }
    retention {
        plain records_without_a_stream_wait_only_for_peers;
        plain records_of_a_stream_are_kept_for_a_day;
        plain records_from_before_a_stream_are_not_kept;
        plain table_that_waits_does_not_hold_up_others;
        plain table_is_trimmed_from_where_it_waited;
        plain tables_that_wait_take_turns;
        plain deleted_table_leaves_no_hold;
        plain idle_stream_reader_is_not_refused;
    }
    streams {
        plain old_shard_continues_in_a_child_even_without_writes;
        plain stream_page_obeys_limits_and_closed_shard_ends;
        plain records_and_closed_shards_are_readable_for_a_day;
        plain disabled_streams_are_readable_for_a_day;
        plain definition_names_the_latest_readable_stream;
        plain replica_stream_starts_when_its_rows_are_complete;
        plain stream_reports_items_that_a_copy_removes;
        property stream_consumer_sees_every_change_once_and_in_order;
    }
    writes {
        plain item_is_read_as_it_was_put;
        plain versions_grow_over_a_restart_with_the_clock_set_back;
        plain committed_writes_survive_a_crash;
        plain transaction_is_atomic;
        plain item_cannot_be_written_twice_in_a_transaction;
        plain deleting_a_missing_item_writes_nothing;
        plain table_without_a_replica_is_unknown;
        plain get_many_keeps_the_order_of_keys;
        plain range_read_obeys_direction_and_bounds;
        plain pages_together_are_the_whole_range;
        plain page_ends_with_the_row_that_reaches_the_byte_limit;
        plain index_size_counts_only_projected_attributes;
        plain index_contains_only_items_with_a_valid_index_key;
        plain write_to_an_indexed_table_is_decided_once;
        plain command_sees_earlier_writes_of_its_group;
        plain closed_store_returns_closed;
        plain disk_that_was_taken_away_is_not_written;
        plain panicking_change_writes_nothing_and_blocks_no_caller;
    }
}

suite! {
    $,
    /// Creates the tests of the suite that need virtual time, for the
    /// [`DiskMaker`](crate::conformance::DiskMaker) at this path.
    conformance_in_virtual_time as tests_in_virtual_time:
    past {
        paused past_read_sees_what_reads_saw_at_that_time;
        paused past_range_read_obeys_bounds_and_byte_limit;
        paused past_read_of_trimmed_records_sees_the_present;
        paused store_without_look_back_has_no_past_positions;
        paused old_images_stay_while_reads_of_the_past_need_them;
    }
    slow_disks {
        paused writes_that_arrive_during_a_commit_share_the_next;
        paused crash_during_a_commit_loses_only_unacknowledged_writes;
    }
}
