//! What every store promises, as tests that any implementation of [`Store`] runs; and what its
//! storage backend promises, by itself.
//!
//! An implementation says how its stores are made ([`Backend`]) and names that at the root of its
//! tests:
//!
//! ```ignore
//! beringia_storage::conformance!(crate::File);
//! ```
//!
//! This makes one `#[test]` of each test of the suite, in modules of its names. A store that
//! differs from another that runs them all may choose some: `conformance!(crate::OnThreads,
//! writes)`. A store that runs on the caller's tokio runtime, and so keeps its virtual time, names
//! itself to [`conformance_in_virtual_time!`](crate::conformance_in_virtual_time) too.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod backends;
mod concurrency;
mod convergence;
mod definitions;
mod disks;
mod dropped;
mod expiry;
pub mod fixture;
mod forgetting;
mod log;
mod losses;
mod model;
mod past;
mod policies;
mod replication;
mod run;
mod slow_disks;
mod streams;
mod writes;

use std::{sync::Arc, time::Duration};

use crate::{Store, StoreError, StoreOptions, backend::StorageBackend};

/// Makes the stores that the suite tests.
pub trait Backend: Sync {
    /// A disk with nothing on it.
    fn disk(&self) -> Box<dyn Disk>;
}

/// What keeps a region's state when its store is gone.
pub trait Disk: Send + Sync {
    /// Opens a store on what is there. Called on a tokio runtime, once the store before was closed
    /// or has crashed.
    ///
    /// # Errors
    /// Where the store refuses.
    fn open(&self, options: StoreOptions) -> Result<Arc<dyn Store>, StoreError>;

    /// Opens the storage backend on what is there, without a store. Called like [`Disk::open`].
    ///
    /// # Errors
    /// Where the backend refuses.
    fn backend(&self, options: StoreOptions) -> Result<Arc<dyn StorageBackend>, StoreError>;

    /// Takes the disk away from its store, as a crash does: the store writes no more and answers
    /// [`StoreError::Closed`], whoever still has it.
    fn crash(&self);

    /// Lets every commit take so much longer from now on, also after the store is opened again.
    fn slow(&self, commit_delay: Duration);

    /// Whether the disk is full from now on, also after the store is opened again.
    fn fill(&self, full: bool);
}

/// Runs a test as its kind says.
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

