use super::{file_with, load_text};

/// Every key at its default, as the administrator's reference lists them.
const EVERY_DEFAULT: &str = r#"
[state]
path = "/var/lib/dirherald/state.db"       # SQLite, mode 0600
keep = "365d"                              # events and delivered mail older than this are pruned

[log]
format = "text"                            # text | json
level = "info"

[defaults]                                 # what every store shares, same keys as a store; a store's own key wins, key by key

[identity_store.acme]                      # one table per store; the name is [a-z0-9-]+
kind = "auto"                              # auto | active-directory | openldap | 389ds | generic
urls = ["ldaps://dc1.acme.example", "ldaps://dc2.acme.example"]   # required. ldap, ldaps, ldapi, srv:DOMAIN; tried in order
base_dn = "dc=acme,dc=example"             # required
exclude = []                               # subtrees left out
watch = "auto"                             # auto | syncrepl | accesslog | changelog | usn | dirsync | modify-timestamp | persistent-search
bell = "auto"                              # auto | off.   watch = "persistent-search": the best feed, and a psearch bell is required
poll_interval = "5s"                       # feeds that poll; a bell shortens the wait to nothing
full_comparison = "24h"                    # periodic full read, compared with the mirror; "off" to disable
timezone = "UTC"

[identity_store.acme.bind]
method = "simple"                          # simple | external | anonymous | gssapi
dn = "cn=dirherald,ou=services,dc=acme,dc=example"     # example; on AD also user@domain
password_file = "/run/credentials/acme-ldap"           # example; or password

[identity_store.acme.tls]
ca_file = ""                               # empty: the system's roots
start_tls = false
client_cert_file = ""                      # for bind.method = "external"
client_key_file = ""
allow_plaintext = false                    # ldap:// with a password and no StartTLS is refused unless true

[identity_store.acme.accesslog]            # watch = "accesslog"
base_dn = "cn=accesslog"

[identity_store.acme.schema]               # defaults by kind: table below
watched_attributes = ["displayName", "mail", "title", "department", "telephoneNumber"]
language = "preferredLanguage"
public_group_filter = ""                   # which groups are public; empty: none
do_not_notify_filter = ""                  # entries that never get mail by role; explicit To/Cc wins over it
ignore_filter = ""                         # entries whose changes tell nobody
dummy_members = []                         # DNs

[identity_store.acme.smtp]
server = "mail.acme.example"               # required
port = 587
security = "starttls"                      # none | starttls | tls      ("SSL enabled")
allow_plaintext = false                    # security = "none" together with authentication is refused unless true
from = "Directory <no-reply@acme.example>" # required
envelope_from = ""                         # empty: from's address; "<>": the null sender
reply_to = ""
use_authentication = false                 # true: username and password are required. false: no credentials are sent
username = ""
password_file = ""
ca_file = ""
retry_initial = "5s"                       # after a 4xx to one message: doubled up to retry_max; later mail to that recipient waits behind it
retry_max = "1h"
give_up_after = "3d"                       # a server that cannot be reached is probed with one message, 1s doubled up to 60s;
                                           # the first success sends everything that is due
timeout = "30s"
transport = "smtp"                         # smtp | file  (file: one .eml per message into `directory`)
directory = ""

[identity_store.acme.recipients]
to = []
cc = []
copy = "notifications"                     # notifications | all-changes

[identity_store.acme.notify]
logged_in_users = false
owner = false                              # groups: primary and additional owners
manager = false                            # users and contacts: their manager
object_modified = false
public_group_owner = false
added_members = false
removed_members = false
password_portal_url = ""
membership_lifecycle = { joins = false, leaves = false, days_before_leaving = 0 }        # 0: no reminder
managed_by = { same_as_membership_lifecycle = false, added = false, removed = false, days_before_removal = 0 }
digest_window = "10s"
max_messages_per_hour = 60                 # per recipient
group_expansion_limit = 1000
notify_disabled_accounts = false
recipient_domains = []                     # empty: all
show_actor = true                          # in mails to members and objects
language = "en"                            # where the recipient's own is not known
dry_run = false
pilot_filter = ""
redirect_to = []

[identity_store.acme.guard]
window = "5m"
max_events = 1000
membership_percent = 50
membership_min = 20

[identity_store.acme.alerts]               # guard, stopped feed, failed lifecycle writes, failed mail
to = []                                    # `check` exits 3 when it and recipients.to are empty

[identity_store.acme.lifecycle]
enabled = false                            # true lets dirherald write memberships and owners
interval = "1m"
writable_filter = ""                       # required when enabled
# bind = { … }                             # a second account with write rights; default: bind
# [[identity_store.acme.lifecycle.policy]] # whoever joins these groups leaves again after so many days
# groups = "(cn=project-*)"
# kind = "add-temporary"
# days = 30

[identity_store.acme.password_expiry]
enabled = false
warn_days = [14, 7, 3, 1]
at = "08:00"
default_policy_dn = ""

[identity_store.acme.audit]                # who did it, where the directory itself does not say (AD)
samba_json = []                            # files: dsdb_json_audit, dsdb_group_json_audit
windows_json = []                          # files of JSON lines from the Security log
wait = "auto"                              # how long an event waits for its audit line: 3s for samba, 60s for windows
"#;

#[test]
fn every_key_can_be_written_down_at_its_default() {
    let (_directory, file) = file_with("hunter2");
    let toml = EVERY_DEFAULT.replace("/run/credentials/acme-ldap", &file.display().to_string());
    let written = load_text(&toml, &[]).unwrap();
    let lines = format!(
        "bind.dn = 'cn=dirherald,ou=services,dc=acme,dc=example'\nbind.password_file = '{}'\nbind.method = 'simple'\nurls = ['ldaps://dc1.acme.example', 'ldaps://dc2.acme.example']\nsmtp.from = 'Directory <no-reply@acme.example>'",
        file.display()
    );
    let left_out = load_text(&super::acme(&lines), &[]).unwrap();
    assert_eq!(format!("{written:?}"), format!("{left_out:?}"));
}
