//! A large directory as LDIF, the same every time it is written.

use std::io::{self, BufWriter, Write};

/// The root of the tree.
pub const BASE: &str = "dc=large,dc=example";

/// Of the root, its folders and the accounts.
const FRAME: usize = 6;

const GIVEN: [&str; 24] = [
    "Adaeze", "Bruno", "Chiara", "Darius", "Elif", "Farid", "Grace", "Henrik", "Ines", "Jun", "Katya",
    "Liam", "Mina", "Niko", "Olga", "Paulo", "Quynh", "Rosa", "Samir", "Tuuli", "Uma", "Viktor", "Wei",
    "Zofia",
];
const FAMILY: [&str; 23] = [
    "Abe", "Brandt", "Costa", "Dubois", "Eze", "Farah", "Garcia", "Hoang", "Ito", "Jensen", "Kaya", "Lopez",
    "Moreau", "Ndiaye", "Olsen", "Patel", "Rossi", "Silva", "Toth", "Usman", "Virtanen", "Wolf", "Yilmaz",
];

/// How large everything is, which follows from the number of people: a group for every twenty, of 25 to 75
/// members, and one group of every tenth person.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    people: usize,
    groups: usize,
}

impl Plan {
    /// At least a thousand people.
    pub fn of(people: usize) -> Self {
        Self { people, groups: people / 20 }
    }

    /// All entries, the root among them.
    pub fn entries(&self) -> usize {
        FRAME + self.people + self.groups + 1
    }

    /// All values of `member`.
    pub fn memberships(&self) -> usize {
        (0..self.groups).map(size).sum::<usize>() + self.largest_group()
    }

    /// Members of the largest group.
    pub fn largest_group(&self) -> usize {
        self.people / 10
    }

    /// The LDIF, parents before children.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, out);
        frame(&mut out)?;
        (0..self.people).try_for_each(|number| person(&mut out, number))?;
        for number in 0..self.groups {
            let members = members(number, self.people);
            group(&mut out, &format!("g{number:06}"), mix(number) % self.people, members)?;
        }
        group(&mut out, "large", 1, (0..self.largest_group()).map(|number| number * 10))?;
        out.flush()
    }
}

fn frame(out: &mut impl Write) -> io::Result<()> {
    write!(out, "dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: large\no: Large\n\n")?;
    for folder in ["people", "groups", "services"] {
        write!(out, "dn: ou={folder},{BASE}\nobjectClass: organizationalUnit\nou: {folder}\n\n")?;
    }
    for account in ["dirherald", "provisioning"] {
        write!(
            out,
            "dn: cn={account},ou=services,{BASE}\nobjectClass: applicationProcess\n\
             objectClass: simpleSecurityObject\ncn: {account}\nuserPassword: demo-only\n\n"
        )?;
    }
    Ok(())
}

fn person(out: &mut impl Write, number: usize) -> io::Result<()> {
    let given = GIVEN[number % GIVEN.len()];
    let family = FAMILY[number / GIVEN.len() % FAMILY.len()];
    write!(
        out,
        "dn: uid=p{number:07},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: p{number:07}\n\
         cn: {given} {family} {number}\nsn: {family}\nmail: p{number:07}@large.example\n"
    )?;
    if number > 0 {
        writeln!(out, "manager: uid=p{:07},ou=people,{BASE}", number / 8)?;
    }
    writeln!(out)
}

fn group(
    out: &mut impl Write,
    name: &str,
    owner: usize,
    members: impl Iterator<Item = usize>,
) -> io::Result<()> {
    write!(
        out,
        "dn: cn={name},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {name}\n\
         owner: uid=p{owner:07},ou=people,{BASE}\n"
    )?;
    for member in members {
        writeln!(out, "member: uid=p{member:07},ou=people,{BASE}")?;
    }
    writeln!(out)
}

/// 25 to 75, 50 on the average.
fn size(group: usize) -> usize {
    25 + group % 51
}

/// Different people, spread over all: a stride that goes round less than once.
fn members(group: usize, people: usize) -> impl Iterator<Item = usize> {
    let (size, random) = (size(group), mix(group));
    let stride = 1 + random / people % (people / size);
    (0..size).map(move |place| (random + place * stride) % people)
}

/// A number that looks random and is the same every time (the finalizer of SplitMix64).
fn mix(number: usize) -> usize {
    let mut z = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((z ^ z >> 31) >> 8).expect("64 bits")
}
