"""Reads a maildir as somebody who has never heard of dirherald, and complains of all that is not as it should be.

    read_mails.py MAILDIR EXPECTATIONS

Only the standard library is used: its parsers of mail and of HTML share nothing with those that wrote the mails.
Prints what was looked at as one line of JSON, complaints to standard error, and fails where there are any.
"""

import base64
import collections
import email
import email.errors
import email.policy
import html.parser
import json
import os
import re
import sys

SENDER = "no-reply@harbour-vale.example"
RINGER = "ringer@bell.example"

# What Postfix puts on top, and what dirherald wrote.
HEADERS = [
    "Return-Path", "X-Original-To", "Delivered-To", "Received",
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
    "Auto-Submitted", "X-Auto-Response-Suppress", "X-Dirherald-Store", "X-Dirherald-Events", "X-Dirherald-Reasons",
]
PART_HEADERS = ["Content-Type", "Content-Transfer-Encoding"]

# Default_Ignorable_Code_Point and Bidi_Control of Unicode 16, and the blank of Braille.
UNSEEN = [
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
]
CONTROLS = [(0x00, 0x1F), (0x7F, 0x9F), (0x2028, 0x2029)]


def pattern(ranges):
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


HIDDEN = re.compile(f"[{pattern(UNSEEN)}{pattern(CONTROLS)}]")
NOTHING = re.compile(rf"[{pattern(UNSEEN)}{pattern(CONTROLS)}\s]")


def squeezed(text):
    """What can be seen of a text, without the spaces."""
    return NOTHING.sub("", text)


class Page(html.parser.HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.skeleton, self.words, self.within, self.headline = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag == "wbr":
            return
        self.skeleton.append((tag, tuple(attrs)))
        self.within.append(tag)

    def handle_endtag(self, tag):
        self.skeleton.append("/" + tag)
        while self.within and self.within.pop() != tag:
            pass

    def handle_startendtag(self, tag, attrs):
        self.skeleton.append((tag, tuple(attrs), "/"))

    def handle_comment(self, data):
        self.skeleton.append(("comment", data))

    def handle_decl(self, decl):
        self.skeleton.append(("declaration", decl))

    def handle_pi(self, data):
        self.skeleton.append(("instruction", data))

    def unknown_decl(self, data):
        self.skeleton.append(("unknown", data))

    def handle_data(self, data):
        if "style" in self.within:
            self.skeleton.append(("style", data))
            return
        self.words.append(data)
        if "h1" in self.within:
            self.headline.append(data)


class Mail:
    """One file of the maildir, looked at by itself."""

    def __init__(self, raw):
        self.complaints = []
        self.raw = raw
        self.check_bytes()
        head = raw.split(b"\n\n", 1)[0]
        if head.isascii():
            message = email.message_from_bytes(raw, policy=email.policy.default)
        else:
            # RFC 6532: only where somebody's address asks for it.
            message = email.message_from_string(raw.decode("utf-8"), policy=email.policy.default)
        self.message = message
        self.recipient = str(message["Delivered-To"])
        if not head.isascii() and self.recipient.isascii():
            self.complain("octets beyond ASCII in a header")
        self.check_headers()
        self.check_parts()

    def complain(self, what):
        self.complaints.append(what)

    def check_bytes(self):
        # Postfix writes LF for CRLF, and refuses a lonely LF: a CR was a lonely one.
        if b"\r" in self.raw:
            self.complain("a lonely CR")
        if b"\0" in self.raw:
            self.complain("a NUL")
        if max(map(len, self.raw.split(b"\n"))) > 998:
            self.complain("a line of more than 998 octets")

    def check_headers(self):
        message = self.message
        if message.keys() != HEADERS:
            self.complain(f"headers {message.keys()}")
        for name, value in message.items():
            defects = [defect for defect in getattr(value, "defects", ()) if not self.is_allowed(defect)]
            if defects:
                self.complain(f"{name}: {defects}")
            if HIDDEN.search(str(value)) and name not in ("Received", "Content-Type"):
                self.complain(f"{name} with something hidden: {str(value)!r}")
        if message["X-Original-To"] != self.recipient:
            self.complain(f"Delivered-To {self.recipient}, X-Original-To {message['X-Original-To']}")
        if message["Return-Path"] != f"<{SENDER}>":
            self.complain(f"Return-Path {message['Return-Path']}")
        self.check_addresses("From", SENDER)
        self.check_addresses("To", self.recipient)
        exact = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "MIME-Version": "1.0",
                 "X-Dirherald-Store": "company"}
        for name, value in exact.items():
            if message[name] != value:
                self.complain(f"{name}: {message[name]}")

    def is_allowed(self, defect):
        """Letters of any script before the @ are no defect since RFC 6531, where the recipient has them."""
        return isinstance(defect, email.errors.NonASCIILocalPartDefect) and not self.recipient.isascii()

    def check_addresses(self, name, expected):
        found = [address.addr_spec for address in self.message[name].addresses]
        # Quotes that quote nothing are no part of an address.
        if [address.replace('"', "").lower() for address in found] != [expected.replace('"', "").lower()]:
            self.complain(f"{name}: {found}, not {expected}")

    def check_parts(self):
        message = self.message
        defects = [defect for part in message.walk() for defect in part.defects]
        if defects:
            self.complain(f"defects {defects}")
        if message.preamble or (message.epilogue or "").strip():
            self.complain("text outside the parts")
        types = [part.get_content_type() for part in message.walk()]
        self.text = self.html = ""
        self.page = Page("")
        if types != ["multipart/alternative", "text/plain", "text/html"]:
            self.complain(f"parts {types}")
            return
        for part in message.iter_parts():
            if part.keys() != PART_HEADERS or part.get_content_charset() != "utf-8":
                self.complain(f"a part with {part.items()}")
        try:
            self.text, self.html = (
                # In base64 lines end as on the wire.
                part.get_payload(decode=True).decode("utf-8", "strict").replace("\r\n", "\n")
                for part in message.iter_parts()
            )
        except UnicodeDecodeError as error:
            self.complain(f"not UTF-8: {error}")
            return
        self.check_page()

    def check_page(self):
        self.page = Page(self.html)
        words = "".join(self.page.words)
        for name, text in [("text", self.text), ("HTML", words)]:
            found = HIDDEN.search(text.replace("\n", ""))
            if found:
                self.complain(f"something hidden in the {name}: {found.group()!r}")
        self.seen = squeezed(self.text), squeezed(words)
        subject, headline = squeezed(str(self.message["Subject"])), squeezed("".join(self.page.headline))
        if subject != headline:
            self.complain(f"the subject {subject!r} is not the headline {headline!r}")


