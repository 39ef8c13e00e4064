//! The suite that every implementation of [`Store`](crate::Store) must pass, written against the traits alone.
//!
//! A test is an async function that gets a [`Home`]. An implementation brings a `Home` of its own and lists all tests with
//! [`contract_tests!`](crate::contract_tests), so that none is forgotten.

#![expect(clippy::panic, reason = "these are tests: a broken promise ends them")]

pub mod accounts;
pub mod catalog;
pub mod claiming;
pub mod committing;
pub mod contention;
pub mod creating;
pub mod deliveries;
pub mod events;
pub(crate) mod fixture;
pub mod lanes;
pub mod listing;
pub mod origins;
pub mod random;
pub mod retention;
pub mod streams;
pub mod takeover;
pub mod transfer;
pub mod uploads;

use std::sync::Arc;

use async_trait::async_trait;

use crate::Store;

/// Where a store lives between being closed and opened again.
#[async_trait]
pub trait Home: Send + Sync + 'static {
    /// Opens the store: empty the first time, afterwards with what it held when it was closed.
    async fn open(&self) -> Arc<dyn Store>;

    /// Closes the store that was opened last.
    async fn close(&self);

    /// Runs a statement behind the store's back, as damage or an operator's hand would.
    async fn tamper(&self, sql: &str);
}