/// Lists the tests of a suite with their kinds, and makes the macro by which stores run them all:
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
                    use crate::conformance::{Backend, $module};

                    $(
                        pub fn $name(backend: &dyn Backend) {
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
    /// Makes a test of each test of the suite, or of one of its modules, for the
    /// [`Backend`](crate::conformance::Backend) at that path, which is a constant or a unit struct.
    conformance as tests:
    backends {
        property what_was_committed_is_read_in_every_way_and_nothing_else;
        plain a_snapshot_is_of_one_moment_whatever_is_committed_meanwhile;
        plain a_listener_hears_of_every_commit_once_it_can_be_read;
        plain a_scan_ends_where_its_visitor_wants_no_more_or_fails;
        plain a_backend_that_was_closed_is_read_no_more;
        plain of_two_leases_one_can_commit;
        plain a_listener_may_add_another;
    }
    concurrency {
        threads a_reader_sees_whole_units_only;
        threads whoever_follows_the_log_sees_every_record_once_and_in_order;
    }
    convergence {
        property regions_that_hear_of_everything_are_equal_and_have_journalled_every_true_conflict_and_every_one_only;
    }
    definitions {
        plain a_table_is_in_the_catalog_with_all_its_aspects_also_after_a_restart;
        plain a_change_that_its_caller_refuses_changes_nothing_and_hands_the_reason_back;
        plain disorder_is_refused;
        plain a_name_is_free_again_in_the_change_that_drops_its_table;
        plain a_table_becomes_global_with_its_first_replica_and_its_local_settings_stay;
        plain a_region_without_a_replica_keeps_only_the_definition;
        plain different_aspects_changed_at_once_in_two_regions_both_stay;
        plain a_replica_where_the_name_is_taken_fails_with_a_reason_that_reaches_all;
        plain a_table_that_was_made_again_is_held_in_whatever_order_the_end_of_the_old_one_and_the_new_one_come;
        plain a_region_that_lost_its_disk_waits_with_a_table_until_it_hears_that_it_dropped_the_one_before_itself;
        plain regions_that_make_tables_of_one_name_at_once_each_keep_their_own_and_say_so;
        plain of_two_tables_of_one_name_that_are_new_to_a_region_it_takes_the_active_or_else_the_older_one_in_any_order;
        plain removing_a_replica_removes_its_rows_and_its_return_begins_empty;
        plain the_last_region_that_drops_a_global_table_takes_its_definition_away;
        plain a_new_index_is_filled_while_writes_go_on;
        plain filling_an_index_goes_on_after_a_crash;
        plain a_removed_index_is_seen_leaving_and_can_come_back;
        plain catalog_aspects_that_this_version_does_not_know_are_kept_and_passed_on;
        plain whoever_changes_definitions_gets_the_catalog_as_the_change_left_it;
    }
    disks {
        plain the_state_of_another_region_or_topology_is_refused_and_left_alone;
        plain for_how_long_peers_were_unreachable_is_kept_over_a_restart;
        plain a_full_disk_refuses_writes_over_a_restart_until_it_has_room_again;
        plain a_commit_takes_as_long_as_the_disk_does;
    }
    dropped {
        plain a_replica_that_was_dropped_begins_anew_and_keeps_aside_what_it_had_not_shipped;
        plain what_a_dropped_replica_had_not_shipped_is_kept_over_a_crash_and_forgetting_in_the_midst_of_removing_its_rows;
        plain a_write_of_the_region_itself_does_not_undo_that_it_was_dropped;
        plain a_dropped_replica_that_somebody_removed_goes_when_it_hears_of_that_and_its_writes_are_kept;
        plain a_replica_that_others_removed_without_asking_keeps_its_writes_aside_too;
        plain a_dropped_replica_whose_table_the_others_deleted_goes_on_alone;
        plain where_all_were_dropped_the_first_goes_on_and_the_others_follow_it;
        plain a_dropped_replica_holds_no_log_and_no_tombstones_but_those_of_the_catalog;
        plain local_settings_and_the_journal_of_conflicts_stay_however_often_a_replica_begins_anew;
    }
    expiry {
        plain items_stand_in_the_order_of_their_numbers_whatever_their_partition;
        plain the_attribute_can_be_chosen_changed_and_dropped_on_a_table_that_holds_items;
        plain the_setting_follows_a_table_to_its_replicas_and_indexes_what_they_hold;
        plain regions_that_expire_an_item_at_once_are_in_no_conflict_and_agree;
        plain a_write_that_meets_an_expiry_it_did_not_know_of_is_a_conflict;
    }
    forgetting {
        plain what_a_peer_has_not_acknowledged_is_kept;
        plain forgetting_changes_no_item_and_the_floor_tells_what_is_gone;
        plain a_tombstone_stays_until_every_peer_has_acknowledged_it_and_its_own_writes_have_arrived;
        plain no_tombstone_goes_while_a_replica_is_being_made;
        plain the_conflict_journal_outlives_the_log;
        plain records_stay_a_day_for_streams_however_much_was_acknowledged;
        plain a_peer_that_has_less_than_the_log_holds_copies_and_then_follows;
    }
    log {
        plain reading_begins_close_to_the_first_record_that_is_wanted;
        plain the_backlog_is_exact;
        plain a_backlog_that_is_counted_in_memory_is_the_same;
        plain a_backlog_counts_after_forgetting_what_it_counted_before;
        plain a_page_never_ends_within_a_unit;
        plain the_local_table_and_unknown_tables_are_never_served;
        plain a_waiter_is_woken_by_the_commit_that_appends;
        plain memory_answers_from_every_position_what_the_database_answers;
        plain a_store_that_lost_its_disk_answers_nothing_from_memory;
    }
    losses {
        plain changes_of_different_attributes_are_both_kept_and_no_conflict;
        plain under_the_policy_item_the_same_changes_are_a_conflict_over_the_whole_item;
        plain of_two_assignments_the_later_stays_and_the_journal_names_the_attribute;
        plain equal_assignments_lose_nothing;
        plain additions_are_both_kept_only_where_numbers_merge;
        plain an_addition_that_did_not_know_of_an_assignment_is_lost_and_journalled;
        plain an_update_loses_to_a_later_delete_and_outlives_an_earlier_one;
        plain of_two_puts_the_later_stays_whole;
        plain a_later_update_stands_on_a_put_that_it_did_not_know_of;
        plain rows_of_one_version_that_were_joined_from_different_writes_differ_in_digest_and_stamp;
        plain what_is_relayed_is_what_its_origin_wrote_though_another_item_stands;
        plain a_write_under_the_policy_item_leaves_nothing_but_the_item;
    }
    model {
        property items_indexes_digests_log_and_vectors_agree_at_every_commit;
    }
    policies {
        property regions_converge_under_any_policies_orders_duplicates_copies_and_forgotten_deletes;
        property additions_add_up_and_members_unite_without_a_conflict;
    }
    replication {
        plain a_write_arrives_with_its_version_and_in_the_indexes;
        plain what_arrives_twice_is_applied_once;
        plain a_local_write_after_an_applied_one_is_newer_even_where_this_clock_is_behind;
        plain concurrent_writes_are_a_conflict_in_both_regions_and_both_keep_the_same;
        plain a_write_that_knew_of_the_one_it_replaces_is_no_conflict;
        plain a_write_over_a_row_that_came_by_copy_ahead_of_the_vector_knew_of_it;
        plain a_write_knows_what_the_one_that_it_replaces_knew_of;
        plain a_stale_write_that_the_current_one_knew_of_is_no_conflict;
        plain a_delete_and_an_update_at_once_end_alike_whichever_arrives_first;
        plain a_deleted_item_does_not_come_back_through_a_stale_write;
        plain a_write_from_too_far_in_the_future_is_held_back_and_does_not_move_the_clock;
        plain a_write_to_a_table_that_is_not_held_is_skipped;
        plain what_cannot_be_read_is_refused_with_its_whole_batch;
        plain a_region_relays_even_what_lost_there;
        plain what_another_shard_of_a_region_wrote_is_applied_relayed_and_kept_as_that_shards;
        plain a_copy_moves_the_vector_by_progress_only_and_the_floor_with_it;
        plain a_copy_removes_rows_that_its_source_forgot_where_nobody_wrote_them_since;
        plain what_came_by_copy_and_then_by_stream_can_be_relayed;
        plain a_repair_takes_only_what_the_vector_covers;
        plain a_region_that_lost_its_disk_never_uses_a_number_twice;
        plain equal_times_are_decided_by_region_and_alike_everywhere;
    }
    streams {
        plain a_shard_that_is_old_enough_goes_over_into_a_child_also_where_nobody_writes;
        plain a_page_ends_with_the_limits_and_a_closed_shard_with_its_last_record;
        plain records_and_closed_shards_can_be_read_for_a_day_and_not_longer;
        plain a_stream_that_was_disabled_and_that_of_a_deleted_table_stay_for_a_day;
        plain the_definition_tells_of_the_latest_stream_as_long_as_it_can_be_read;
        plain a_replicas_stream_begins_when_its_rows_are_complete_and_tells_what_comes_from_then_on;
        plain an_item_that_a_copy_removes_without_a_delete_is_told_of;
        property a_consumer_that_walks_the_shards_sees_every_applied_change_once_and_in_order;
    }
    writes {
        plain an_item_is_read_as_it_was_put;
        plain versions_grow_also_over_a_restart_with_the_clock_set_back;
        plain what_was_committed_is_there_after_a_crash;
        plain a_unit_is_written_whole_or_not_at_all;
        plain an_item_cannot_be_written_twice_in_a_unit;
        plain deleting_what_is_not_there_writes_nothing;
        plain a_table_that_is_not_held_is_unknown;
        plain several_items_are_read_in_the_order_asked;
        plain a_range_is_read_in_both_directions_and_its_bounds_are_as_asked;
        plain pages_put_together_are_the_whole;
        plain a_page_ends_with_the_row_that_reaches_the_limit_of_bytes;
        plain an_index_counts_only_what_it_projects;
        plain an_index_holds_only_items_with_its_key_in_its_type;
        plain a_write_to_an_indexed_table_is_decided_once;
        plain a_command_sees_what_the_command_before_it_in_its_group_wrote;
        plain a_closed_store_answers_closed;
        plain a_disk_that_was_taken_away_is_written_no_more;
        plain a_change_that_panics_leaves_nothing_behind_and_nobody_waiting;
    }
}

suite! {
    $,
    /// Makes a test of each test of the suite that needs virtual time, for the
    /// [`Backend`](crate::conformance::Backend) at that path.
    conformance_in_virtual_time as tests_in_virtual_time:
    past {
        paused a_read_from_a_moment_sees_what_every_read_of_then_saw;
        paused a_part_of_a_range_is_read_from_a_moment_too_and_limits_of_bytes_hold;
        paused what_the_log_has_forgotten_is_seen_as_it_is_now;
        paused a_store_that_does_not_look_back_knows_no_moments;
    }
    slow_disks {
        paused what_comes_while_the_disk_works_is_committed_together;
        paused a_crash_while_the_disk_works_loses_what_was_not_acknowledged;
    }
}
