//! What every store must hold: [`store_contract!`](crate::store_contract) makes a test of each.
#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a contract is tests: they fail by panicking, and their names say what they hold"
)]

pub mod alerts;
pub mod approvals;
pub mod emergencies;
pub mod grants;
pub mod reviews;
pub mod rows;
pub mod shelf;

/// A test of everything that a store must hold, each on a [`Shelf`](shelf::Shelf) of its own that the expression gives.
#[macro_export]
macro_rules! store_contract {
    ($shelf:expr) => {
        $crate::store_contract! { $shelf; rows:
            a_key_comes_back_as_it_was_written_and_its_tombstone_without_material,
            the_newest_versions_of_a_key_are_at_hand_and_the_primary_one_however_old,
            rotation_is_found_when_it_is_due_and_destruction_in_its_order,
            what_a_ring_must_not_have_is_looked_for_in_the_commit,
            time_that_is_remembered_comes_back_and_is_written_from_the_row_as_it_stands,
            an_alias_is_written_only_from_the_row_as_it_stands,
            a_name_stays_with_its_ring_but_for_an_alias_of_the_deployment,
            an_alias_that_reads_as_a_key_of_a_ring_is_found_by_the_name_of_the_ring,
            aliases_are_listed_in_order_and_go_with_their_key,
            a_lost_race_alone_leaves_no_transaction_open,
            imported_material_comes_goes_and_stays_the_same,
            expired_material_is_found_as_long_as_it_is_here,
            uses_are_kept_with_cuts_and_a_later_one_is_never_replaced_by_an_earlier,
            batches_become_one_where_they_are_what_they_are_said_to_be,
            declarations_are_counted_by_who_made_them,
            what_others_depend_on_somebody_for_is_found_and_nothing_that_is_gone,
            capacities_come_back_with_who_gave_them_and_those_who_hold_some_are_found,
            a_credential_that_awaits_its_confirmation_comes_back_and_is_confirmed_once }
        $crate::store_contract! { $shelf; grants:
            a_set_whose_expectation_does_not_hold_is_a_conflict_and_leaves_nothing,
            the_strictest_use_of_a_principal_is_that_of_its_active_grants,
            a_mixed_use_is_found_by_role_or_by_what_a_grant_gives_of_active_principals_only,
            what_a_grant_rests_on_comes_back_with_its_chain_and_is_fixed,
            of_many_grants_a_decision_reads_those_that_its_context_can_meet,
            of_grants_that_differ_in_their_end_only_a_few_are_read_and_among_them_the_one_that_ends_last,
            grants_that_ended_with_what_they_rested_on_keep_no_new_one_out,
            what_makes_decisions_long_is_bounded,
            pages_hold_what_their_filter_takes_in_order,
            the_same_grant_is_found_by_its_name_and_terms }
        $crate::store_contract! { $shelf; approvals:
            an_approval_comes_back_with_what_was_decided_and_ends_once,
            one_approval_of_a_request_is_open_and_it_is_found_before_those_that_ended,
            approvals_are_listed_and_counted_by_whether_they_are_open,
            the_rules_of_the_deployment_are_one_row,
            rows_that_an_approval_rests_on_are_compared_in_the_commit,
            whose_account_it_is_and_how_a_ring_gives_grants_comes_back,
            compromises_are_counted_by_the_person_who_declared_them,
            steps_of_a_plan_that_were_done_come_back_and_none_is_taken_back }
        $crate::store_contract! { $shelf; reviews:
            a_review_comes_back_with_what_was_decided_and_is_closed_once,
            what_breaks_the_rules_of_reviews_is_written_nowhere,
            reviews_are_listed_and_counted_by_whether_they_are_open }
        $crate::store_contract! { $shelf; alerts:
            an_alert_counts_is_looked_at_and_is_closed_once,
            one_alert_of_a_rule_about_a_subject_is_open,
            alerts_are_listed_by_state_rule_and_subject_and_counted_by_rule }
        $crate::store_contract! { $shelf; emergencies:
            an_emergency_access_comes_back_and_is_closed_and_reviewed_once,
            what_breaks_the_rules_of_emergency_access_is_written_nowhere,
            emergency_accesses_are_listed_and_counted_by_whether_they_are_open_and_reviewed }
    };
    ($shelf:expr; $of:ident: $($name:ident),+) => {$(
        #[tokio::test]
        async fn $name() {
            $crate::contract::store::$of::$name($shelf).await;
        }
    )+};
}
