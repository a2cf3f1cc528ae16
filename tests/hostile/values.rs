//! What nobody should write into a directory, and somebody will.

use crate::support::{postfix::Postfix, random::Random};

/// Values that a seed decides.
#[derive(Debug)]
pub struct Values {
    random: Random,
}

/// One kind of mischief.
type Mischief = fn(&mut Random) -> Vec<u8>;

const MISCHIEF: [Mischief; 21] = [
    line_breaks,
    smtp_dots,
    nul_and_controls,
    markup,
    entities,
    template_syntax,
    bidi_and_zero_width,
    look_alikes,
    combining_flood,
    broken_utf8,
    surrogates,
    blank,
    encoded_words,
    header_lines,
    no_spaces,
    quotes_and_comments,
    boundaries,
    any_characters,
    any_octets,
    stored_marks,
    directory_syntax,
];

impl Values {
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed) }
    }

    /// For any attribute. One of three holds two kinds of mischief at once.
    pub fn value(&mut self) -> Vec<u8> {
        let mut value = self.single();
        if self.random.percent(33) && value.len() < 4096 {
            value.extend(self.single());
        }
        value
    }

    /// In which something can be seen, whatever else there is.
    pub fn name(&mut self) -> Vec<u8> {
        let (before, value) = (self.random.below(3), shortened(self.value(), 3000));
        match before {
            0 => [b"Mallory ".to_vec(), value].concat(),
            1 => [b"M".to_vec(), value, b"y".to_vec()].concat(),
            _ => [&b"X\xc3\xa9na"[..], &value].concat(),
        }
    }

    /// Of which nothing can be seen. Never empty, and UTF-8.
    pub fn invisible(&mut self) -> Vec<u8> {
        let mut text = String::new();
        for _ in 0..=self.random.below(5) {
            text.push(one_of(&mut self.random, &UNSEEN));
        }
        text.into_bytes()
    }

    /// For the value of a first part of a DN: not too long for a server's index.
    pub fn rdn(&mut self) -> Vec<u8> {
        let longest = if self.random.percent(90) { 80 } else { 4000 };
        shortened(self.name(), longest)
    }

    /// What stands where a mail address should, or an address that looks odd and is right.
    pub fn address(&mut self, number: usize) -> Vec<u8> {
        let domain = Postfix::DOMAIN;
        let x = format!("y{number}");
        let many = |text: &str, times: usize| text.repeat(times);
        let candidates: Vec<Vec<u8>> = vec![
            format!("{x}@{domain}\r\nRCPT TO:<eve@evil.example>").into(),
            format!("{x}@{domain}\nBcc: eve@evil.example").into(),
            format!("{x}@{domain}>\r\nRCPT TO:<eve@evil.example").into(),
            format!("{x}\0@{domain}").into(),
            format!("{x}@{domain}\0").into(),
            format!("{x}@{domain},eve@evil.example").into(),
            format!("{x}@{domain};eve@evil.example").into(),
            format!("{x}@{domain} eve@evil.example").into(),
            format!("{x}@{domain}> SIZE=1 <eve@evil.example").into(),
            format!(" {x}@{domain}").into(),
            format!("{x}@{domain}@evil.example").into(),
            format!("{x}@evil.example@{domain}").into(),
            format!("@relay.example:{x}@{domain}").into(),
            format!("@relay.example,@evil.example:{x}@{domain}").into(),
            format!("{x}%evil.example@{domain}").into(),
            format!("evil.example!{x}@{domain}").into(),
            format!("{x}(comment)@{domain}").into(),
            format!("{x}@(eve@evil.example){domain}").into(),
            format!("{x}@[127.0.0.1]").into(),
            format!("{x}@[IPv6:::1]").into(),
            format!("\"{x} x\"@{domain}").into(),
            format!("\"{x}\\\"@evil.example\"@{domain}").into(),
            format!("\"{x}..x\"@{domain}").into(),
            format!("\"{x}\"@{domain}").into(),
            format!("{x}\"quoted\"@{domain}").into(),
            format!("Eve <{x}@{domain}>").into(),
            format!("<{x}@{domain}>").into(),
            format!("{x}@{domain}.").into(),
            format!("{x}.@{domain}").into(),
            format!("{x}..x@{domain}").into(),
            format!("-o{x}@{domain}").into(),
            format!("|{x}@{domain}").into(),
            format!("/etc/{x}@{domain}").into(),
            format!("{x}+tag@{domain}").into(),
            format!("{x}'o@{domain}").into(),
            format!("{x}{{{{7*7}}}}@{domain}").into(),
            format!("=?utf-8?q?{x}?=@{domain}").into(),
            format!("mailto:{x}@{domain}").into(),
            format!("{}{x}@{domain}", many("a", 300)).into(),
            format!("{x}{}@{domain}", many("b", 64 - x.len())).into(),
            format!("{x}@{}{domain}", many("sub.", 100)).into(),
            format!("{x}@{}", many("c", 70)).into(),
            format!("{x}@").into(),
            format!("@{domain}").into(),
            x.clone().into(),
            Vec::new(),
            b"   ".to_vec(),
            format!("{x}ü@{domain}").into(),
            format!("{x}@b\u{fc}cher.example").into(),
            format!("{x}\u{202e}@{domain}").into(),
            format!("{x}\u{200b}@{domain}").into(),
            format!("{x}@\u{ff45}vil.example").into(),
            format!("{x}\u{ff20}{domain}").into(),
            format!("{x}\u{e9}\u{301}\u{302}@{domain}").into(),
            format!("{x}\u{85}@{domain}").into(),
            [x.as_bytes(), b"\xff@", domain.as_bytes()].concat(),
            [x.as_bytes(), b"\xed\xa0\x80@", domain.as_bytes()].concat(),
            self.value(),
        ];
        self.random.choose(&candidates).expect("there are some")
    }

    /// In so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.random.percent(percent)
    }

    fn single(&mut self) -> Vec<u8> {
        // Few are long: they cost most.
        if self.random.below(250) == 0 {
            return long(&mut self.random);
        }
        let mischief = one_of(&mut self.random, &MISCHIEF);
        mischief(&mut self.random)
    }
}

