//! The table of options on real servers: for each kind of change the exact set of recipients and reasons, with
//! every option alone and all together, and on the bodies that nobody reads what is not theirs.

mod bodies;
mod check;
mod openldap;
mod row;
mod table;

use check::Play;

use crate::support::slapd::Overlay;

#[tokio::test]
async fn m29_each_option_alone_and_all_together_tell_exactly_those_they_mean() {
    Play::new().check(&table::options()).await;
}

#[tokio::test]
async fn m29_the_same_with_refint() {
    Play::on(openldap::setup().with(Overlay::Refint)).all_together().check(&table::options()).await;
}

#[tokio::test]
async fn m29_the_same_with_memberof() {
    Play::on(openldap::setup().with(Overlay::MemberOf)).all_together().check(&table::options()).await;
}

#[tokio::test]
async fn m29_the_same_with_refint_and_memberof() {
    let setup = openldap::setup().with(Overlay::Refint).with(Overlay::MemberOf);
    Play::on(setup).all_together().check(&table::options()).await;
}

#[tokio::test]
async fn m05_one_person_in_several_parts_gets_one_mail() {
    Play::new().check(&table::one_person_in_several_parts()).await;
}

#[tokio::test]
async fn m08_addresses_that_are_missing_or_wrong_are_passed_over() {
    Play::new().check(&table::addresses()).await;
}

#[tokio::test]
async fn m09_disabled_expired_and_deleted_people_are_not_written_to() {
    Play::new().check(&table::not_written_to()).await;
}

#[tokio::test]
async fn m10_groups_are_told_by_their_people_or_by_their_own_address() {
    Play::new().check(&table::group_recipients()).await;
}

#[tokio::test]
async fn m11_a_removed_member_and_all_members_are_told_once_each() {
    Play::new().check(&table::removed_and_all_members()).await;
}

#[tokio::test]
async fn m12_who_is_not_to_be_notified_is_not_told_by_role() {
    Play::new().check(&table::do_not_notify()).await;
}

#[tokio::test]
async fn ignored_entries_tell_nobody_but_copies_of_all_changes() {
    Play::new().check(&table::ignored_entries()).await;
}

#[tokio::test]
async fn in_a_pilot_only_those_it_is_for_are_told() {
    Play::new().with("notify.pilot_filter", &openldap::pilot_filter()).check(&table::pilot()).await;
}

#[tokio::test]
async fn disabled_accounts_are_told_where_the_store_says_so() {
    let play = Play::new().with("notify.notify_disabled_accounts", "true");
    play.check(&table::disabled_people_who_are_told()).await;
}

#[tokio::test]
async fn only_listed_domains_are_written_to() {
    let play = Play::new().with("notify.recipient_domains", "[\"inside.example\", \"lists.example\"]");
    play.check(&table::domains()).await;
}

#[tokio::test]
async fn members_and_objects_do_not_read_who_did_it_where_the_store_says_so() {
    Play::new().with_hidden_actors().check(&table::hidden_actor()).await;
}
