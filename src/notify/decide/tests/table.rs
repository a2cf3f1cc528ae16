//! The table of options, row by row: option, what it fires on, who is told.

use super::check;

/// Notify logged-in users: every event with a known actor, cause directory; the actor, if mail-enabled.
#[test]
fn logged_in_users() {
    for change in [
        "member-added finance bert",
        "member-removed finance bert",
        "owner-added finance bert",
        "owner-removed finance bert",
        "manager-added bert carla",
        "manager-removed bert carla",
        "object-created bert",
        "object-created finance",
        "object-deleted bert",
        "object-deleted finance",
        "object-renamed bert",
        "object-renamed sales",
        "attributes-changed ken",
        "attributes-changed finance",
    ] {
        check("logged_in_users", change, &[]);
        let by = |actor: &str| format!("{change} by={actor}");
        check("logged_in_users", &by("gina"), &["gina: logged_in_users"]);
        check("logged_in_users", &by("ken"), &["ken: logged_in_users"]);
        check("logged_in_users", &by("frank"), &["- frank: logged_in_users, no-address"]);
        check("logged_in_users", &by("ghost"), &["- ghost: logged_in_users, out-of-scope"]);
        check("logged_in_users", &(by("gina") + " because-deleted"), &[]);
    }
    check("logged_in_users", "object-deleted gina by=gina", &["gina: logged_in_users"]);
    check("logged_in_users", "object-deleted quit by=quit", &["- quit: logged_in_users, deleted"]);
    check("logged_in_users", "scope-entered bert by=gina; scope-left finance by=gina", &[]);
}

/// Notify owner (of groups): every event on a group; primary and additional owners, before ∪ after.
#[test]
fn owner() {
    check("owner", "member-added finance bert", &["carla: owner"]);
    check("owner", "member-removed finance bert", &["carla: owner"]);
    check("owner", "member-removed finance quit because-deleted", &["carla: owner"]);
    check("owner", "owner-added finance anna", &["carla: owner", "anna: owner"]);
    check("owner", "owner-removed finance anna", &["carla: owner", "anna: owner"]);
    check("owner", "object-created finance", &["carla: owner"]);
    check("owner", "object-deleted finance", &["carla: owner"]);
    check("owner", "object-renamed finance", &["carla: owner"]);
    check("owner", "attributes-changed finance", &["carla: owner"]);
    check("owner", "attributes-changed controlling", &["carla: owner", "Dora: owner"]);
    check("owner", "member-added orphan bert", &[]);
    check("owner", "manager-added bert carla", &[]);
    check("owner", "object-created anna", &[]);
    check("owner", "object-deleted anna", &[]);
    check("owner", "attributes-changed ken", &[]);
    check("owner", "object-renamed sales", &[]);
    check("owner", "scope-entered finance; scope-left finance", &[]);
}

/// Notify manager: every event on a user or contact; manager and additional managers, before ∪ after.
#[test]
fn manager() {
    check("manager", "object-created lars", &["carla: manager"]);
    check("manager", "object-deleted lars", &["carla: manager"]);
    check("manager", "object-renamed lars", &["carla: manager"]);
    check("manager", "attributes-changed lars", &["carla: manager"]);
    check("manager", "attributes-changed kim", &["carla: manager", "Dora: manager"]);
    check("manager", "manager-added lars bert", &["carla: manager", "bert: manager"]);
    check("manager", "manager-removed lars bert", &["carla: manager", "bert: manager"]);
    check("manager", "manager-removed lars bert because-deleted", &["carla: manager", "bert: manager"]);
    check("manager", "member-added finance lars", &[]);
    check("manager", "object-deleted finance", &[]);
    check("manager", "attributes-changed anna", &[]);
    check("manager", "object-renamed sales", &[]);
    check("manager", "scope-entered lars; scope-left kim", &[]);
}