/// Changes how others are shown, or takes no room.
const UNSEEN: [char; 24] = [
    '\u{200b}',
    '\u{200c}',
    '\u{200d}',
    '\u{200e}',
    '\u{200f}',
    '\u{202a}',
    '\u{202b}',
    '\u{202c}',
    '\u{202d}',
    '\u{202e}',
    '\u{2060}',
    '\u{2066}',
    '\u{2067}',
    '\u{2068}',
    '\u{2069}',
    '\u{feff}',
    '\u{ad}',
    '\u{34f}',
    '\u{61c}',
    '\u{180e}',
    '\u{3164}',
    '\u{fe0f}',
    '\u{e0041}',
    '\u{206f}',
];

/// In no more than so many octets; what is UTF-8 stays it.
fn shortened(mut value: Vec<u8>, longest: usize) -> Vec<u8> {
    let end = std::str::from_utf8(&value).map_or(longest, |text| text.floor_char_boundary(longest));
    value.truncate(end);
    value
}

fn one_of<T: Clone>(random: &mut Random, list: &[T]) -> T {
    random.choose(list).expect("there are some")
}

fn text(random: &mut Random, list: &[&str]) -> Vec<u8> {
    one_of(random, list).as_bytes().to_vec()
}

fn line_breaks(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "Mallory\r\nBcc: eve@evil.example\r\n\r\n",
            "Mallory\nBcc: eve@evil.example\n\nHello",
            "Mallory\rBcc: eve@evil.example\r\r",
            "\r\n\r\n<html><body>Hello</body></html>",
            "a\u{2028}Bcc: eve@evil.example\u{2029}b",
            "a\u{85}Subject: changed\u{b}b\u{c}c",
            "\r\n \r\n\t\r\n",
            "a\r\n b\r\n\tc",
        ],
    )
}