def stored(value):
    """What a value is shown as: of one of more than 64 KB the beginning."""
    try:
        text = value.decode("utf-8", "strict")
        if len(value) > 65_536:
            text = value[:65_000].decode("utf-8", "ignore")
        if not text.startswith("{base64}"):
            return text
    except UnicodeDecodeError:
        pass
    return "{base64}" + base64.b64encode(value[:300]).decode()


def main(maildir, expectations):
    with open(expectations, encoding="utf-8") as file:
        cells = json.load(file)
    owner = {}
    for cell in cells:
        for role, addresses in cell["addresses"].items():
            for address in addresses:
                owner[address] = (cell["number"], role)
    complaints = collections.Counter()
    examples = {}
    counts = collections.Counter()
    of_cell = collections.defaultdict(list)
    ids = collections.Counter()

    def complain(what, where):
        complaints[what[:200]] += 1
        examples.setdefault(what[:200], where)

    for name in sorted(os.listdir(maildir)):
        with open(os.path.join(maildir, name), "rb") as file:
            mail = Mail(file.read())
        counts["messages"] += 1
        counts["octets"] += len(mail.raw)
        ids[mail.message["Message-ID"]] += 1
        for what in mail.complaints:
            complain(what, f"{name} to {mail.recipient}")
        if mail.recipient == RINGER:
            continue
        if mail.recipient not in owner:
            complain(f"a mail to {mail.recipient}", name)
            continue
        of_cell[owner[mail.recipient]].append((name, mail))

    if max(ids.values(), default=0) > 1:
        complain("a Message-ID came twice", "")

    def figures(number, role):
        mails = [mail for _, mail in of_cell[(number, role)]]
        skeletons = collections.Counter(tuple(mail.page.skeleton) for mail in mails)
        mark = {"o": f"=g{number}", "m": f"uid=p{number}", "p": f"=g{number}"}.get(role)
        named = sum(1 for mail in mails if mark and mark in mail.seen[0] and mark in mail.seen[1])
        return len(mails), skeletons, named

    references = {(cell["named"], role): figures(cell["number"], role)
                  for cell in cells if cell["harmless"] for role in cell["addresses"]}
    for cell in cells:
        if cell["harmless"]:
            continue
        counts["cells"] += 1
        for role, addresses in cell["addresses"].items():
            where = f"cell {cell['number']} {role}"
            number, skeletons, named = figures(cell["number"], role)
            expected = references[(cell["named"], role)]
            if not addresses:
                counts["no address after all"] += 1
                continue
            if number != expected[0]:
                complain(f"{number} mails to {role} and not {expected[0]}", where)
            elif skeletons != expected[1]:
                complain(f"HTML to {role} with other tags than that of a harmless value", where)
            elif not cell["long"] and named != expected[2]:
                complain(f"{named} mails to {role} name the entry by its DN, and not {expected[2]}", where)
        seen = {}
        for role in "pom":
            mails = [mail for _, mail in of_cell[(cell["number"], role)]]
            seen[role] = ["\n".join(mail.seen[side] for mail in mails) for side in (0, 1)]
        for role, value in cell["shown"]:
            shown = squeezed(stored(base64.b64decode(value)))[:60]
            counts["values looked for"] += 1
            if not all(shown in side for side in seen[role]):
                complain("a value is not shown as text", f"cell {cell['number']} {role}: {shown!r}")

    for (named, role), (number, skeletons, marked) in sorted(references.items()):
        if role in "pom" and not (number and len(skeletons) > 1 and marked):
            complain(f"the harmless cell says little: {role}, {number} mails, {marked} with a DN", f"named {named}")
    print(json.dumps(counts, sort_keys=True))
    for what, times in complaints.most_common(40):
        print(f"{times} x {what} ({examples[what]})", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
