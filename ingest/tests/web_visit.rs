//! Visits of feeds, pages and sites over a scripted web, with real parse workers: this program runs its checks, or,
//! started by them, is a worker itself.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a check may fail loudly and says what it checked")]

#[path = "web_visit/feeds.rs"]
mod feeds;
#[path = "web_visit/pages.rs"]
mod pages;
#[path = "web_visit/sites.rs"]
mod sites;
#[path = "web_visit/world.rs"]
mod world;

use std::process::ExitCode;
use std::time::Instant;

use wellspring_ingest::parse::worker;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("parse-worker") => worker::run(),
        _ => check_all(),
    }
}

fn check_all() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let wanted = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    macro_rules! checks {
        ($($module:ident::$name:ident),* $(,)?) => { $(
            if wanted.as_deref().is_none_or(|wanted| stringify!($name).contains(wanted)) {
                let began = Instant::now();
                runtime.block_on($module::$name());
                println!("check {} ... ok ({:.1?})", stringify!($name), began.elapsed());
            }
        )* };
    }
    checks!(
        feeds::entries_become_documents,
        feeds::an_unchanged_feed_costs_one_request_and_nothing_else,
        feeds::an_edited_entry_is_a_new_revision_and_one_that_left_stays,
        feeds::entries_with_one_identifier_are_told_apart_by_their_links,
        feeds::an_entry_without_an_identifier_is_known_by_its_link,
        feeds::articles_are_asked_once_and_stand_in_for_their_entries,
        feeds::an_article_that_leads_where_robots_are_excluded_is_not_read,
        feeds::an_article_that_fails_for_now_does_not_replace_what_was_read,
        feeds::articles_that_cannot_be_asked_for_are_told_and_asked_again_when_a_person_wants_it,
        feeds::an_article_whose_host_may_not_be_asked_says_so,
        feeds::what_failed_is_told_before_what_is_only_to_know,
        feeds::entries_are_read_although_the_host_of_their_articles_is_dead,
        feeds::a_broken_feed_deletes_nothing_and_says_so,
        feeds::a_feed_that_is_gone_for_good_is_asked_once_a_day,
        feeds::an_entity_bomb_does_no_harm,
        feeds::a_feed_says_when_it_wants_to_be_visited_and_who_tells_of_changes,
        feeds::other_tags_make_new_documents_of_an_unchanged_feed,
        feeds::a_refused_acceptance_is_not_remembered,
        pages::a_page_is_read_once_and_then_asked_whether_it_changed,
        pages::one_missing_answer_deletes_nothing_and_several_do,
        pages::what_another_source_of_the_name_left_waits_for_a_yes,
        pages::a_page_that_never_was_there_is_no_success,
        pages::a_page_that_is_gone_for_good_is_deleted_at_once,
        pages::a_version_that_cannot_be_read_leaves_the_last_one_and_says_so,
        sites::a_small_site_is_walked_within_its_rules,
        sites::a_page_that_cannot_be_read_any_more_is_marked,
        sites::what_a_server_asks_of_robots_is_done,
        sites::an_unchanged_site_is_walked_by_what_was_remembered,
        sites::a_page_that_is_no_longer_linked_is_deleted,
        sites::a_sitemap_says_what_there_is,
        sites::a_sitemap_that_is_named_is_read_however_deep_links_are_followed,
        sites::a_sitemap_is_believed_for_some_days,
        sites::a_sitemap_that_always_gives_one_date_hides_no_change_for_long,
        sites::canonical_pages_stand_for_their_copies,
        sites::redirects_out_of_the_host_are_not_followed,
        sites::a_host_has_the_name_it_answers_by,
        sites::calendars_do_not_go_on_for_ever,
        sites::a_limited_visit_deletes_nothing,
        sites::a_page_that_says_that_it_is_gone_goes_whatever_else_was_missed,
        sites::many_pages_gone_at_once_are_held_by_a_limited_visit_too,
        sites::a_stopped_visit_deletes_nothing,
        sites::a_failing_page_keeps_its_document_and_what_it_led_to,
        sites::a_sitemap_that_fails_deletes_nothing,
        sites::many_deletions_are_held_until_they_are_released,
        sites::what_arrives_during_a_visit_is_not_deleted,
        sites::a_host_that_cannot_tell_its_rules_is_left_alone,
        sites::where_the_first_page_leads_is_asked_for_its_rules_too,
        sites::a_host_that_does_not_answer_is_given_up,
        sites::a_throttled_visit_ends_and_says_when_to_come_back,
        sites::what_one_page_asks_for_is_not_asked_for_the_whole_site,
        sites::documents_of_other_formats_are_kept_too,
    );
    ExitCode::SUCCESS
}