fn smtp_dots(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "\r\n.\r\nMAIL FROM:<eve@evil.example>\r\nRCPT TO:<eve@evil.example>\r\nDATA\r\nHi\r\n.\r\n",
            "\n.\nQUIT\n",
            "\n.\r\nRSET\r\n",
            "\r.\rQUIT\r",
            ".",
            "..",
            ".\r\n.\r\n",
            "\r\n..\r\n.",
        ],
    )
}

fn nul_and_controls(random: &mut Random) -> Vec<u8> {
    let mut value =
        text(random, &["", "Anna", "\u{1b}[31mred\u{1b}[0m", "\u{1b}]0;title\u{7}", "\u{8}\u{8}\u{7f}"]);
    for _ in 0..=random.below(6) {
        value.push(u8::try_from(random.below(0x20)).expect("small"));
        value.extend_from_slice(text(random, &["a", "", "\0", "\u{9b}31m", "\u{80}\u{9f}"]).as_slice());
    }
    value
}

fn markup(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "</td></tr></table><h1>Done</h1><table><tr><td>",
            "<!-- gone",
            "--><b>bold</b>",
            "<![endif]--><a href=\"https://evil.example\">click</a>",
            "\"><a href='javascript:alert(1)'>x</a>",
            "' onmouseover='alert(1)",
            "<style>.page{display:none}</style>",
            "</title></head><body onload=alert(1)>",
            "<a\nhref=x>",
            "<svg/onload=alert(1)>",
            "<![CDATA[ x ]]>",
            "<?xml version=\"1.0\"?>",
            "</html>",
            "<b",
            "< b >",
            "<\0script>",
            "<textarea>",
            "<plaintext>",
        ],
    )
}

fn entities(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "&lt;b&gt;bold&lt;/b&gt;",
            "&#60;script&#62;",
            "&#x3c;script&#x3e;",
            "&amp;amp;&quot;&apos;",
            "&",
            "&&;&#;&#x;&#0;&#1114112;",
            "&nbsp;&zwj;&rlm;",
            "AT&T",
        ],
    )
}

fn template_syntax(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "{{ 7*7 }}",
            "{% for x in range(9) %}{{ x }}{% endfor %}",
            "{% endblock %}{% include \"/etc/passwd\" %}",
            "{# comment #}",
            "${7*7}#{7*7}<%= 7*7 %>",
            "{{ event.entry.dn }}{{ self.facts() }}",
            "{% raw %}",
            "}}{{",
            "%s%n%x %(name)s {0} {name!r}",
            "$(id) `id` ; rm -rf /",
        ],
    )
}

fn bidi_and_zero_width(random: &mut Random) -> Vec<u8> {
    let mut value = String::from(one_of(random, &["Anna", "gpj.exe", "מלך", "مرحبا", ""]));
    for _ in 0..=random.below(12) {
        value.push(one_of(random, &UNSEEN));
        value.push_str(one_of(random, &["a", "B", " ", "ש", "1", ""]));
    }
    value.into_bytes()
}

fn look_alikes(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "Аdmіnіstrаtоr",
            "Ꭺnna Berg",
            "Αnna Βerg",
            "rnary",
            "Adm1nistrat0r",
            "ａｄｍｉｎ",
            "𝐀𝐧𝐧𝐚",
            "Anna\u{a0}Berg",
        ],
    )
}

fn combining_flood(random: &mut Random) -> Vec<u8> {
    let mut value = String::from("Z");
    for _ in 0..random.below(400) {
        value.push(one_of(
            random,
            &['\u{300}', '\u{316}', '\u{335}', '\u{489}', '\u{20dd}', '\u{1ab0}', '\u{fe20}', 'a'],
        ));
    }
    value.into_bytes()
}

fn broken_utf8(random: &mut Random) -> Vec<u8> {
    one_of(
        random,
        &[
            &b"\xff\xfe"[..],
            b"caf\xe9",
            b"\xc0\xaf",
            b"\xc0\x80",
            b"\xe2\x82",
            b"\xf8\x88\x80\x80\x80",
            b"a\x80b",
            b"\xf4\x90\x80\x80",
            b"\xc3",
            b"\x00\xd8\x00\xdc",
        ],
    )
    .to_vec()
}

