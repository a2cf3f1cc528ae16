//! What happens in the demo: who changes what, in words and in LDIF.

/// The root of the sample company's tree.
pub(super) const BASE: &str = "dc=harbour-vale,dc=example";

/// Of everyone in the sample company.
pub(super) const PASSWORD: &str = "demo-only";

/// One operation, sent by one person.
#[derive(Debug)]
pub(super) struct Step {
    /// Who binds, below the root.
    pub actor: &'static str,
    /// Who does what.
    pub words: &'static str,
    /// What is worth a look in the answer.
    pub remark: Option<&'static str>,
    /// What ldapmodify is given; `@BASE@` stands for the root.
    ldif: &'static str,
}

impl Step {
    /// The DN to bind as.
    pub(super) fn bind_dn(&self) -> String {
        format!("{},{BASE}", self.actor)
    }

    /// What ldapmodify is given.
    pub(super) fn ldif(&self) -> String {
        self.ldif.replace("@BASE@", BASE)
    }
}

/// In this order: later steps count on what earlier ones did.
pub(super) const STEPS: &[Step] = &[
    Step {
        actor: "uid=jonas,ou=people",
        words: "Jonas Lindqvist adds Nadia Haddad to the group payroll",
        remark: None,
        ldif: "dn: cn=payroll,ou=groups,@BASE@\n\
               changetype: modify\n\
               add: member\n\
               member: uid=nadia,ou=contractors,ou=people,@BASE@\n",
    },
    Step {
        actor: "uid=lena,ou=people",
        words: "Lena Hartmann adds Mei Chen to quay-cameras, which a group owns",
        remark: None,
        ldif: "dn: cn=quay-cameras,ou=groups,@BASE@\n\
               changetype: modify\n\
               add: member\n\
               member: uid=mei,ou=people,@BASE@\n",
    },
    Step {
        actor: "uid=kenji,ou=people",
        words: "Kenji Watanabe adds Nadia Haddad to vpn-users, a public group",
        remark: Some("Priya Raman owns it, and so does the group it: of its people each gets one mail."),
        ldif: "dn: cn=vpn-users,ou=groups,@BASE@\n\
               changetype: modify\n\
               add: member\n\
               member: uid=nadia,ou=contractors,ou=people,@BASE@\n",
    },
    Step {
        actor: "uid=wanjiru,ou=people",
        words: "Wanjiru Kamau adds the whole group warehouse to harbour-project",
        remark: Some("Finn O'Brien is in warehouse as well, but has no mail address."),
        ldif: "dn: cn=harbour-project,ou=groups,@BASE@\n\
               changetype: modify\n\
               add: member\n\
               member: cn=warehouse,ou=groups,@BASE@\n",
    },
    Step {
        actor: "uid=amara,ou=people",
        words: "Amara Okafor removes Óscar Fuentes from crane-log",
        remark: None,
        ldif: "dn: cn=crane-log,ou=groups,@BASE@\n\
               changetype: modify\n\
               delete: member\n\
               member: uid=oscar,ou=people,@BASE@\n",
    },
    Step {
        actor: "uid=lena,ou=people",
        words: "Lena Hartmann makes Ravi Pillai owner of harbour-project, not Wanjiru",
        remark: Some("The owner who was replaced hears of it, too."),
        ldif: "dn: cn=harbour-project,ou=groups,@BASE@\n\
               changetype: modify\n\
               replace: owner\n\
               owner: uid=ravi,ou=people,@BASE@\n",
    },
    Step {
        actor: "uid=lena,ou=people",
        words: "Lena Hartmann renames the account aroha to aroha.ngata",
        remark: Some("Her groups have the same members as before: their owners hear nothing."),
        ldif: "dn: uid=aroha,ou=people,@BASE@\n\
               changetype: modrdn\n\
               newrdn: uid=aroha.ngata\n\
               deleteoldrdn: 1\n",
    },
    Step {
        actor: "cn=provisioning,ou=services",
        words: "The nightly job of personnel gives Mei Chen another job title",
        remark: None,
        ldif: "dn: uid=mei,ou=people,@BASE@\n\
               changetype: modify\n\
               replace: title\n\
               title: Shift lead\n",
    },
    Step {
        actor: "uid=ibrahim,ou=people",
        words: "İbrahim Demir deletes Tomasz Nowak, who was in finance and payroll",
        remark: Some("One mail each, and in it only one's own: Chloé does not own finance."),
        ldif: "dn: uid=tomasz,ou=people,@BASE@\n\
               changetype: delete\n",
    },
    Step {
        actor: "uid=lena,ou=people",
        words: "Lena Hartmann deletes the group finance",
        remark: None,
        ldif: "dn: cn=finance,ou=groups,@BASE@\n\
               changetype: delete\n",
    },
];

/// The step of which `dirherald explain` is shown, by its place in [`STEPS`].
pub(super) const EXPLAINED: usize = 3;

/// The mail that is shown whole: that to this address, of the step with this place in [`STEPS`].
pub(super) const SHOWN: (usize, &str) = (0, "chloe@harbour-vale.example");

/// Gets a copy of everything.
pub(super) const COPY_TO: &str = "audit@harbour-vale.example";
