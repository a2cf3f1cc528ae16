//! The table of options on real servers: for each kind of change the exact set of recipients and reasons.

mod check;
mod openldap;
mod row;
mod table;

use check::check;

use crate::support::slapd::Overlay;

#[tokio::test]
async fn m29_each_change_is_told_to_exactly_those_it_concerns() {
    check(openldap::setup(), &table::changes()).await;
}

#[tokio::test]
async fn m29_each_change_is_told_to_exactly_those_it_concerns_with_refint() {
    check(openldap::setup().with(Overlay::Refint), &table::changes()).await;
}

#[tokio::test]
async fn m29_each_change_is_told_to_exactly_those_it_concerns_with_memberof() {
    check(openldap::setup().with(Overlay::MemberOf), &table::changes()).await;
}

#[tokio::test]
async fn m29_each_change_is_told_to_exactly_those_it_concerns_with_refint_and_memberof() {
    check(openldap::setup().with(Overlay::Refint).with(Overlay::MemberOf), &table::changes()).await;
}

#[tokio::test]
async fn m05_one_person_in_several_parts_gets_one_mail() {
    check(openldap::setup(), &table::one_person_in_several_parts()).await;
}

#[tokio::test]
async fn m08_addresses_that_are_missing_or_wrong_are_passed_over() {
    check(openldap::setup(), &table::addresses()).await;
}

#[tokio::test]
async fn m09_disabled_and_deleted_people_are_not_written_to() {
    check(openldap::setup(), &table::not_written_to()).await;
}

#[tokio::test]
async fn m10_groups_are_told_by_their_people_or_by_their_own_address() {
    check(openldap::setup(), &table::group_recipients()).await;
}
