//! XML as far as a container needs it: elements with namespaces, attributes and text. No document types, so no entities
//! but XML's own five; bounded in size, depth and number.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use zeroize::Zeroize as _;

use super::PskcError;

/// The largest container, bytes: some thousand displays.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;
const DEEPEST: usize = 24;
const MOST_ELEMENTS: usize = 250_000;

/// An element. Its text may be a seed, so it is wiped when dropped.
pub(super) struct Element {
    /// The namespace; empty if it has none.
    namespace: String,
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    pub(super) children: Vec<Element>,
}

impl Drop for Element {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl Element {
    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The only child of that name.
    pub(super) fn child(&self, namespace: &str, name: &str) -> Result<Option<&Self>, PskcError> {
        let mut found = self.children.iter().filter(|child| child.is(namespace, name));
        let first = found.next();
        if found.next().is_some() { Err(PskcError::Malformed("an element stands twice")) } else { Ok(first) }
    }

    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// An attribute without a namespace.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a document's root element.
pub(super) fn read(bytes: &[u8]) -> Result<Element, PskcError> {
    if bytes.len() > LARGEST {
        return Err(PskcError::TooLarge);
    }
    let text = core::str::from_utf8(bytes).map_err(|_| PskcError::Malformed("it is not UTF-8"))?;
    let mut reader = NsReader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let bad = |_| PskcError::Malformed("it is not well-formed XML");
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0_usize;
    loop {
        let event = reader.read_event().map_err(bad)?;
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                elements = elements.saturating_add(1);
                if elements > MOST_ELEMENTS || open.len() >= DEEPEST {
                    return Err(PskcError::TooLarge);
                }
                if root.is_some() {
                    return Err(PskcError::Malformed("it has two roots"));
                }
                let element = element(&reader, start)?;
                if matches!(event, Event::Start(_)) {
                    open.push(element);
                } else {
                    close(&mut open, &mut root, element);
                }
            }
            Event::End(_) => {
                let element = open.pop().ok_or(PskcError::Malformed("it is not well-formed XML"))?;
                close(&mut open, &mut root, element);
            }
            Event::Text(text) => {
                let content = text.xml_content(XmlVersion::Implicit1_0);
                match open.last_mut() {
                    Some(element) => element.text.push_str(&content),
                    None if content.trim().is_empty() => {}
                    None => return Err(PskcError::Malformed("it is not well-formed XML")),
                }
            }
            Event::CData(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text.xml_content(XmlVersion::Implicit1_0));
                }
            }
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(character),
                    Ok(None) => match &*reference.xml_content(XmlVersion::Implicit1_0) {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        _ => None,
                    },
                    Err(_) => None,
                };
                let character = resolved.ok_or(PskcError::Malformed("it names an unknown entity"))?;
                if let Some(element) = open.last_mut() {
                    element.text.push(character);
                }
            }
            Event::DocType(_) => return Err(PskcError::Malformed("it has a document type")),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        _ => Err(PskcError::Malformed("it is cut off")),
    }
}

fn close(open: &mut [Element], root: &mut Option<Element>, element: Element) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, PskcError> {
    let (namespace, name) = reader.resolver().resolve_element(start.name());
    let namespace = match namespace {
        ResolveResult::Bound(namespace) => namespace.0.to_owned(),
        ResolveResult::Unbound => String::new(),
        ResolveResult::Unknown(_) => return Err(PskcError::Malformed("it uses an undeclared namespace")),
    };
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let bad = PskcError::Malformed("an attribute cannot be read");
        let Ok(attribute) = attribute else { return Err(bad) };
        if attribute.key.prefix().is_none() && attribute.key.as_namespace_binding().is_none() {
            let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0) else { return Err(bad) };
            attributes.push((attribute.key.0.to_owned(), value.into_owned()));
        }
    }
    Ok(Element { namespace, name: name.into_inner().to_owned(), attributes, text: String::new(), children: Vec::new() })
}
