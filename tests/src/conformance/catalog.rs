//! Does a catalog keep the contract of its three seams?
//!
//! A test of an implementation is one line: `catalog_conformance!(name, fresh)`, where `fresh` is a function that
//! makes a [`Subject`]. Every case becomes a test of its own; those of an invariant carry its id in their name.

use async_trait::async_trait;
use wellspring_core::catalog::{CatalogReader, Journal, Publisher};
use wellspring_core::screen::SignatureStore;
use wellspring_core::source::SourceStore;
use wellspring_core::trace::Traces;
use wellspring_core::webhook::WebhookStore;
use wellspring_core::websub::SubscriptionStore;

pub mod accepting;
pub mod claiming;
pub mod erasing;
pub mod histories;
pub mod publishing;
pub mod pushing;
pub mod reading;
pub mod replaying;
pub mod staging;
pub mod steps;

/// A fresh catalog under test.
#[async_trait]
pub trait Subject: Send + Sync + Sized {
    /// The implementation.
    type Catalog: Journal
        + Publisher
        + CatalogReader
        + SourceStore
        + SignatureStore
        + Traces
        + WebhookStore
        + SubscriptionStore;

    /// The catalog.
    fn catalog(&self) -> &Self::Catalog;

    /// Ends the catalog without ceremony and opens what it left on the disk.
    async fn reopen(self) -> Self;
}

/// Writes one test for each case, in a module named `$name`, over subjects that `$fresh().await` makes.
#[macro_export]
macro_rules! catalog_conformance {
    ($name:ident, $fresh:path) => {
        mod $name {
            use $crate::conformance::catalog;

            $crate::catalog_conformance!(@cases $fresh, accepting,
                i1_acknowledged_writes_survive_a_restart,
                i2_a_deletion_hides_in_the_call_that_accepts_it,
                i4_revisions_go_on_after_a_deletion,
                the_same_write_again_is_unchanged,
                whatever_a_draft_says_counts,
                a_failed_revision_is_tried_again,
                a_failed_deletion_is_tried_again,
                a_document_belongs_to_its_source,
                a_batch_is_taken_in_order,
                what_cannot_be_taken_in_leaves_the_last_readable_revision,
                what_was_never_readable_can_have_a_state,
                what_its_source_passes_over_is_skipped,
                i4_what_is_pending_before_a_version_that_cannot_be_taken_in_is_published,
                a_deletion_takes_the_place_of_pending_writes);
            $crate::catalog_conformance!(@cases $fresh, claiming,
                i4_the_newest_entry_is_claimed_and_older_ones_step_aside,
                claims_are_bounded_but_never_empty,
                the_oldest_waits_least,
                a_claimed_document_is_left_out,
                claims_do_not_survive_a_restart,
                staged_work_is_claimed_again_with_its_content);
            $crate::catalog_conformance!(@cases $fresh, staging,
                i2_staged_text_is_not_published,
                i9_a_vector_is_found_again,
                i9_parts_are_found_again,
                a_chunk_in_two_revisions_is_known_once,
                a_failed_attempt_stays_known_until_the_next_publication,
                staging_again_forgets_no_chunk);
            $crate::catalog_conformance!(@cases $fresh, publishing,
                i2_a_publication_is_seen_whole,
                i3_both_checkpoints_move_with_the_publication,
                i4_a_deletion_overtakes_work_in_hand,
                a_failure_leaves_the_published_revision,
                a_revision_keeps_what_was_said_about_it,
                old_revisions_lose_their_text,
                a_newer_write_waits_for_the_one_in_hand,
                a_publication_that_is_not_newer_is_refused);
            $crate::catalog_conformance!(@cases $fresh, pushing,
                a_condition_is_about_the_newest_accepted_revision,
                i1_a_request_under_a_key_is_written_once,
                a_fault_is_tried_again,
                nothing_is_counted_after_a_settled_deletion,
                events_are_told_in_order);
            $crate::catalog_conformance!(@cases $fresh, erasing,
                nothing_of_a_deleted_document_remains,
                a_vector_that_another_document_needs_stays,
                a_new_write_after_a_deletion_brings_no_old_text_back,
                i9_a_spare_vector_is_kept_for_text_that_returns);
            $crate::catalog_conformance!(@cases $fresh, replaying,
                from_nothing_everything_published_is_replayed,
                i3_a_replay_holds_what_later_publications_did,
                pages_add_up,
                a_published_chunk_without_a_vector_is_an_error,
                a_chunk_that_came_back_is_not_removed);
            $crate::catalog_conformance!(@cases $fresh, reading,
                i5_a_collection_keeps_its_space,
                passages_keep_the_order_asked,
                only_admitted_documents_are_read,
                neighbours_stand_in_the_order_of_the_text,
                listings_are_paged_and_filtered,
                the_status_counts,
                unknown_names_are_absent);
        }
    };
    (@cases $fresh:path, $file:ident, $($case:ident),+) => {
        $(
            #[tokio::test]
            async fn $case() {
                catalog::$file::$case($fresh().await).await;
            }
        )+
    };
}
