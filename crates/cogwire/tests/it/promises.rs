//! What may be expected of anybody who sends webhooks, and which test holds us to it.
//!
//! Some things that others do are not here because they are not done: a prediction has one receiver, so nothing is fanned out,
//! no failure of one receiver repeats a success at another, and there are no endpoints to switch off or to delete. What
//! comes nearest to switching one off is leaving an origin alone that is down.

use std::collections::HashSet;
use std::path::Path;

/// A behaviour, and the tests that fail without it.
const PROMISES: &[(&str, &[&str])] = &[
    // Signing.
    (
        "signatures of both kinds are those of published vectors",
        &["the_published_vector_is_met", "the_published_vector_of_the_private_key_is_met"],
    ),
    (
        "the library of Standard Webhooks accepts what is sent, and nothing else",
        &[
            "the_library_accepts_what_is_sent_and_nothing_else",
            "receivers_may_have_any_secret_that_still_signs",
        ],
    ),
    (
        "old secrets sign until their overlap ends, and not after",
        &["every_secret_signs_until_its_overlap_ends"],
    ),
    (
        "a rotation leaves no receiver without a signature that it can verify",
        &["a_secret_is_rotated_without_a_message_that_a_receiver_cannot_verify"],
    ),
    (
        "both kinds of secrets sign beside each other",
        &[
            "a_private_key_signs_beside_the_secret_and_its_public_key_verifies",
            "kinds_of_secrets_rotate_alone",
        ],
    ),
    ("only so many secrets sign at once", &["so_many_secrets_sign_and_no_more"]),
    (
        "secrets are sealed at rest when there is a key",
        &["a_database_with_a_key_holds_no_secret_that_signs_without_it"],
    ),
    // Attempts.
    ("200 is one attempt", &["a_delivered_message_is_explained", "the_end_arrives_signed_and_byte_for_byte"]),
    (
        "a refusal and no connection are tried as often as the schedule says, and each attempt is kept with its status",
        &[
            "after_the_last_attempt_it_is_given_up_and_can_be_sent_again",
            "every_way_to_misbehave_ends_as_it_should",
        ],
    ),
    (
        "500, then 200: the same id and body again, and both attempts are shown",
        &[
            "completed_is_tried_again_with_the_same_id_and_body_until_it_is_taken",
            "each_attempt_is_shown_until_one_succeeds",
        ],
    ),
    (
        "Retry-After is read as seconds and as a date, and rubbish is passed over",
        &["retry_after_is_read", "rubbish_is_survived"],
    ),
    (
        "429 and its like slow the sender down under a schedule that listens",
        &[
            "a_schedule_that_listens_slows_its_receiver_down",
            "receivers_that_ask_for_less_are_left_alone_for_a_minute_at_most",
        ],
    ),
    (
        "a receiver that is down is left alone, costs no attempts, and is itself again with one answer",
        &[
            "ten_stalls_in_a_row_open_it_and_any_answer_in_between_does_not_let_them",
            "a_probe_without_an_answer_spends_no_try",
            "an_answer_closes_it_whoever_gets_it",
        ],
    ),
    (
        "redirects are recorded and not followed",
        &["redirects_are_told_and_not_followed", "a_redirect_leads_nowhere"],
    ),
    ("the body arrives byte for byte", &["a_request_arrives_as_it_was_given"]),
    ("the Host header is the URL's", &["a_url_becomes_origin_host_header_and_path"]),
    // What is sent, and to whom.
    (
        "receivers get the events that they asked for",
        &["the_filter_says_what_is_left_out", "all_four_events_arrive_in_order_signed_and_numbered"],
    ),
    (
        "no address is reached that must not be, by whatever name and spelling",
        &[
            "no_spelling_of_a_forbidden_address_is_connected_to",
            "a_name_that_changes_its_mind_is_judged_each_time",
        ],
    ),
    ("certificates are verified", &["a_certificate_that_is_not_good_is_refused_and_told_why"]),
    ("a body that is too long is a 413", &["a_body_within_the_limit_is_read_and_a_longer_one_is_not"]),
    (
        "a key creates once, and a key that is used for something else is refused",
        &["concurrent_creates_with_one_key_make_one_prediction", "another_body_or_model_is_another_request"],
    ),
    // Afterwards.
    (
        "data goes when its time is up, and the record of its message stays",
        &["data_is_removed_when_it_is_due_and_the_record_stays", "what_is_still_to_be_sent_is_never_removed"],
    ),
    (
        "what was given up is kept, and sent again on request, once",
        &[
            "a_message_that_nobody_takes_is_given_up_kept_and_can_be_sent_again",
            "messages_that_are_named_are_sent_again_and_the_answer_tells_what_became_of_each",
            "of_resends_at_once_one_is_queued",
        ],
    ),
    (
        "all that was given up since a time is sent again, each once, whatever the receiver says to it",
        &[
            "whatever_was_given_up_since_a_time_is_sent_again",
            "what_is_given_up_again_does_not_come_up_again",
        ],
    ),
    (
        "what was given up is kept from then on, however long giving up took",
        &["a_message_that_is_given_up_late_stays_for_as_long"],
    ),
    (
        "a reader of events misses nothing, or is told",
        &[
            "a_reader_misses_nothing_while_many_write",
            "a_reader_that_comes_after_events_are_gone_is_told_and_goes_on",
            "events_of_another_server_are_kept_and_its_readers_go_on",
        ],
    ),
    // What is rarely tested.
    (
        "a crash loses nothing, and repeats nothing that is known to have arrived",
        &[
            "a_death_at_any_step_of_an_attempt_loses_nothing_and_repeats_nothing_that_is_known",
            "what_was_written_and_not_answered_is_sent_again_if_it_is_the_end",
            "deaths_at_random_under_load_lose_nothing",
        ],
    ),
    (
        "messages arrive in order, one at a time, whoever sends them",
        &[
            "every_promise_holds_whatever_happens",
            "pauses_of_either_kind_under_load_lose_nothing_and_keep_the_order",
        ],
    ),
    (
        "receivers that hang, drip, flood and break off disturb nobody else",
        &[
            "a_healthy_receiver_does_not_notice_what_those_beside_it_do",
            "origins_that_hang_have_half_of_all_requests_between_them",
        ],
    ),
    (
        "a slow or endless answer ends at its deadline or its bound",
        &["the_deadline_covers_everything", "an_endless_answer_that_is_fast_ends_at_the_bound"],
    ),
];

#[test]
fn every_promise_has_its_tests() {
    let mut functions = HashSet::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of the crates");
    gather(crates, &mut functions);
    let missing: Vec<_> = PROMISES
        .iter()
        .flat_map(|(promise, tests)| tests.iter().map(move |test| (promise, test)))
        .filter(|(_, test)| !functions.contains(**test))
        .collect();
    assert!(missing.is_empty(), "there are no such tests: {missing:#?}");
}

/// The names of all functions in a folder.
fn gather(folder: &Path, functions: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, functions);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            functions.extend(text.lines().filter_map(name));
        }
    }
}

fn name(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("fn ")?;
    let (name, _) = rest.split_once('(')?;
    Some(name.to_owned())
}
