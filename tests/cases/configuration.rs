//! A configuration that is changed while dirherald is down.

use crate::cases::scene::Scene;

/// With the `first` value of a key dirherald runs and stops. With the `second` it sees what it did not see before,
/// which is silent; then `change` is told as the second value has it.
async fn check(key: &str, first: &str, second: &str, change: impl AsyncFn(&Scene), told: &[&str]) {
    let mut scene =
        Scene::company().await.with("notify.manager", "true").with("notify.object_modified", "true");
    scene = scene.with(key, first);
    scene.live().await.stop().await;
    scene = scene.with(key, second);
    let daemon = scene.live().await;
    scene.settle().await;
    assert_eq!((scene.events(), scene.told()), (vec![], vec![]), "{key}: {}", scene.site.log());
    change(&scene).await;
    scene.assert_reasons(told).await;
    daemon.stop().await;
}

#[tokio::test]
async fn m26_an_attribute_that_was_not_watched_before() {
    check(
        "schema.watched_attributes",
        "[\"displayName\"]",
        "[\"displayName\", \"title\", \"telephoneNumber\", \"description\"]",
        async |scene| scene.ldap.replace("uid=mei,ou=people", "title", &["Chief"]).await,
        &["mei: object_modified", "ravi: manager"],
    )
    .await;
}

#[tokio::test]
async fn m26_users_that_were_none_before() {
    check(
        "schema.user_filter",
        "\"(uid=maren)\"",
        "\"(objectClass=inetOrgPerson)\"",
        async |scene| scene.ldap.replace("uid=mei,ou=people", "title", &["Chief"]).await,
        &["mei: object_modified", "ravi: manager"],
    )
    .await;
}

#[tokio::test]
async fn m26_groups_that_were_none_before() {
    check(
        "schema.group_filter",
        "\"(objectClass=posixGroup)\"",
        "\"(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers))\"",
        async |scene| scene.ldap.add_member("cn=crane-log,ou=groups", "uid=mei,ou=people").await,
        &["amara: owner", "mei: added_members, object_modified", "oscar: object_modified", "ravi: owner"],
    )
    .await;
}

#[tokio::test]
async fn m26_members_that_were_not_read_before() {
    check(
        "schema.members",
        "[\"uniqueMember\"]",
        "[\"member\", \"uniqueMember\", \"memberUid\"]",
        async |scene| scene.ldap.remove_member("cn=payroll,ou=groups", "uid=tomasz,ou=people").await,
        &["chloe: object_modified, owner", "jonas: owner", "tomasz: removed_members"],
    )
    .await;
}

#[tokio::test]
async fn m26_managers_that_were_not_read_before() {
    check(
        "schema.manager",
        "[\"seeAlso\"]",
        "[\"manager\"]",
        async |scene| scene.ldap.set_manager("uid=mei,ou=people", "uid=maren,ou=people").await,
        &["maren: manager", "mei: object_modified", "ravi: manager"],
    )
    .await;
}

#[tokio::test]
async fn m26_a_wider_tree() {
    let people = "\"ou=people,dc=harbour-vale,dc=example\"";
    let all = "\"dc=harbour-vale,dc=example\"";
    // The bell lies outside the narrow tree.
    check(
        "base_dn",
        people,
        all,
        async |scene| scene.ldap.remove_member("cn=payroll,ou=groups", "uid=tomasz,ou=people").await,
        &["chloe: object_modified, owner", "jonas: owner", "tomasz: removed_members"],
    )
    .await;
}

#[tokio::test]
async fn m26_filters_on_the_mirror_that_name_other_attributes() {
    // Each makes dirherald keep an attribute that it did not keep before.
    check(
        "schema.public_group_filter",
        "\"\"",
        "\"(cn=payroll)\"",
        async |scene| scene.ldap.remove_member("cn=payroll,ou=groups", "uid=tomasz,ou=people").await,
        &["chloe: object_modified, owner", "jonas: owner", "tomasz: removed_members"],
    )
    .await;
    check(
        "schema.ignore_filter",
        "\"(description=nobody has this)\"",
        "\"(cn=payroll)\"",
        async |scene| {
            scene.ldap.remove_member("cn=payroll,ou=groups", "uid=tomasz,ou=people").await;
            scene.ldap.replace("uid=mei,ou=people", "title", &["Chief"]).await;
        },
        &["mei: object_modified", "ravi: manager"],
    )
    .await;
    check(
        "schema.do_not_notify_filter",
        "\"(givenName=Mei)\"",
        "\"(roomNumber=1)\"",
        async |scene| scene.ldap.replace("uid=mei,ou=people", "title", &["Chief"]).await,
        &["mei: object_modified", "ravi: manager"],
    )
    .await;
}
