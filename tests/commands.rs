//! The commands, as a person or a script meets them.

use crate::support::{daemon::Site, ldap::Ldap, slapd::Setup, smtp::SmtpServer};

#[tokio::test]
async fn run_tells_a_change_and_stops_cleanly() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = Site::new(&slapd, &smtp).with("notify.added_members", "true");
    let daemon = site.start();
    daemon.wait_live().await;
    let ldap = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
    ldap.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    let mails = smtp.wait_for(1).await;
    assert_eq!(mails[0].header("X-Dirherald-Reasons").as_deref(), Some("added_members"));
    daemon.stop().await;
}
