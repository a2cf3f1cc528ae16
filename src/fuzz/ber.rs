//! Damages messages where damage hurts: an element in the wrong place, of another kind, too often or not at
//! all, with a length in another form or a wrong one. Bytes changed at random seldom get past the lengths.

use super::random::Random;

/// Beyond it, elements are left as bytes.
const DEEPEST: usize = 40;

#[derive(Debug, Clone)]
enum Element {
    Primitive(u8, Vec<u8>),
    Constructed(u8, Vec<Self>),
}

/// Changes elements, and sometimes bytes.
pub fn mutate(random: &mut Random, kept: &[Vec<u8>]) -> Vec<u8> {
    let chosen = random.choose(kept).expect("never none");
    let Some(mut elements) = parse(&chosen, 0).filter(|_| random.percent(85)) else {
        return super::bytes(random, kept);
    };
    for _ in 0..=random.below(3) {
        change(random, &mut elements, kept);
    }
    let honest = random.percent(85);
    let mut bytes = Vec::new();
    for element in &elements {
        element.encode(random, honest, &mut bytes);
    }
    bytes
}

fn change(random: &mut Random, elements: &mut Vec<Element>, kept: &[Vec<u8>]) {
    let at = random.below(elements.len() + 1);
    if at < elements.len() && random.percent(75) {
        match &mut elements[at] {
            Element::Constructed(_, children) => return change(random, children, kept),
            Element::Primitive(_, content) if random.percent(60) => {
                return super::change_bytes(random, content, kept);
            }
            Element::Primitive(..) => {}
        }
    }
    match random.below(6) {
        0 if at < elements.len() => drop(elements.remove(at)),
        1 if at < elements.len() => {
            let copies = vec![elements[at].clone(); 1 + random.below(3)];
            elements.splice(at..at, copies);
        }
        2 if at < elements.len() => elements[at].set_tag(any_tag(random)),
        3 if at < elements.len() => {
            let element = elements.remove(at);
            elements.insert(at, nested(random, element));
        }
        4 => {
            let other = random.choose(kept).and_then(|bytes| parse(&bytes, 0)).unwrap_or_default();
            if let Some(element) = random.choose(&all(&other)) {
                elements.insert(at, element);
            }
        }
        _ => {
            let content = (0..random.below(6)).map(|_| super::any_byte(random)).collect();
            elements.insert(at, Element::Primitive(any_tag(random), content));
        }
    }
}

fn nested(random: &mut Random, element: Element) -> Element {
    let levels = if random.percent(10) { 100 } else { 1 + random.below(3) };
    (0..levels).fold(element, |inner, _| Element::Constructed(0x30, vec![inner]))
}

fn any_tag(random: &mut Random) -> u8 {
    let known = [
        0x01, 0x02, 0x04, 0x0a, 0x30, 0x31, 0x61, 0x64, 0x65, 0x73, 0x78, 0x79, 0x80, 0x81, 0x83, 0x8a, 0x8b,
        0xa0, 0xa1, 0xa2, 0xa3,
    ];
    if random.percent(90) { random.choose(&known).expect("some") } else { super::any_byte(random) }
}

fn all(elements: &[Element]) -> Vec<Element> {
    let below = elements.iter().flat_map(|element| match element {
        Element::Constructed(_, children) => all(children),
        Element::Primitive(..) => Vec::new(),
    });
    elements.iter().cloned().chain(below).collect()
}

/// `None`: not a row of elements, each with all of its content.
fn parse(mut bytes: &[u8], depth: usize) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    while let Some((&tag, rest)) = bytes.split_first() {
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (length, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        let children = if tag & 0x20 != 0 && depth < DEEPEST { parse(content, depth + 1) } else { None };
        elements.push(match children {
            Some(children) => Element::Constructed(tag, children),
            None => Element::Primitive(tag, content.to_vec()),
        });
    }
    Some(elements)
}

impl Element {
    fn set_tag(&mut self, new: u8) {
        match self {
            Self::Primitive(tag, _) | Self::Constructed(tag, _) => *tag = new,
        }
    }

    fn encode(&self, random: &mut Random, honest: bool, to: &mut Vec<u8>) {
        let (tag, content) = match self {
            Self::Primitive(tag, content) => (*tag, content.clone()),
            Self::Constructed(tag, children) => {
                let mut content = Vec::new();
                for child in children {
                    child.encode(random, honest, &mut content);
                }
                (*tag, content)
            }
        };
        let mut length = content.len();
        if !honest && random.percent(10) {
            length = (length + random.below(5)).saturating_sub(2);
        }
        to.push(tag);
        let long = u32::try_from(length).expect("a small input").to_be_bytes();
        match u8::try_from(length) {
            Ok(short) if short < 0x80 && !random.percent(5) => to.push(short),
            // As Windows writes them.
            _ if random.percent(90) => to.extend([&[0x84][..], &long].concat()),
            _ => to.extend([&[0x83][..], &long[1..]].concat()),
        }
        to.extend(content);
    }
}