fn surrogates(random: &mut Random) -> Vec<u8> {
    let mut value = b"S".to_vec();
    value.extend(one_of(random, &[&b"\xed\xa0\x80"[..], b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80"]));
    value
}

fn long(random: &mut Random) -> Vec<u8> {
    let piece = one_of(random, &["x", "word ", "日", "<b>", "a\r\n", "\u{200b}", "é\u{301}", "=?", "."]);
    let length = one_of(random, &[65_535, 65_536, 65_537, 64_000, 70_000]);
    let mut value = piece.repeat(length / piece.len() + 1);
    value.truncate(value.floor_char_boundary(length));
    value.into_bytes()
}

fn blank(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "",
            "",
            " ",
            "     ",
            "\t",
            "\u{a0}",
            "\u{3000}\u{2003}",
            "\u{200b}",
            "\u{2800}",
            "\u{feff} \u{feff}",
        ],
    )
}

fn encoded_words(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "=?utf-8?b?PHNjcmlwdD4=?=",
            "=?utf-8?q?Eve=0D=0ABcc:_eve@evil.example?=",
            "=?utf-8?b?DQpCY2M6IGV2ZUBldmlsLmV4YW1wbGU=?=",
            "=?iso-8859-1?q?a?= =?iso-8859-1?q?b?=",
            "=?utf-7?q?+ADw-b+AD4-?=",
            "=?x?",
            "?=",
            "=?=?=?",
            "=?utf-8*en?q?a?=",
        ],
    )
}

fn header_lines(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "Bcc: eve@evil.example",
            "Subject: changed",
            "Content-Type: text/html",
            "MIME-Version: 1.0",
            "From: boss@evil.example",
            "Return-Path: <eve@evil.example>",
            ": x",
            "X-Dirherald-Reasons: owner",
        ],
    )
}

fn no_spaces(random: &mut Random) -> Vec<u8> {
    let piece = one_of(random, &["x", "aé", "日", "a,", "=", "W.", "\u{1f600}"]);
    piece.repeat(1 + random.below(3000) / piece.len()).into_bytes()
}

fn quotes_and_comments(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "\"Anna\" (the boss) <eve@evil.example>",
            "Anna, Berta; Carl: Dora <x@evil.example>;",
            "\\\"\\",
            "(((((",
            "a@b@c",
            "\"",
            "undisclosed-recipients:;",
            "Anna <eve@evil.example>,",
            "a\\",
        ],
    )
}

fn boundaries(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "\r\n--dirherald-0-0\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n--dirherald-0-0--\r\n",
            "--dirherald-",
            "\n----\n--\n",
            "begin 644 x\n#0V%T\n`\nend",
            "From eve@evil.example Mon Jan  1 00:00:00 2026\n",
            "\n>From me",
        ],
    )
}

fn any_characters(random: &mut Random) -> Vec<u8> {
    let mut value = String::new();
    for _ in 0..random.below(60) {
        let end = one_of(random, &[0x80, 0x800, 0x3000, 0x1_0000, 0x11_0000]);
        value.extend(char::from_u32(u32::try_from(random.below(end)).expect("small")));
    }
    value.into_bytes()
}

fn any_octets(random: &mut Random) -> Vec<u8> {
    (0..random.below(80)).map(|_| u8::try_from(random.below(256)).expect("an octet")).collect()
}

fn stored_marks(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "{base64}AAAA",
            "{base64}",
            "{base64}!",
            "x…{cut of 99 bytes, 0000000000000000}",
            "… (7 more characters)",
            "(none)",
        ],
    )
}

fn directory_syntax(random: &mut Random) -> Vec<u8> {
    text(
        random,
        &[
            "*)(uid=*))(|(uid=*",
            "a,b=c+d;e\"<>#\\ ",
            "cn=admin,dc=harbour-vale,dc=example",
            "\\0d\\0aBcc: eve@evil.example",
            "#0403616263",
            " leading and trailing ",
            "' OR 1=1; DROP TABLE event; --",
            "../../../etc/passwd",
        ],
    )
}
