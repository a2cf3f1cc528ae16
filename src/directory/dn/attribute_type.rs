//! The names of the attribute types that stand in DNs.

use crate::directory::attribute::AttributeName;

/// The short name of an attribute type, lower-case; a type not known here under its own name.
pub fn canonical(attribute: &str) -> AttributeName {
    let lower = attribute.to_ascii_lowercase();
    AttributeName::new(alias(lower.as_bytes()).unwrap_or(&lower))
}

/// The short name behind a long name or a numeric OID (RFC 4519, RFC 4524, RFC 2798, RFC 2985). `name` is
/// lower-case; `None`: it stands for itself.
pub fn alias(name: &[u8]) -> Option<&'static str> {
    Some(match name {
        b"commonname" | b"2.5.4.3" => "cn",
        b"surname" | b"2.5.4.4" => "sn",
        b"2.5.4.5" => "serialnumber",
        b"countryname" | b"2.5.4.6" => "c",
        b"localityname" | b"2.5.4.7" => "l",
        b"stateorprovincename" | b"2.5.4.8" => "st",
        b"streetaddress" | b"2.5.4.9" => "street",
        b"organizationname" | b"2.5.4.10" => "o",
        b"organizationalunitname" | b"2.5.4.11" => "ou",
        b"2.5.4.12" => "title",
        b"2.5.4.13" => "description",
        b"2.5.4.15" => "businesscategory",
        b"2.5.4.17" => "postalcode",
        b"2.5.4.20" => "telephonenumber",
        b"2.5.4.41" => "name",
        b"gn" | b"2.5.4.42" => "givenname",
        b"2.5.4.43" => "initials",
        b"2.5.4.44" => "generationqualifier",
        b"2.5.4.45" => "x500uniqueidentifier",
        b"2.5.4.46" => "dnqualifier",
        b"2.5.4.65" => "pseudonym",
        b"userid" | b"0.9.2342.19200300.100.1.1" => "uid",
        b"rfc822mailbox" | b"0.9.2342.19200300.100.1.3" => "mail",
        b"0.9.2342.19200300.100.1.9" => "host",
        b"domaincomponent" | b"0.9.2342.19200300.100.1.25" => "dc",
        b"0.9.2342.19200300.100.1.44" => "uniqueidentifier",
        b"emailaddress" | b"pkcs9email" | b"1.2.840.113549.1.9.1" => "email",
        b"2.16.840.1.113730.3.1.3" => "employeenumber",
        b"2.16.840.1.113730.3.1.241" => "displayname",
        b"1.3.6.1.1.1.1.0" => "uidnumber",
        b"1.3.6.1.1.1.1.1" => "gidnumber",
        _ => return None,
    })
}