/// Notify object being modified: changed, renamed, manager changed; the user or contact.
#[test]
fn object_modified() {
    check("object_modified", "attributes-changed lars", &["lars: object_modified"]);
    check("object_modified", "attributes-changed kim", &["kim: object_modified"]);
    check("object_modified", "object-renamed lars", &["lars: object_modified"]);
    check("object_modified", "manager-added lars bert", &["lars: object_modified"]);
    check("object_modified", "manager-removed kim bert", &["kim: object_modified"]);
    check("object_modified", "object-created lars", &[]);
    check("object_modified", "object-deleted lars", &[]);
    check("object_modified", "object-renamed sales", &[]);
    check("object_modified", "scope-entered lars; scope-left finance", &[]);
}

/// Notify object being modified, of groups: every event; the members after the event, before it for a deleted group.
#[test]
fn object_modified_of_groups() {
    for change in [
        "member-added finance lars",
        "member-removed finance lars",
        "owner-added finance lars",
        "owner-removed finance lars",
        "object-created finance",
        "object-renamed finance",
        "attributes-changed finance",
    ] {
        let told = ["anna: object_modified via finance", "bert: object_modified via finance"];
        check("object_modified", change, &told);
    }
    check("object_modified", "object-deleted finance", &["anna: object_modified", "bert: object_modified"]);
    check("object_modified", "object-deleted hollow", &["- hollow: object_modified, nobody-to-tell"]);
}

/// Notify public group owner: members of a public group; primary and additional owners.
#[test]
fn public_group_owner() {
    check("public_group_owner", "member-added open bert", &["carla: public_group_owner"]);
    check("public_group_owner", "member-removed open bert", &["carla: public_group_owner"]);
    check("public_group_owner", "member-removed open quit because-deleted", &["carla: public_group_owner"]);
    check("public_group_owner", "member-added finance bert", &[]);
    check("public_group_owner", "owner-added open bert", &[]);
    check("public_group_owner", "object-created open", &[]);
    check("public_group_owner", "object-deleted open", &[]);
    check("public_group_owner", "attributes-changed open", &[]);
    check("owner public_group_owner", "member-added open bert", &["carla: owner, public_group_owner"]);
    check("owner public_group_owner", "attributes-changed open", &["carla: owner"]);
}

/// Notify newly added group members on addition: member-added; the member.
#[test]
fn added_members() {
    check("added_members", "member-added finance bert", &["bert: added_members"]);
    check("added_members", "member-added finance ken", &["ken: added_members"]);
    check("added_members", "member-removed finance bert", &[]);
    check("added_members", "owner-added finance bert", &[]);
    check("added_members", "object-created finance", &[]);
    check("added_members", "attributes-changed bert", &[]);
}

/// Notify removed group member on removal: member-removed, a group's object-deleted; the member(s).
#[test]
fn removed_members() {
    check("removed_members", "member-removed finance bert", &["bert: removed_members"]);
    check("removed_members", "member-added finance bert", &[]);
    check("removed_members", "owner-removed finance bert", &[]);
    check("removed_members", "object-deleted finance", &["anna: removed_members", "bert: removed_members"]);
    check("removed_members", "object-deleted hollow", &["- hollow: removed_members, nobody-to-tell"]);
    check("removed_members", "object-deleted bert", &[]);
}

/// Recipients: To and CC: each change set in which at least one option fired; the listed addresses.
#[test]
fn recipients() {
    let listed = "to=audit@acme.example,boss@acme.example cc=desk@acme.example";
    check(
        &format!("owner {listed}"),
        "member-added finance bert",
        &["carla: owner", "audit (To): recipients", "boss (To): recipients", "desk (Cc): recipients"],
    );
    check(&format!("owner {listed}"), "attributes-changed bert", &[]);
    check(listed, "member-added finance bert", &[]);
    check(
        &format!("all-changes {listed}"),
        "object-renamed sales",
        &["audit (To): recipients", "boss (To): recipients", "desk (Cc): recipients"],
    );
    check("all-changes", "object-renamed sales", &[]);
}

/// All off.
#[test]
fn all_off() {
    check("", "member-added finance bert; object-deleted finance", &[]);
}
