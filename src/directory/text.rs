//! When two values are equal (RFC 4518).