/// Makes a test of every function of the suite. The argument is an expression that gives an `Arc<dyn Home>`.
#[macro_export]
macro_rules! contract_tests {
    ($home:expr) => {
        $crate::contract_tests!(@module $home, creating [
            a_prediction_is_loaded_as_it_was_created
            a_prediction_can_be_created_as_claimed
            an_idempotency_key_creates_once
            a_key_that_is_used_twice_at_once_creates_once
            a_key_that_many_use_at_once_creates_once
            an_expired_key_is_free_again
            a_key_belongs_to_its_account
            an_id_that_is_taken_is_refused
            runs_are_counted
            many_are_created_at_once
        ]);
        $crate::contract_tests!(@module $home, committing [
            a_run_goes_from_start_to_end
            a_failure_keeps_its_error
            what_a_model_says_is_kept_as_it_was
            a_run_that_ends_at_once_is_one_commit
            a_stale_revision_conflicts_and_writes_nothing
            a_stale_lease_is_fenced_and_writes_nothing
            a_cancel_fences_the_holder
            the_first_end_wins
            of_two_ends_at_once_one_is_durable
            of_many_ends_at_once_one_each_is_durable
            of_a_step_and_an_end_at_once_one_is_refused
            many_commit_at_once
            what_is_unknown_is_fenced
            what_is_durable_survives_a_restart
        ]);
        $crate::contract_tests!(@module $home, claiming [
            the_oldest_waiting_predictions_are_claimed
            a_claim_sees_only_its_versions
            the_limits_of_a_claim_hold
            a_prediction_is_claimed_once
            nodes_that_claim_at_once_get_different_predictions
            nodes_with_little_room_get_different_predictions
            a_place_in_the_queue_is_counted
            what_is_canceled_while_it_is_claimed_is_over
            a_claim_sets_the_deadline_of_the_setup
            a_released_prediction_waits_again
            a_stale_or_begun_prediction_is_not_released
            deadlines_come_due
            load_is_counted
        ]);
        $crate::contract_tests!(@module $home, streams [
            a_page_begins_with_the_chunk_that_holds_the_event
            a_page_ends_at_its_limit
            the_stream_of_an_ended_prediction_is_kept
            a_reader_sees_one_moment
            the_last_words_of_a_prediction_without_a_stream_are_only_in_its_result
        ]);
        $crate::contract_tests!(@module $home, listing [
            pages_go_in_both_directions
            filters_hold
            a_list_has_outputs_and_no_logs
        ]);
        $crate::contract_tests!(@module $home, retention [
            data_is_removed_when_it_is_due
            data_is_kept_while_a_message_is_owed
            a_late_file_is_found
            a_file_that_comes_before_the_removal_keeps_its_row
            a_file_that_comes_with_the_removal_is_found
            files_without_a_prediction_are_found
            files_can_be_forgotten
            the_data_of_a_live_prediction_stays
            nodes_that_clean_up_at_once_do_it_once
            idempotency_keys_are_forgotten
            old_messages_are_swept_and_owed_ones_are_not
            a_message_that_is_given_up_late_stays_for_as_long
            reports_are_forgotten_before_their_attempts
        ]);
        $crate::contract_tests!(@module $home, lanes [
            without_a_webhook_there_is_no_lane
            what_nobody_wants_makes_no_lane
            the_final_message_is_claimed_with_its_commit
            messages_go_in_order
            progress_that_comes_late_stays_wanted
            the_final_message_takes_the_place_of_progress
            a_superseded_message_is_not_begun
            a_lane_that_is_held_is_left_to_its_holder
            trailing_progress_goes_out_without_a_final_message
            an_idle_lane_remembers_its_pace
        ]);
        $crate::contract_tests!(@module $home, origins [
            origins_take_turns
            a_message_whose_bytes_are_lost_holds_up_no_other
            what_waits_behind_a_claimed_lane_is_named
            a_lane_is_claimed_once
            the_limit_of_an_origin_holds
            the_next_due_lane_is_named
            released_lanes_are_due_again
            origins_can_be_left_out
            one_origin_can_be_asked_for
            claims_go_on_where_the_last_one_stopped
        ]);
        $crate::contract_tests!(@module $home, deliveries [
            a_delivered_message_is_explained
            a_retry_is_planned
            a_postponed_message_spends_no_try
            an_exhausted_message_can_be_sent_again
            what_was_given_up_since_a_time_can_be_sent_again
            what_is_given_up_again_does_not_come_up_again
            what_cannot_be_sent_again
            a_fenced_attempt_is_recorded
            what_a_receiver_said_is_kept_as_it_was
            a_report_is_kept_as_it_was
            options_go_with_every_message
            a_failed_intermediate_message_is_not_sent_again
            messages_are_listed_newest_first
            the_backlog_is_counted
        ]);
        $crate::contract_tests!(@module $home, events [
            ends_are_events_in_their_order
            events_are_read_on_from_a_cursor
            a_page_of_events_is_bounded_in_bytes
            events_go_with_their_messages
            events_that_are_gone_are_remembered
            a_reader_misses_nothing_while_many_write
        ]);
        $crate::contract_tests!(@module $home, contention [
            nodes_that_claim_at_once_get_different_lanes
            a_node_claims_while_another_finishes
            messages_of_many_predictions_begin_at_once
            of_resends_at_once_one_is_queued
            an_end_after_a_take_over_is_recorded_once
            an_end_that_is_told_twice_counts_once
            a_message_that_is_begun_twice_is_one
            nodes_that_sweep_at_once_delete_each_message_once
        ]);
        $crate::contract_tests!(@module $home, takeover [
            a_silent_run_waits_again
            a_run_that_showed_life_is_lost
            a_training_is_lost_however_silent
            a_run_that_was_begun_too_often_is_lost
            lost_runs_are_limited
            lanes_are_taken_over
            a_retired_node_is_taken_over
            a_node_keeps_what_it_holds
            what_a_node_holds_is_known
            nodes_are_known_while_they_live
            a_node_can_say_anew_what_it_runs
            the_store_can_be_checked
        ]);
        $crate::contract_tests!(@module $home, catalog [
            the_last_version_is_the_latest
            registering_again_updates
            models_are_listed_in_order
            a_version_keeps_its_recipe
            what_any_node_can_make_is_listed
            a_model_is_made_once
            a_version_is_removed_when_nothing_needs_it
            a_model_without_versions_is_removed
            content_is_in_use_while_a_version_is_made_of_it
        ]);
        $crate::contract_tests!(@module $home, uploads [
            an_upload_is_kept_as_it_was
            an_upload_is_no_unowned_file
            uploads_are_listed_newest_first
            an_upload_is_removed
            uploads_expire
            an_upload_stays_while_a_prediction_needs_it
            an_upload_stays_while_a_message_is_owed
        ]);
        $crate::contract_tests!(@module $home, accounts [
            accounts_are_made_once
            tokens_are_known_by_their_hash
            one_secret_replaces_another
            the_first_secret_stays
            servers_that_start_at_once_have_one_secret
            a_rotated_secret_signs_beside_the_new_one
            kinds_of_secrets_rotate_alone
            so_many_secrets_sign_and_no_more
            secrets_are_retired
            only_the_last_retired_secrets_are_kept
            a_secret_is_sealed_where_it_is
            server_keys_are_kept
        ]);
        $crate::contract_tests!(@pairs $home, transfer [
            what_is_exported_is_imported
            what_is_not_as_it_was_exported_is_found
            an_import_that_was_cut_off_goes_on
            a_target_that_holds_something_else_is_left_alone
            a_target_with_one_row_more_is_refused
            an_export_that_was_cut_off_goes_on
            an_export_of_a_store_that_has_changed_does_not_go_on
            work_goes_on_where_it_was_moved
            what_is_added_after_an_import_comes_after_it
            pages_are_bounded_by_rows_and_bytes
            rows_are_added_once
        ]);
        $crate::contract_tests!(@module $home, random [any_history_agrees_with_the_model]);
    };
    (@module $home:expr, $module:ident [$($test:ident)*]) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $test() {
                    $crate::contract::$module::$test($home).await;
                }
            )*
        }
    };    (@pairs $home:expr, $module:ident [$($test:ident)*]) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $test() {
                    $crate::contract::$module::$test($home, $home).await;
                }
            )*
        }
    };
}
